"""Crowds on simulated workers whose accuracies are known."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from labelkit.labelmodels import CrowdModel

pytestmark = pytest.mark.statistics

NAMES = {"item": "item", "worker": "worker", "label": "label"}


def simulate(seed: int, *, biased: bool, n: int = 400, m: int = 30, each: int = 6) -> tuple:
    """Binary answers with 30 % of class 1, and each worker's true accuracy."""
    rng = np.random.default_rng(seed)
    truth = (rng.random(n) < 0.3).astype(int)
    right = rng.beta(6, 2, (m, 2))
    if not biased:
        right[:, 1] = right[:, 0]
    item = np.repeat(np.arange(n), each)
    worker = np.concatenate([rng.permutation(m)[:each] for _ in range(n)])
    hit = rng.random(len(item)) < right[worker, truth[item]]
    label = np.where(hit, truth[item], 1 - truth[item])
    frame = pl.DataFrame({"item": item, "worker": worker, "label": label})
    return frame, right @ [0.7, 0.3]


@pytest.mark.parametrize(("method", "biased"), [("onecoin", False), ("dawid_skene", True)])
def test_intervals_of_workers_cover_their_accuracies(method, biased) -> None:
    # 50 crowds of 30 workers: 1,500 intervals, a standard error of 0.6 % and more, since the
    # workers of one crowd share their fate.
    covered = []
    for seed in range(50):
        frame, accuracy = simulate(seed, biased=biased)
        table = CrowdModel(2, method).fit(frame, **NAMES).workers_
        covered.append(
            (table["low"].to_numpy() <= accuracy) & (accuracy <= table["high"].to_numpy())
        )
    assert 0.92 <= np.mean(covered) <= 0.98


def test_intervals_of_the_class_balance_cover_it() -> None:
    covered = []
    for seed in range(60):
        frame, _ = simulate(seed, biased=False)
        low, high = CrowdModel(2, "onecoin").fit(frame, **NAMES).class_balance_interval_[1]
        covered.append(low <= 0.3 <= high)
    assert np.mean(covered) >= 0.87  # two standard errors under 95 %, of 60
