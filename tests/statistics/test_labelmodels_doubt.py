"""Promises about doubt, simulated: coverage of prediction sets and of calibration intervals."""

from __future__ import annotations

import numpy as np
import pytest

from labelkit.labelmodels import OneCoin, prediction_sets, reliability

pytestmark = pytest.mark.statistics


def world(rng: np.random.Generator, n: int, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Soft labels that are wrong: overconfident, and more so where the truth is class 0."""
    truth = rng.choice(k, n, p=np.r_[0.5, np.full(k - 1, 0.5 / (k - 1))])
    strength = np.where(truth == 0, 0.75, 1.5)
    signal = rng.normal(size=(n, k)) + strength[:, None] * np.eye(k)[truth]
    said = np.exp(2 * signal)
    return said / said.sum(axis=1, keepdims=True), truth


@pytest.mark.parametrize("score", ["aps", "threshold"])
@pytest.mark.parametrize(("k", "g", "alpha"), [(2, 40, 0.1), (5, 100, 0.1), (5, 60, 0.2)])
def test_sets_hold_the_truth_as_often_as_promised(score, k, g, alpha) -> None:
    rng = np.random.default_rng(k * g)
    covered = []
    for _ in range(400):
        proba, truth = world(rng, g + 400, k)
        sets = prediction_sets(proba[g:], proba[:g], truth[:g], alpha=alpha, score=score)
        covered.append(sets.member[np.arange(400), truth[g:]].mean())
    error = np.std(covered) / np.sqrt(400)
    assert np.mean(covered) > 1 - alpha - 3 * error
    # No more than g + 1 ranks allow: the sets are not wide for nothing.
    assert np.mean(covered) < 1 - alpha + 1 / (g + 1) + 3 * error


def test_sets_hold_it_too_when_gold_was_chosen_where_labels_are_right() -> None:
    rng = np.random.default_rng(0)
    weighted, naive = [], []
    for _ in range(300):
        proba, truth = world(rng, 3000, 3)
        # What is labeled 0 is nearly always right; it is chosen eleven times as often.
        pi = np.where(proba.argmax(axis=1) == 0, 0.11, 0.01)
        gold = rng.random(3000) < pi
        rest = ~gold
        for kept, weight in ((weighted, 1 / pi[gold]), (naive, None)):
            sets = prediction_sets(
                proba[rest], proba[gold], truth[gold], weight=weight, score="threshold"
            )
            kept.append(sets.member[np.arange(rest.sum()), truth[rest]].mean())
    assert np.mean(weighted) > 0.9 - 3 * np.std(weighted) / np.sqrt(300)
    assert np.mean(naive) < 0.88


def test_sets_of_a_label_model_hold_the_truth_with_its_few_patterns() -> None:
    rng = np.random.default_rng(1)
    covered = []
    for _ in range(60):
        truth = rng.integers(0, 3, 1500)
        right = rng.random((1500, 6)) < np.array([0.8, 0.7, 0.6, 0.6, 0.7, 0.5])
        votes = np.where(right, truth[:, None], (truth[:, None] + 1) % 3)
        L = np.where(rng.random(votes.shape) < 0.5, votes, -1).astype(np.int8)
        gold = np.where(np.arange(1500) < 60, truth, -1)
        sets = OneCoin(3).fit(L).predict_sets(L, gold, alpha=0.1)
        covered.append(sets.member[np.arange(60, 1500), truth[60:]].mean())
    assert np.mean(covered) > 0.9 - 3 * np.std(covered) / np.sqrt(60)


@pytest.mark.parametrize(("g", "power"), [(150, 1.0), (150, 2.5), (600, 1.0), (600, 2.5)])
def test_intervals_of_the_calibration_error_hold_it(g, power) -> None:
    rng = np.random.default_rng(g)
    p = rng.uniform(0.5, 0.98, 200_000)
    said = p**power / (p**power + (1 - p) ** power)
    # The error of the population in ten bins of equal mass is what is asked for.
    edges = np.quantile(said, np.linspace(0, 1, 11)[1:-1])
    bin_of = np.searchsorted(edges, said)
    gap = [p[bin_of == b].mean() - said[bin_of == b].mean() for b in range(10)]
    true_error = float(np.sqrt(np.mean(np.square(gap))))
    held = []
    for _ in range(500):
        drawn = rng.integers(0, len(p), g)
        label = (rng.random(g) > p[drawn]).astype(int)
        found = reliability(np.c_[said[drawn], 1 - said[drawn]], label)
        held.append(found.low - 1e-9 <= true_error <= found.high)
    # 500 intervals of 95 %: a standard error of 1 %.
    assert np.mean(held) > 0.92
