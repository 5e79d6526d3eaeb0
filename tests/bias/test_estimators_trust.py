"""Trust bias: fitted where gold tells it, refused where nothing does, and tested without gold."""

from __future__ import annotations

import duckdb
import numpy as np
import polars as pl
import pytest

import labelkit as lk
from labelkit.bias.trust import fit_affine, refuse_guesses
from labelkit.bias.trust_shuffled import one_factor
from labelkit.bias.trust_test import trust_test
from labelkit.errors import GoldError, NotIdentifiable
from labelkit.logs import Catalogue, ClickModel, PositionCounts
from labelkit.logs.simulator import Swaps, TrustModel

MODEL = TrustModel(strength=0.6)


def graded(seed: int = 0, n_queries: int = 150) -> pl.DataFrame:
    """Items of three grades, as a judged collection has them."""
    rng = np.random.default_rng(seed)
    return pl.DataFrame(
        {
            "query": np.repeat(np.arange(n_queries), 20),
            "item": np.arange(n_queries * 20),
            "relevance": rng.choice(3, n_queries * 20, p=[0.6, 0.25, 0.15]),
        }
    )


@pytest.fixture(scope="module")
def gold() -> pl.DataFrame:
    return graded().rename({"relevance": "label"})


@pytest.fixture(scope="module")
def log() -> lk.InteractionLog:
    catalogue = Catalogue.of(graded(), zipf=0.7)
    return lk.read_log(lk.simulate(300_000, seed=3, catalogue=catalogue, clicks=MODEL).frame)


def test_gold_tells_alpha_from_beta(log: lk.InteractionLog, gold: pl.DataFrame) -> None:
    bias = lk.PositionBias("trust").fit(log, gold=gold)
    curve = bias.curve_
    # The simulator's lowest grade attracts with 0.1 (see Catalogue.of), which belongs to β here.
    alpha = MODEL.propensities
    beta = MODEL.background + 0.1 * alpha
    inside = (curve.low <= alpha / alpha[0]) & (alpha / alpha[0] <= curve.high)
    assert inside.sum() >= 8
    np.testing.assert_allclose(curve.background[:5], beta[:5], rtol=0.1)
    assert bias.propensities_.columns[-1] == "background"
    # Without β, the curve of a position-based model is far off.
    plain = lk.PositionBias("poisson").fit(log).curve_.theta
    assert np.abs(np.log(plain / (alpha / alpha[0])))[1:].mean() > 0.15


def test_the_fit_is_a_maximum() -> None:
    rng = np.random.default_rng(0)
    shown = rng.integers(200, 2_000, (8, 3)).astype(float)
    rate = np.outer(1 / np.arange(1, 9), [0, 0.4, 0.9]) + 0.3 / np.arange(1, 9)[:, None] ** 2
    clicks = rng.poisson(shown * rate).astype(float)
    positions = np.arange(1, 9)
    fit = fit_affine(clicks, shown, positions, smoothing=np.inf)
    assert fit.converged

    def loss(log_alpha: np.ndarray, log_beta: np.ndarray, middle: float) -> float:
        fitted = np.outer(np.exp(log_alpha), [0, middle, 1]) + np.exp(log_beta)[:, None]
        return float((shown * fitted - clicks * np.log(fitted)).sum())

    best = loss(fit.log_alpha, fit.log_beta, fit.gamma[1])
    for _ in range(50):
        a, b = (x + rng.normal(0, 0.02, 8) for x in (fit.log_alpha, fit.log_beta))
        assert loss(a, b, fit.gamma[1] + rng.normal(0, 0.02)) > best


def test_clicks_alone_are_refused(log: lk.InteractionLog, gold: pl.DataFrame) -> None:
    with pytest.raises(NotIdentifiable, match="needs gold labels"):
        lk.PositionBias("trust").fit(log)
    few = gold.filter((pl.col("query") == 149) | (pl.col("label") == 0)).head(40)
    with pytest.raises((NotIdentifiable, GoldError)):
        lk.PositionBias("trust").fit(log, gold=few)
    # Gold that was only ever shown at the top says nothing of the rest.
    top = log.cells.to_native().filter(pl.col("position") > 2)
    deep = top.select("query", "item").unique()
    only_top = gold.join(deep, on=["query", "item"], how="anti")
    if only_top["label"].n_unique() == 3:
        with pytest.raises(NotIdentifiable):
            lk.PositionBias("trust").fit(log, gold=only_top)


def test_a_curve_that_gold_hardly_tells_is_refused_with_how_little() -> None:
    refuse_guesses(np.diag([0.0, 0.1, 0.1, 4.0]), 100)  # one bad position is no bad curve
    with pytest.raises(NotIdentifiable, match=r"100 gold examples .* a factor of 7 either way"):
        refuse_guesses(np.diag([0.0, 1.0, 1.0, 4.0]), 100)


def test_gold_that_is_no_gold_is_refused_by_name(
    log: lk.InteractionLog, gold: pl.DataFrame
) -> None:
    def fit(frame: pl.DataFrame) -> None:
        lk.PositionBias("trust").fit(log, gold=frame)

    with pytest.raises(GoldError, match="lacks 'label'"):
        fit(gold.drop("label"))
    with pytest.raises(GoldError, match="1 of 3001 gold rows repeat an example"):
        fit(pl.concat([gold, gold.head(1)]))
    with pytest.raises(GoldError, match=r"'label' has 3000 of 3000 rows that are no grade.*-1"):
        fit(gold.with_columns(label=pl.lit(-1)))
    with pytest.raises(GoldError, match="No gold example is in the log"):
        fit(gold.with_columns(item=pl.col("item") + 1_000_000))
    with pytest.raises(GoldError, match=r"1 different grade"):
        fit(gold.with_columns(label=pl.lit(1)))
    with pytest.raises(GoldError, match=r"'inclusion_probability' lies in \(0, 1\]; 0 does not"):
        fit(gold.with_columns(inclusion_probability=pl.lit(0.0)))


def test_a_sample_of_gold_with_known_chances_finds_the_same_curve(
    log: lk.InteractionLog, gold: pl.DataFrame
) -> None:
    """High grades were asked for more often; weights undo it."""
    rng = np.random.default_rng(0)
    chance = np.where(gold["label"].to_numpy() == 2, 0.9, 0.4)
    sample = gold.with_columns(inclusion_probability=chance).filter(
        pl.Series(rng.random(len(gold)) < chance)
    )
    whole = lk.PositionBias("trust").fit(log, gold=gold).curve_
    part = lk.PositionBias("trust").fit(log, gold=sample).curve_
    assert np.all((part.low <= whole.theta) & (whole.theta <= part.high))
    np.testing.assert_allclose(part.background[:3], whole.background[:3], rtol=0.15)


def test_trust_is_noticed_without_gold_and_its_absence_too(log: lk.InteractionLog) -> None:
    found = trust_test(log.counts)
    assert found.p_value < 0.01
    assert found.high < 0
    plain = lk.read_log(lk.simulate(300_000, seed=3, catalogue=Catalogue.of(graded())).frame)
    nothing = trust_test(plain.counts)
    assert nothing.p_value > 0.05
    assert nothing.low < 0 < nothing.high


def test_nothing_to_test_is_said() -> None:
    counts = PositionCounts.from_arrays([0, 0], [0, 1], [1, 2], [10, 10], [3, 1])
    with pytest.raises(NotIdentifiable, match="nothing to test"):
        trust_test(counts)


def shuffled(clicks: TrustModel | ClickModel, seed: int = 1) -> lk.InteractionLog:
    catalogue = Catalogue.synthetic(60, 20, zipf=0.8, seed=seed)
    frame = lk.simulate(
        200_000,
        seed=seed,
        clicks=clicks,
        catalogue=catalogue,
        randomised_share=1.0,
        extras=("randomised",),
    ).frame
    return lk.read_log(frame)


def test_shuffled_pages_tell_alpha_without_gold() -> None:
    curve = lk.PositionBias("trust").fit(shuffled(MODEL)).curve_
    alpha = MODEL.propensities / MODEL.propensities[0]
    known = ~np.isnan(curve.theta)
    assert known.sum() >= 8
    inside = (curve.low <= alpha) & (alpha <= curve.high)
    assert inside[known].sum() >= known.sum() - 1
    # β up to what runs in proportion to α.
    ratio = MODEL.background / MODEL.propensities
    beta = (ratio - ratio.min()) * MODEL.propensities
    np.testing.assert_allclose(curve.background[:4], beta[:4], atol=0.04)
    # Raw click rates of the same shuffled pages mix α with β.
    raw = lk.PositionBias("randomised").fit(shuffled(MODEL)).curve_.theta
    assert np.abs(np.log(raw / alpha))[1:6].min() > 0.2


def test_one_factor_is_found_exactly_in_exact_covariances() -> None:
    loading = np.array([0.9, 0.5, 0.4, 0.2, 0.1])
    covariance = np.outer(loading, loading) + np.diag([5.0, 3.0, 2.0, 1.0, 1.0])
    found = one_factor(covariance, np.ones((5, 5)), loading)
    np.testing.assert_allclose(found, loading, rtol=1e-6)


def test_few_shuffled_pages_and_swapped_ones_are_refused() -> None:
    few = lk.simulate(3_000, seed=1, clicks=MODEL, randomised_share=1.0, extras=("randomised",))
    with pytest.raises(NotIdentifiable, match="do not tell trust bias"):
        lk.PositionBias("trust").fit(lk.read_log(few.frame))
    swapped = lk.simulate(50_000, seed=1, clicks=MODEL, swaps=Swaps("first", share=1.0)).frame
    everything = swapped.drop("swapped_with").with_columns(randomised=pl.lit(1, pl.Int8))
    with pytest.raises(NotIdentifiable, match="shuffled in full"):
        lk.PositionBias("trust").fit(lk.read_log(everything))


@pytest.mark.parametrize("kind", ["pandas", "pyarrow", "duckdb"])
def test_every_engine_gives_the_same_affine_curve(kind: str, gold: pl.DataFrame) -> None:
    catalogue = Catalogue.of(graded(), zipf=0.7)
    frame = lk.simulate(60_000, seed=3, catalogue=catalogue, clicks=MODEL).frame
    frame = frame.with_columns(pl.col("ranker").cast(pl.String))
    convert = {
        "pandas": lambda f: f.to_pandas(),
        "pyarrow": lambda f: f.to_arrow(),
        "duckdb": lambda f: duckdb.from_arrow(f.to_arrow()),
    }[kind]
    one = lk.PositionBias("trust").fit(lk.read_log(frame), gold=gold).curve_
    two = lk.PositionBias("trust").fit(lk.read_log(convert(frame)), gold=convert(gold)).curve_
    np.testing.assert_array_equal(one.theta, two.theta)
    np.testing.assert_array_equal(one.background, two.background)
    np.testing.assert_array_equal(one.covariance, two.covariance)
