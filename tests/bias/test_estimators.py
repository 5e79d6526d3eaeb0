from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

import labelkit as lk
from labelkit.bias import summarise_weights
from labelkit.bias.adaptive import fit_adaptive
from labelkit.bias.poisson import ClickedCells, fit_poisson
from labelkit.errors import LabelkitError, NotFittedError, NotIdentifiable, PositivityWarning
from labelkit.logs import ClickModel, PositionCounts, Ranker


@pytest.fixture(scope="module")
def log() -> lk.InteractionLog:
    return lk.read_log(lk.simulate(n_impressions=200_000, seed=3).frame)


def alternation(counts: PositionCounts, n_steps: int = 5_000) -> np.ndarray:
    """The textbook alternation of the Poisson model, run long enough to be its fixed point."""
    position = counts.position - 1
    theta = np.ones(position.max() + 1)
    clicks_e = np.bincount(counts.example, counts.clicks)
    clicks_k = np.bincount(position, counts.clicks)
    for _ in range(n_steps):
        exposure = np.bincount(counts.example, theta[position] * counts.impressions)
        gamma = clicks_e / np.maximum(exposure, 1e-12)
        theta = clicks_k / np.bincount(position, gamma[counts.example] * counts.impressions)
        theta /= theta[0]
    return theta


def test_newton_finds_the_fixed_point_of_the_alternation(log: lk.InteractionLog) -> None:
    bias = lk.PositionBias("poisson", smoothing=np.inf).fit(log)
    np.testing.assert_allclose(bias.curve_.theta, alternation(log.counts), rtol=1e-5)


def test_any_start_gives_the_same_curve(log: lk.InteractionLog) -> None:
    cells = ClickedCells.of(log.counts)
    starts = [np.zeros(10), -np.log(np.arange(1, 11)) * 2, np.linspace(0, 3, 10)]
    fits = [fit_poisson(cells, smoothing=1.0, start=start) for start in starts]
    assert all(fit.converged for fit in fits)
    for fit in fits[1:]:
        np.testing.assert_allclose(fit.beta, fits[0].beta, atol=1e-4)


@pytest.mark.parametrize(
    # Errors add up along a chain of neighbours.
    ("method", "tolerance"),
    [
        ("poisson", 0.08),
        ("bernoulli", 0.08),
        ("allpairs", 0.08),
        ("adjacent", 0.25),
        ("adaptive", 0.08),
        ("power", 0.08),
    ],
)
def test_a_known_curve_is_found(log: lk.InteractionLog, method: str, tolerance: float) -> None:
    bias = lk.PositionBias(method).fit(log)  # type: ignore[arg-type]
    truth = 1 / np.arange(1, 11)
    assert np.mean(np.abs(bias.curve_.theta / truth - 1)) < tolerance
    naive = np.bincount(log.counts.position, log.counts.clicks)[1:]
    naive = naive / naive[0]
    assert np.mean(np.abs(naive / truth - 1)) > 0.15


def test_a_chain_of_neighbours_multiplies_up(log: lk.InteractionLog) -> None:
    """Without smoothing, each link is the ratio of the two positions' harvested clicks."""
    from labelkit.bias import allpairs

    cells = ClickedCells.of(log.counts)
    sums = allpairs.harvest(cells, np.zeros(len(cells.starts), dtype=np.int64), 1)[0]
    chain = np.cumprod([1.0, *(sums[k + 1, k] / sums[k, k + 1] for k in range(9))])
    curve = lk.PositionBias("adjacent", smoothing=np.inf).fit(log).curve_
    np.testing.assert_allclose(curve.theta, chain, rtol=1e-6)


def test_an_adaptive_curve_is_the_same_from_any_start(log: lk.InteractionLog) -> None:
    cells = ClickedCells.of(log.counts)
    starts = [np.zeros(10), -np.log(np.arange(1, 11)) * 2, np.linspace(0, 2, 10)]
    fits = [fit_adaptive(cells, start, reference=0) for start in starts]
    assert all(fit.converged for fit in fits)
    for fit in fits[1:]:
        np.testing.assert_allclose(fit.beta, fits[0].beta, atol=1e-4)


def test_a_power_law_finds_its_exponent_more_sharply_than_ten_free_positions() -> None:
    frame = lk.simulate(n_impressions=50_000, seed=8, clicks=ClickModel(eta=1.5)).frame
    log = lk.read_log(frame)
    law = lk.PositionBias("power").fit(log)
    eta = -np.log(law.curve_.theta[9]) / np.log(10)
    assert eta == pytest.approx(1.5, abs=0.1)
    assert "η = 1.5" in law.diagnostics_[-1].message
    free = lk.PositionBias("poisson").fit(log).curve_
    assert law.curve_.standard_error[9] < free.standard_error[9]


def test_examples_seen_at_one_position_carry_no_information(log: lk.InteractionLog) -> None:
    counts = log.counts
    n_shown = np.bincount(counts.example)
    several = counts.where((n_shown >= 2)[counts.example])
    whole = lk.PositionBias("poisson").fit(counts).curve_.theta
    part = lk.PositionBias("poisson").fit(several).curve_.theta
    np.testing.assert_allclose(part, whole, rtol=1e-9)


def one_ranker_log() -> pl.DataFrame:
    ranker = (Ranker("only", quality=0.7),)
    return lk.simulate(n_impressions=20_000, seed=0, rankers=ranker).frame


def test_a_single_fixed_ranking_cannot_identify_propensities() -> None:
    log = lk.read_log(one_ranker_log())
    with pytest.raises(NotIdentifiable, match="every item was shown at one position") as caught:
        lk.PositionBias().fit(log)
    assert "randomised" in str(caught.value)
    assert "second ranker" in str(caught.value)


def test_two_groups_of_positions_that_nothing_joins_are_refused() -> None:
    counts = PositionCounts.from_arrays(
        [0, 0, 1, 1], [0, 0, 1, 1], [1, 2, 3, 4], [50, 50, 50, 50], [9, 5, 8, 2]
    )
    with pytest.raises(NotIdentifiable, match=r"2 groups .*\(1–2; 3–4\), and 50% of the"):
        lk.PositionBias().fit(counts)


def test_a_marginal_position_without_links_gets_no_number() -> None:
    counts = PositionCounts.from_arrays([0, 0, 1], [0, 0, 1], [1, 2, 9], [500, 500, 3], [90, 50, 1])
    with pytest.warns(PositivityWarning, match=r"position\(s\) 9"):
        bias = lk.PositionBias().fit(counts)
    assert np.isnan(bias.curve_.theta[2])
    assert bias.propensities_["propensity"].null_count() == 1
    assert not bias.identifiable_


def test_a_position_without_clicks_is_marked() -> None:
    counts = PositionCounts.from_arrays(
        [0, 0, 0], [0, 0, 0], [1, 2, 3], [500, 500, 500], [90, 50, 0]
    )
    with pytest.warns(PositivityWarning, match="Position 3 has no click among 500 impressions"):
        bias = lk.PositionBias().fit(counts)
    assert bias.curve_.theta[2] > 0


def test_auto_takes_logged_propensities_then_randomised_traffic_then_harvests() -> None:
    plain = lk.simulate(n_impressions=100_000, seed=1).frame
    assert lk.PositionBias().fit(lk.read_log(plain)).method_ == "poisson"
    flagged = lk.simulate(
        n_impressions=100_000, seed=1, randomised_share=0.3, extras=("randomised",)
    ).frame
    bias = lk.PositionBias().fit(lk.read_log(flagged))
    assert bias.method_ == "randomised"
    assert "randomised" in bias.reason_
    assert np.mean(np.abs(bias.curve_.theta * np.arange(1, 11) - 1)) < 0.2
    logged = lk.simulate(n_impressions=50_000, seed=1, extras=("propensity",)).frame
    assert lk.PositionBias().fit(lk.read_log(logged)).method_ == "logged"


def test_randomised_traffic_identifies_even_one_ranker() -> None:
    frame = lk.simulate(
        n_impressions=100_000,
        seed=2,
        rankers=(Ranker("only", quality=0.7),),
        randomised_share=0.5,
        extras=("randomised",),
    ).frame
    bias = lk.PositionBias("randomised").fit(lk.read_log(frame))
    truth = 1 / np.arange(1, 11)
    inside = (bias.curve_.low <= truth) & (truth <= bias.curve_.high)
    assert inside.sum() >= 8


def test_logged_propensities_are_used_as_they_are() -> None:
    frame = lk.simulate(n_impressions=20_000, seed=1, extras=("propensity",)).frame
    bias = lk.PositionBias("logged").fit(lk.read_log(frame))
    mean = frame.group_by("position").agg(pl.col("propensity").mean()).sort("position")
    np.testing.assert_allclose(bias.curve_.theta, mean["propensity"].to_numpy(), rtol=1e-6)
    assert (bias.curve_.low == bias.curve_.theta).all()


def test_a_given_curve_must_cover_the_log(log: lk.InteractionLog) -> None:
    with pytest.raises(LabelkitError, match="curve lacks 9"):
        lk.PositionBias("given", curve={1: 1.0}).fit(log)
    given = lk.PositionBias("given", curve={k: 1 / k for k in range(1, 11)}).fit(log)
    assert given.curve_.theta[4] == pytest.approx(0.2)


def test_methods_that_need_a_column_say_which(log: lk.InteractionLog) -> None:
    with pytest.raises(NotIdentifiable, match="'randomised'"):
        lk.PositionBias("randomised").fit(log)
    with pytest.raises(NotIdentifiable, match="'propensity'"):
        lk.PositionBias("logged").fit(log)
    with pytest.raises(LabelkitError, match="Unknown method"):
        lk.PositionBias("em").fit(log)  # type: ignore[arg-type]


def test_an_unfitted_bias_says_so(log: lk.InteractionLog) -> None:
    with pytest.raises(NotFittedError, match="PositionBias is not fitted"):
        _ = lk.PositionBias().propensities_
    with pytest.raises(NotFittedError):
        lk.evidence(log, lk.PositionBias())


def test_the_same_seed_gives_the_same_intervals(log: lk.InteractionLog) -> None:
    small = lk.read_log(lk.simulate(n_impressions=20_000, seed=3).frame)
    one, two = (lk.PositionBias(seed=5).fit(small).propensities_ for _ in range(2))
    assert one.equals(two)
    assert not one.equals(lk.PositionBias(seed=6).fit(small).propensities_)


def test_weights_are_inverse_propensities_clipped_and_normalised(log: lk.InteractionLog) -> None:
    bias = lk.PositionBias("given", curve={k: 1 / k for k in range(1, 11)}).fit(log)
    weighted = lk.impression_weights(log, bias, clip=5)
    assert weighted.height == log.summary.n_impressions
    expected = weighted["position"].clip(upper_bound=5).cast(pl.Float64)
    np.testing.assert_allclose(weighted["weight"].to_numpy(), expected.to_numpy())
    normalised = lk.impression_weights(log, bias, clip=5, self_normalise=True)
    assert normalised["weight"].mean() == pytest.approx(1)
    summary = summarise_weights(log, bias, clip=5)
    clicked = weighted.filter(pl.col("clicked") == 1)["weight"].to_numpy()
    assert summary.n == len(clicked)
    assert summary.effective_n == pytest.approx(clicked.sum() ** 2 / (clicked**2).sum())
    assert summary.n_clipped == int(
        weighted.filter((pl.col("clicked") == 1) & (pl.col("position") > 5)).height
    )
    assert 0 < summary.clipped_mass < 1


def test_logged_weights_are_clipped_too() -> None:
    frame = lk.simulate(n_impressions=20_000, seed=1, extras=("propensity",)).frame
    log = lk.read_log(frame)
    bias = lk.PositionBias().fit(log)
    weighted = lk.impression_weights(log, bias, clip=3)
    assert weighted["weight"].max() <= 3
    assert summarise_weights(log, bias, clip=3).largest <= 3


def test_clara2_gives_the_published_curve_and_harvesting_agrees(shared_data: Path) -> None:
    log = lk.read_log(
        shared_data / "clicks_naver_clara2" / "log.parquet",
        columns={"page": "serp_id", "query": "query_id", "item": "url_id", "clicked": "click"},
    )
    plain = lk.PositionBias("poisson", smoothing=np.inf).fit(log)
    np.testing.assert_allclose(plain.curve_.theta[1:4], [0.730, 0.403, 0.254], atol=2e-3)
    poisson = lk.PositionBias("poisson").fit(log).curve_
    pairs = lk.PositionBias("allpairs").fit(log).curve_
    assert np.all((poisson.low <= pairs.theta) & (pairs.theta <= poisson.high))
    assert np.all((pairs.low <= poisson.theta) & (poisson.theta <= pairs.high))


def test_the_known_truth_of_sim_pbm_eta1_lies_inside_the_intervals(shared_data: Path) -> None:
    log = lk.read_log(
        shared_data / "sim_pbm_eta1" / "log.parquet",
        columns={
            "session": "session_id",
            "query": "query_id",
            "item": "doc_id",
            "clicked": "click",
        },
    )
    curve = lk.PositionBias().fit(log).curve_
    truth = 1 / curve.positions
    assert np.all((curve.low <= truth) & (truth <= curve.high))


def test_bias_depends_on_counts_alone_not_on_how_queries_are_called() -> None:
    frame = lk.simulate(n_impressions=50_000, seed=3, clicks=ClickModel(eta=1.5)).frame
    named = frame.with_columns(query="q" + pl.col("query").cast(pl.String).str.zfill(8))
    one = lk.PositionBias().fit(lk.read_log(frame)).curve_.theta
    two = lk.PositionBias().fit(lk.read_log(named)).curve_.theta
    np.testing.assert_allclose(one, two, rtol=1e-8)


def test_a_chain_of_neighbours_is_refused_where_no_item_stands_at_two_of_them() -> None:
    # Every item stands at positions two or three apart: enough for all pairs, nothing for a chain.
    rng = np.random.default_rng(0)
    n_queries, n_positions = 200, 8
    item = np.arange(n_queries * n_positions).reshape(n_queries, n_positions)
    moved = np.stack([np.roll(row, 2 + q % 2) for q, row in enumerate(item)])
    example = np.concatenate([item.ravel(), moved.ravel()])
    position = np.tile(np.arange(1, n_positions + 1), 2 * n_queries)
    impressions = np.full(len(example), 200)
    clicks = rng.binomial(impressions, 0.3 / position)
    counts = PositionCounts.from_arrays(
        example // n_positions, example, position, impressions, clicks
    )
    with pytest.raises(NotIdentifiable, match="chain of neighbouring positions breaks"):
        lk.PositionBias("adjacent").fit(counts)
    curve = lk.PositionBias("allpairs").fit(counts).curve_
    assert np.abs(np.log(curve.theta * curve.positions)).max() < 0.1
