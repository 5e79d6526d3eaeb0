"""Are the inclusion probabilities the frequencies with which examples are drawn?"""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from scipy import stats

import labelkit as lk
from labelkit.selection import pooled_weights
from labelkit.selection.design import AUDITS, expected_probability

pytestmark = pytest.mark.statistics

N = 60
_P = np.random.default_rng(1).beta(0.6, 3, N).round(2)
POOL = pl.DataFrame(
    {"query": np.arange(N) // 6, "item": np.arange(N), "p_0": 1 - _P, "p_1": _P}
)  # fmt: skip


def _frequencies(draws: list[np.ndarray]) -> np.ndarray:
    return np.bincount(np.concatenate(draws), minlength=N) / len(draws)


def _agree(frequency: np.ndarray, pi: np.ndarray, n_draws: int) -> None:
    """Each frequency within Monte-Carlo error of π: largest |z| over units, Bonferroni at 0.1 %."""
    uncertain = (pi > 0) & (pi < 1)
    assert (frequency[~uncertain] == pi[~uncertain]).all()
    p = pi[uncertain]
    z = (frequency[uncertain] - p) / np.sqrt(p * (1 - p) / n_draws)
    assert np.abs(z).max() < stats.norm.isf(0.0005 / len(z))


@pytest.mark.parametrize("audit", AUDITS)
def test_examples_are_drawn_as_often_as_their_inclusion_probability_says(audit):
    n_draws = 800
    # Five score strata of at least two labels each need ten.
    n, share = (22, 10 / 22) if audit == "score" else (20, 0.4)
    # All margins differ, so the certainty stratum is the same in every draw.
    p = np.linspace(0.02, 0.48, N)
    pool = POOL.with_columns(p_1=p, p_0=1 - p)
    informative = np.argsort(-p)[:12]
    rest = np.setdiff1d(np.arange(N), informative)
    pi = np.zeros(N)
    pi[informative] = 1
    weak = np.column_stack([1 - p[rest], p[rest]])
    pi[rest] = expected_probability(audit, weak, 8 if audit != "score" else 10)
    draws = []
    for seed in range(n_draws):
        frame = lk.select(pool, n, audit=audit, audit_share=share, seed=seed).frame
        items = frame["item"].to_numpy()
        np.testing.assert_allclose(frame["inclusion_probability"].to_numpy(), pi[items])
        draws.append(items)
    _agree(_frequencies(draws), pi, n_draws)


def test_a_second_round_with_the_same_seed_is_a_fresh_draw():
    """Were random numbers reused, those too large in round one would be tried in round two."""
    n_draws = 800
    counts, chances = np.zeros(N), np.zeros(N)
    for seed in range(n_draws):
        first = lk.select(POOL, 15, strategy="random", seed=seed).frame
        second = lk.select(POOL, 15, strategy="random", seed=seed, exclude=first).frame
        left = np.setdiff1d(np.arange(N), first["item"].to_numpy())
        counts[second["item"].to_numpy()] += 1
        chances[left] += 15 / 45
    z = (counts - chances) / np.sqrt(chances * (1 - 15 / 45))
    assert np.abs(z).max() < stats.norm.isf(0.0005 / N)


def test_pooled_rounds_are_unbiased_although_the_second_learns_from_the_first():
    """One minus the product of missing each round is biased when rounds depend on answers."""
    y = (POOL["query"].to_numpy() % 3 == 0).astype(float)  # relevance comes in whole queries
    estimates, multiplied = [], []
    for seed in range(1000):
        first = lk.select(POOL, 16, audit_share=0.5, seed=seed).frame
        got = first["item"].to_numpy()
        # The learner believes what it saw: queries in which a positive was found become uncertain.
        hot = np.isin(POOL["query"].to_numpy(), POOL["query"].to_numpy()[got[y[got] == 1]])
        p = np.where(hot, 0.5, _P / 2)
        learned = POOL.with_columns(p_1=p, p_0=1 - p)
        second = lk.select(learned, 16, audit_share=0.5, seed=seed, exclude=first).frame
        both = pl.concat([first.with_columns(round=1), second.with_columns(round=2)])
        pi, drawn = both["inclusion_probability"].to_numpy(), both["item"].to_numpy()
        weight = pooled_weights(pi, both["round"].to_numpy()).weight
        estimates.append((weight * y[drawn]).sum())
        # "Drawn in any round" from the recorded π alone: the other round's π is taken from the
        # stratum that the example was in, which is the best that gold rows allow.
        audit = [f.filter(pl.col("stratum") == "audit")["inclusion_probability"][0]
                 for f in (first, second)]  # fmt: skip
        ever = np.where(pi == 1, 1.0, 1 - (1 - audit[0]) * (1 - audit[1]))
        multiplied.append((y[drawn] / ever).sum())
    error = np.std(estimates) / np.sqrt(len(estimates))
    assert abs(np.mean(estimates) - y.sum()) < 3.3 * error
    assert abs(np.mean(multiplied) - y.sum()) > 5 * np.std(multiplied) / np.sqrt(len(multiplied))
