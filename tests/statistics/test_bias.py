"""Do intervals cover what they claim to cover? Fixed seeds, few replications."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import polars as pl
import pytest

import labelkit as lk
from labelkit.bias import Propensities
from labelkit.bias.contexts import ContextCounts
from labelkit.bias.hierarchy import difference_p_value, fit_hierarchy
from labelkit.bias.poisson import ClickedCells, fit_poisson
from labelkit.bias.trust_test import trust_test
from labelkit.errors import NotIdentifiable, PositivityWarning
from labelkit.logs import Catalogue, PositionCounts, Ranker
from labelkit.logs.simulator import Swaps, TrustModel

FloatArray = npt.NDArray[np.float64]

pytestmark = pytest.mark.statistics

TRUTH = 1 / np.arange(1, 11)


ONLY = (Ranker("only", quality=0.8),)


def draw_counts(
    seed: int,
    *,
    n_pages: int,
    n_queries: int,
    n_rankers: int = 3,
    theta: FloatArray = TRUTH,
    attractive: tuple[float, float] = (1, 4),
) -> PositionCounts:
    """Counts of a position-based model, drawn cell by cell; rankers are fixed per query."""
    rng = np.random.default_rng(seed)
    n_items, n_positions = 20, len(theta)
    traffic = 1 / np.arange(1, n_queries + 1)
    gamma = rng.beta(*attractive, (n_queries, n_items))
    query = np.arange(n_queries)
    parts = []
    for _ in range(n_rankers):
        order = np.argsort(-gamma - 0.3 * rng.random((n_queries, n_items)), 1)[:, :n_positions]
        pages = rng.multinomial(n_pages // n_rankers, traffic / traffic.sum())
        for k in range(n_positions):
            item = order[:, k]
            clicks = rng.binomial(pages, gamma[query, item] * theta[k])
            parts.append((query, query * n_items + item, np.full(n_queries, k + 1), pages, clicks))
    q, e, k, n, c = (np.concatenate(column) for column in zip(*parts, strict=True))
    shown = n > 0
    _, example = np.unique(e[shown], return_inverse=True)
    return PositionCounts.from_arrays(q[shown], example, k[shown], n[shown], c[shown])


@pytest.mark.parametrize("method", ["poisson", "bernoulli", "allpairs", "power"])
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


SHAPES = {
    "power law": TRUTH,
    "steep": TRUTH**2,
    "exponential": 0.75 ** np.arange(10),
    "line": 1 - 0.09 * np.arange(10),
    "fold": np.where(np.arange(10) < 4, 1.0, 0.3) * 0.9 ** np.arange(10),
}


@pytest.mark.parametrize("shape", list(SHAPES))
def test_an_adaptive_curve_gains_near_a_power_law_and_loses_little_elsewhere(shape: str) -> None:
    truth, curves, plain = SHAPES[shape], [], []
    for seed in range(40):
        counts = draw_counts(seed, n_pages=6_000, n_queries=300, theta=truth)
        curves.append(lk.PositionBias("adaptive").fit(counts).curve_)
        plain.append(lk.PositionBias("poisson").fit(counts).curve_)
    # Near a power law the prior of τ keeps intervals wider than they need be.
    assert share_inside(curves, truth) >= 0.93
    error, rival = (
        float(np.square([np.log(c.theta / truth) for c in fits]).mean()) for fits in (curves, plain)
    )
    assert error < (0.6 if shape in ("power law", "steep") else 1.2) * rival


def share_inside(curves: list[Propensities], truth: FloatArray) -> float:
    """Share of positions past the first whose interval covers the truth."""
    inside = [(c.low[1:] <= truth[1:]) & (truth[1:] <= c.high[1:]) for c in curves]
    return float(np.mean(inside))


def test_sure_clicks_keep_their_coverage() -> None:
    """Where examined items are mostly clicked, counts overstate the variance of a click."""
    curves, plain, flat = [], [], TRUTH**0.3
    for seed in range(60):
        counts = draw_counts(seed, n_pages=30_000, n_queries=300, theta=flat, attractive=(2, 1))
        curves.append(lk.PositionBias("bernoulli").fit(counts).curve_)
        plain.append(lk.PositionBias("poisson").fit(counts).curve_)
    assert 0.92 <= share_inside(curves, flat) <= 0.985
    error, rival = (np.square([np.log(c.theta / flat) for c in fits]) for fits in (curves, plain))
    assert error.mean() < rival.mean()


@pytest.mark.parametrize("kind", ["first", "adjacent"])
def test_intervals_of_swap_experiments_cover(kind: str) -> None:
    curves = []
    for seed in range(40):
        swaps = Swaps(kind, share=1.0)  # type: ignore[arg-type]
        frame = lk.simulate(40_000, seed=seed, swaps=swaps, rankers=ONLY).frame
        curves.append(lk.PositionBias("randomised").fit(lk.read_log(frame)).curve_)
    # Errors add up along a chain, so that 40 curves are hardly more than 40 observations; over 120
    # logs 96 % of the intervals cover.
    most = 0.985 if kind == "first" else 0.995
    assert 0.92 <= share_inside(curves, TRUTH) <= most


def test_intervals_of_shuffled_traffic_cover() -> None:
    curves = []
    for seed in range(40):
        frame = lk.simulate(
            20_000, seed=seed, randomised_share=1.0, extras=("randomised",), rankers=ONLY
        ).frame
        curves.append(lk.PositionBias("randomised").fit(lk.read_log(frame)).curve_)
    assert 0.91 <= share_inside(curves, TRUTH) <= 0.985


def test_users_with_habits_need_intervals_by_user() -> None:
    """Some look deep and some do not: clicks of one user hang together over queries."""
    by_user, by_query, truth = [], [], []
    k = np.arange(1, 11)
    for seed in range(50):
        frame, curve = habits(seed, n_users=200)
        log = lk.read_log(frame)
        by_user.append(lk.PositionBias("poisson", cluster="user").fit(log).curve_)
        by_query.append(lk.PositionBias("poisson").fit(log).curve_)
        truth = curve
    assert len(truth) == len(k)
    assert 0.9 <= share_inside(by_user, truth) <= 0.98
    assert share_inside(by_query, truth) < share_inside(by_user, truth) - 0.02


def habits(seed: int, n_users: int, n_pages: int = 40) -> tuple[pl.DataFrame, FloatArray]:
    """A log of users each with an η of their own, and the average curve."""
    rng = np.random.default_rng(seed)
    n_queries, n_items, k = 60, 15, np.arange(1, 11)
    user = np.repeat(np.arange(n_users), n_pages)
    eta = 1 + 0.3 * rng.standard_normal(n_users)
    query, ranker = rng.integers(0, n_queries, len(user)), rng.integers(0, 3, len(user))
    gamma = rng.beta(2, 4, (n_queries, n_items))
    noise = 0.5 * rng.random((3, n_queries, n_items))
    items = np.argsort(-gamma - noise, 2)[:, :, :10][ranker, query]
    chance = np.take_along_axis(gamma[query], items, 1) * k ** -eta[user][:, None]
    clicked = rng.random(chance.shape) < np.minimum(chance, 1)
    columns = {"page": np.arange(len(user)), "user": user, "query": query}
    frame = pl.DataFrame(
        {
            **{name: np.repeat(values, 10) for name, values in columns.items()},
            "item": items.ravel(),
            "position": np.tile(k, len(user)),
            "clicked": clicked.ravel().astype(np.int8),
        }
    )
    return frame, np.exp(-np.log(k) + (0.3 * np.log(k)) ** 2 / 2)


def contexts_of(seed: int, etas: list[float], pages: list[int]) -> ContextCounts:
    k = np.arange(1, 11)
    counts = [
        draw_counts(1_000 * seed + g, n_pages=n, n_queries=300, theta=k**-eta)
        for g, (eta, n) in enumerate(zip(etas, pages, strict=True))
    ]
    return ContextCounts({}, tuple(counts))


def test_curves_per_context_cover_and_beat_both_extremes() -> None:
    """Five contexts from much to little traffic: neither one curve nor five is as good."""
    k, rng = np.arange(1, 11), np.random.default_rng(0)
    inside, error, pooled_error, own_error = [], [], [], []
    for seed in range(40):
        etas = [float(1 + 0.3 * rng.standard_normal()) for _ in range(5)]
        cut = contexts_of(seed, etas, [6_000, 3_000, 1_500, 800, 200])
        pooled = cut.pooled()
        cells = tuple(ClickedCells.of(c, pooled.positions) for c in cut.counts)
        start = fit_poisson(ClickedCells.of(pooled), smoothing=1.0).beta
        fit = fit_hierarchy(cells, start, smoothing=1.0, reference=0)
        width = 1.96 * np.sqrt(np.diag(fit.covariance)).reshape(5, 10)
        truth = -np.outer(etas, np.log(k))
        inside.append((np.abs(fit.beta - truth) <= width)[:, 1:])
        own = np.array([fit_poisson(part, smoothing=1.0).beta for part in cells])
        error.append((fit.beta - truth) ** 2)
        pooled_error.append((start - truth) ** 2)
        own_error.append((own - truth) ** 2)
    assert 0.92 <= np.mean(inside) <= 0.98
    assert np.mean(error) < 0.9 * np.mean(own_error)
    assert np.mean(error) < 0.5 * np.mean(pooled_error)


def test_the_test_of_contexts_raises_false_alarms_as_often_as_it_says() -> None:
    p_values = []
    for seed in range(150):
        cut = contexts_of(seed, [1.0, 1.0], [3_000, 1_000])
        pooled = cut.pooled()
        cells = tuple(ClickedCells.of(c, pooled.positions) for c in cut.counts)
        start = fit_poisson(ClickedCells.of(pooled), smoothing=1.0).beta
        p_values.append(difference_p_value(cells, start, reference=0, seed=seed))
    assert np.mean(np.array(p_values) < 0.05) <= 0.09
    assert 0.35 <= np.mean(np.array(p_values) < 0.5) <= 0.65


def test_the_test_for_trust_bias_raises_false_alarms_as_often_as_it_says() -> None:
    tests = [trust_test(draw_counts(s, n_pages=6_000, n_queries=300)) for s in range(200)]
    assert 0.01 <= np.mean([t.p_value < 0.05 for t in tests]) <= 0.09
    assert np.mean([t.low <= 0 <= t.high for t in tests]) >= 0.93


def test_the_test_for_trust_bias_finds_it() -> None:
    found = 0
    for seed in range(20):
        clicks = TrustModel(strength=0.6)
        counts = lk.read_log(lk.simulate(300_000, seed=seed, clicks=clicks).frame).counts
        test = trust_test(counts)
        found += test.p_value < 0.05 and test.high < 0
    assert found >= 12


def test_trust_bias_from_gold_covers() -> None:
    rng = np.random.default_rng(0)
    model = TrustModel(strength=0.6)
    truth = model.propensities / model.propensities[0]
    curves = []
    for seed in range(40):
        grades = pl.DataFrame(
            {
                "query": np.repeat(np.arange(120), 20),
                "item": np.arange(2_400),
                "relevance": rng.choice(3, 2_400, p=[0.6, 0.25, 0.15]),
            }
        )
        catalogue = Catalogue.of(grades, zipf=0.5)
        rankers = (Ranker("fair", 0.3), Ranker("blind", 0.0), Ranker("other", 0.3))
        log = lk.read_log(
            lk.simulate(80_000, seed=seed, catalogue=catalogue, clicks=model, rankers=rankers).frame
        )
        gold = grades.rename({"relevance": "label"})
        curves.append(lk.PositionBias("trust").fit(log, gold=gold).curve_)
    assert 0.91 <= share_inside(curves, truth) <= 0.985


def test_two_groups_of_positions_are_refused_and_silent_depths_marked_every_time() -> None:
    for seed in range(25):
        top = draw_counts(seed, n_pages=2_000, n_queries=50, theta=TRUTH[:5])
        deep = draw_counts(seed + 500, n_pages=2_000, n_queries=50, theta=TRUTH[:5])
        apart = PositionCounts.from_arrays(
            np.concatenate([top.query, deep.query + 50]),
            np.concatenate([top.example, deep.example + top.n_examples]),
            np.concatenate([top.position, deep.position + 5]),
            np.concatenate([top.impressions, deep.impressions]),
            np.concatenate([top.clicks, deep.clicks]),
        )
        with pytest.raises(NotIdentifiable, match="2 groups"):
            lk.PositionBias().fit(apart)
        counts = draw_counts(seed, n_pages=2_000, n_queries=50)
        silent = np.where(counts.position > 7, 0, counts.clicks)
        mute = PositionCounts(
            counts.query, counts.example, counts.position, counts.impressions, silent
        )
        with pytest.warns(PositivityWarning, match="no click|No clicked item"):
            lk.PositionBias(n_bootstrap=2).fit(mute)
