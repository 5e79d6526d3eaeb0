"""Snorkel's label model, step by step: the real package with the same settings on real votes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from labelkit.labelmodels import SnorkelMoments

pytestmark = pytest.mark.peer

CARDINALITY = {"ws_youtube": 2, "ws_sms": 2, "ws_trec_questions": 6}
BALANCE = {2: [0.3, 0.7], 6: [0.1, 0.3, 0.2, 0.1, 0.2, 0.1]}


@pytest.fixture(scope="module", params=sorted(CARDINALITY))
def votes(request: pytest.FixtureRequest, shared_data: Path) -> tuple[int, np.ndarray, np.ndarray]:
    table = pl.read_parquet(shared_data / request.param / "votes.parquet")
    lfs = pl.selectors.starts_with("lf_")
    L, test = (
        table.filter(pl.col("split") == split).select(lfs).to_numpy().astype(int)
        for split in ("train", "test")
    )
    return CARDINALITY[request.param], L, test


def snorkel_proba(k: int, L: np.ndarray, rows: np.ndarray, **settings: object) -> np.ndarray:
    import torch
    from snorkel.labeling.model import LabelModel

    # Matrices of a few hundred rows: threads would only wait for each other.
    torch.set_num_threads(1)
    balance = settings.pop("class_balance", None)
    model = LabelModel(k, verbose=False)
    model.fit(L, class_balance=balance, progress_bar=False, **settings)
    return np.asarray(model.predict_proba(rows))


def our_proba(k: int, L: np.ndarray, rows: np.ndarray, **settings: object) -> np.ndarray:
    balance = settings.pop("class_balance", None)
    model = SnorkelMoments(k, solver="sgd", **settings)
    return model.fit(L, class_balance=balance).predict_proba(rows)


@pytest.mark.parametrize(
    "settings",
    [
        *({"seed": seed} for seed in range(3)),
        {"seed": 1, "lr": 0.02},
        {"seed": 1, "prec_init": 0.9},
        {"seed": 1, "n_epochs": 300, "l2": 0.05},
        {"seed": 2, "mu_eps": 0.03},
        {"seed": 0, "balanced": False},
        {"seed": 3, "balanced": False, "l2": 0.1},
        *({"seed": 3, "lr_scheduler": name} for name in ("linear", "exponential", "step")),
    ],
    ids=str,
)
def test_probabilities_equal_snorkels_to_a_millionth(votes, settings) -> None:
    k, L, rows = votes
    settings = dict(settings)
    if not settings.pop("balanced", True):
        settings["class_balance"] = BALANCE[k]
    both = np.concatenate([L, rows])
    np.testing.assert_allclose(
        our_proba(k, L, both, **settings), snorkel_proba(k, L, both, **settings), atol=1e-6
    )


@pytest.mark.parametrize("optimizer", ["adam", "adamax"])
def test_adaptive_optimisers_agree_as_far_as_float32_carries_them(votes, optimizer) -> None:
    # They divide gradients by their own size, which blows rounding up where gradients vanish.
    k, L, rows = votes
    settings = {"seed": 1, "optimizer": optimizer}
    np.testing.assert_allclose(
        our_proba(k, L, rows, **settings), snorkel_proba(k, L, rows, **settings), atol=1e-4
    )


@pytest.mark.parametrize(
    "other", [{"seed": 2}, {"lr": 0.011}, {"prec_init": 0.71}, {"n_epochs": 101}], ids=str
)
def test_another_setting_is_noticed(votes, other) -> None:
    k, L, rows = votes
    theirs = snorkel_proba(k, L, rows, seed=1)
    ours = our_proba(k, L, rows, **({"seed": 1} | other))
    assert np.abs(ours - theirs).max() > 1e-5


def test_a_precision_for_each_lf_is_taken_as_snorkel_takes_it(votes) -> None:
    k, L, rows = votes
    precision = np.linspace(0.55, 0.95, L.shape[1])
    np.testing.assert_allclose(
        our_proba(k, L, rows, seed=4, prec_init=precision.tolist()),
        snorkel_proba(k, L, rows, seed=4, prec_init=precision.tolist()),
        atol=1e-6,
    )


def test_the_one_random_number_is_that_of_numpys_old_generator() -> None:
    for seed in (0, 1, 123456):
        np.random.seed(seed)  # noqa: NPY002 - what Snorkel does
        expected = np.random.random()  # noqa: NPY002
        assert np.random.RandomState(seed).random_sample() == expected


def test_torch_is_not_imported_for_snorkels_numbers() -> None:
    import subprocess
    import sys

    code = (
        "import sys, numpy as np\n"
        "from labelkit.labelmodels import SnorkelMoments\n"
        "L = np.array([[0, 1, 1], [1, 1, 0], [0, 0, -1]] * 5)\n"
        "SnorkelMoments(solver='sgd').fit(L).predict(L)\n"
        "bad = {'torch', 'snorkel', 'sklearn', 'pandas'} & set(sys.modules)\n"
        "sys.exit(', '.join(sorted(bad)) or None)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
