"""Validation on gold that the label model learned from: simulated bias, fixed seeds."""

from __future__ import annotations

import narwhals as nw
import numpy as np
import polars as pl
import pytest

from labelkit.labelmodels import LabelModel
from labelkit.lfs import Votes
from labelkit.project.gold import crossfit, unflattered
from labelkit.validation.metrics import auc, log_loss

KEYS = ["query", "item"]

N_LOGS, N_EXAMPLES, N_GOLD = 24, 3_000, 60


def _votes(rng: np.random.Generator) -> tuple[Votes, pl.DataFrame]:
    y = (rng.random(N_EXAMPLES) < 0.35).astype(np.int64)
    accuracy = np.array([0.6, 0.65, 0.7, 0.62, 0.75, 0.68])
    right = rng.random((N_EXAMPLES, 6)) < accuracy
    cast = rng.random((N_EXAMPLES, 6)) < 0.6
    matrix = np.where(cast, np.where(right, y[:, None], 1 - y[:, None]), -1).astype(np.int8)
    keys = {"query": np.arange(N_EXAMPLES) // 5, "item": np.arange(N_EXAMPLES)}
    names = tuple(f"lf_{j}" for j in range(6))
    table = pl.DataFrame({**keys, **{name: matrix[:, j] for j, name in enumerate(names)}})
    truth = pl.DataFrame({**keys, "label": y, "inclusion_probability": 1.0})
    return Votes(nw.from_native(table), tuple(KEYS), names, 2, table), truth


@pytest.fixture(scope="module")
def errors() -> dict[str, np.ndarray]:
    """Estimate minus truth over simulated logs, for each way to measure on one's own gold.

    From each, the error of a model without gold on the same examples is taken off: which examples
    were drawn is most of the noise, and that model's error has the mean zero.
    """
    found: dict[str, list[float]] = {}
    for seed in range(N_LOGS):
        votes, truth = _votes(np.random.default_rng(seed))
        gold = truth.sample(N_GOLD, seed=seed).sort(KEYS)
        model = LabelModel(2, method="onecoin").fit(votes, gold=gold)
        labels = pl.DataFrame(model.label(votes))
        held_out = crossfit(model, votes, gold, class_balance=None, seed=seed)
        without = pl.DataFrame(LabelModel(2, method="onecoin").fit(votes).label(votes))
        scores = {
            "own": _on(labels, gold),
            "merged": _on(unflattered(labels, held_out, KEYS), gold),
            "rank": held_out["rank"].to_numpy(),
        }
        y, target = truth["label"].to_numpy(), gold["label"].to_numpy()
        p, control = labels["p_1"].to_numpy(), without["p_1"].to_numpy()
        luck = auc(target, _on(without, gold)) - auc(y, control)
        luck_loss = _loss(target, _on(without, gold)) - _loss(y, control)
        for name, score in scores.items():
            found.setdefault(f"{name} auc", []).append(auc(target, score) - auc(y, p) - luck)
            found.setdefault(f"{name} loss", []).append(
                _loss(target, score) - _loss(y, p) - luck_loss
            )
    return {name: np.array(values, dtype=float) for name, values in found.items()}


def _on(labels: pl.DataFrame, gold: pl.DataFrame) -> np.ndarray:
    return gold.join(labels, on=KEYS, how="left", maintain_order="left")["p_1"].to_numpy()


def _loss(y: np.ndarray, p: np.ndarray) -> float:
    return float(log_loss(y, np.column_stack([1 - p, p]), clip=1e-6))


def _z(values: np.ndarray) -> float:
    return float(values.mean() / (values.std(ddof=1) / np.sqrt(len(values))))


@pytest.mark.statistics
def test_ranks_within_each_model_measure_the_auc_without_bias(errors):
    assert abs(errors["rank auc"].mean()) < 0.01
    assert abs(_z(errors["rank auc"])) < 3


@pytest.mark.statistics
def test_merged_probabilities_of_several_models_would_not(errors):
    assert errors["merged auc"].mean() < -0.01
    assert _z(errors["merged auc"]) < -3


@pytest.mark.statistics
def test_held_out_log_loss_does_not_flatter_as_the_models_own_gold_does(errors):
    assert _z(errors["own loss"]) < -3
    # Models without a fifth of the gold are a little worse than the one that is measured.
    assert -0.01 < errors["merged loss"].mean() < 0.05
