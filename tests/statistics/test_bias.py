"""Do intervals cover what they claim to cover? Fixed seeds, few replications."""

from __future__ import annotations

import numpy as np
import pytest

import labelkit as lk
from labelkit.bias import Propensities
from labelkit.errors import NotIdentifiable
from labelkit.logs import PositionCounts

pytestmark = pytest.mark.statistics

TRUTH = 1 / np.arange(1, 11)


def draw_counts(seed: int, *, n_pages: int, n_queries: int, n_rankers: int = 3) -> PositionCounts:
    """Counts of a position-based model, drawn cell by cell; rankers are fixed per query."""
    rng = np.random.default_rng(seed)
    n_items, n_positions = 20, len(TRUTH)
    traffic = 1 / np.arange(1, n_queries + 1)
    attractive = rng.beta(1, 4, (n_queries, n_items))
    query = np.arange(n_queries)
    parts = []
    for _ in range(n_rankers):
        order = np.argsort(-attractive - 0.3 * rng.random((n_queries, n_items)), 1)[:, :n_positions]
        pages = rng.multinomial(n_pages // n_rankers, traffic / traffic.sum())
        for k in range(n_positions):
            item = order[:, k]
            clicks = rng.binomial(pages, attractive[query, item] * TRUTH[k])
            parts.append((query, query * n_items + item, np.full(n_queries, k + 1), pages, clicks))
    q, e, k, n, c = (np.concatenate(column) for column in zip(*parts, strict=True))
    shown = n > 0
    _, example = np.unique(e[shown], return_inverse=True)
    return PositionCounts.from_arrays(q[shown], example, k[shown], n[shown], c[shown])


@pytest.mark.parametrize("method", ["poisson", "allpairs"])
def test_intervals_of_propensities_cover_95_percent(method: str) -> None:
    n = 60
    hits, error = 0, []
    for seed in range(n):
        counts = draw_counts(seed, n_pages=6_000, n_queries=300)
        curve: Propensities = lk.PositionBias(method, n_bootstrap=100).fit(counts).curve_  # type: ignore[arg-type]
        hits += int(((curve.low <= TRUTH) & (curve.high >= TRUTH))[1:].sum())
        error.append(np.log(curve.theta / TRUTH))
    # Nine positions of one curve are correlated: the error of the mean is that of some 2 of them.
    assert 0.92 <= hits / (9 * n) <= 0.98
    assert np.abs(np.mean(error)) < 0.03


def test_debiased_rates_cover_their_truth_when_the_model_is_true() -> None:
    rng = np.random.default_rng(0)
    from labelkit.evidence import fit_gamma_prior

    covered = []
    for _ in range(20):
        gamma = rng.gamma(1.5, 1 / 10, 4_000)
        exposure = rng.uniform(0.5, 40, 4_000)
        clicks = rng.poisson(gamma * exposure).astype(float)
        prior = fit_gamma_prior(clicks, exposure)
        low, high = (q / (prior.rate + exposure) for q in prior.quantiles(clicks, 0.95))
        covered.append(np.mean((low <= gamma) & (gamma <= high)))
    assert 0.945 <= np.mean(covered) <= 0.955


def test_one_ranker_is_refused_and_three_are_not_every_time() -> None:
    for seed in range(25):
        with pytest.raises(NotIdentifiable):
            lk.PositionBias().fit(draw_counts(seed, n_pages=2_000, n_queries=50, n_rankers=1))
        lk.PositionBias(n_bootstrap=2).fit(draw_counts(seed, n_pages=2_000, n_queries=50))
