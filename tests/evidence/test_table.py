from __future__ import annotations

from pathlib import Path

import duckdb
import narwhals as nw
import numpy as np
import polars as pl
import pytest
from scipy import stats

import labelkit as lk
from labelkit.errors import LogError
from labelkit.evidence import (
    COLUMNS,
    ON_REQUEST,
    GammaPrior,
    available,
    fit_gamma_prior,
    gamma_prior,
)
from labelkit.logs import Catalogue, InteractionLog

EXTRAS = ("user", "dwell", "conversion")


@pytest.fixture(scope="module")
def frame() -> pl.DataFrame:
    catalogue = Catalogue.synthetic(100, 15, seed=4)
    return lk.simulate(n_impressions=60_000, seed=4, catalogue=catalogue, extras=EXTRAS).frame


@pytest.fixture(scope="module")
def log(frame: pl.DataFrame) -> InteractionLog:
    return lk.read_log(frame)


@pytest.fixture(scope="module")
def bias(log: InteractionLog) -> lk.PositionBias:
    return lk.PositionBias().fit(log)


@pytest.fixture(scope="module")
def table(log: InteractionLog, bias: lk.PositionBias) -> pl.DataFrame:
    return lk.evidence(log, bias).collect().sort("query", "item")


def by_hand(frame: pl.DataFrame, curve: dict[int, float]) -> pl.DataFrame:
    """The same sums by a plain group-by over the rows."""
    theta = pl.col("position").cast(pl.Int64).replace_strict(curve, return_dtype=pl.Float64)
    w = 1 / theta
    clicked = pl.col("clicked").cast(pl.Int64)
    return (
        frame.with_columns(theta.alias("t"), w.alias("w"), clicked.alias("c"))
        .group_by("query", "item")
        .agg(
            impressions=pl.len().cast(pl.Int64),
            clicks=pl.col("c").sum(),
            exposure=pl.col("t").sum(),
            ips_ctr=(pl.col("c") * pl.col("w")).sum() / pl.len(),
            ess=pl.col("w").sum() ** 2 / (pl.col("w") ** 2).sum(),
            dwell_max=pl.col("dwell").max(),
            dwell_mean=pl.col("dwell").mean(),
            conversions=pl.col("conversion").sum().cast(pl.Int64),
            users=pl.col("user").filter(pl.col("c") == 1).n_unique(),
            sessions=pl.col("session").filter(pl.col("c") == 1).n_unique(),
            first_seen=pl.col("timestamp").min(),
            last_seen=pl.col("timestamp").max(),
        )
        .sort("query", "item")
    )


def test_every_sum_equals_a_plain_group_by(
    frame: pl.DataFrame, table: pl.DataFrame, bias: lk.PositionBias
) -> None:
    curve = dict(zip(bias.curve_.positions.tolist(), bias.curve_.theta.tolist(), strict=True))
    expected = by_hand(frame, curve)
    for name in expected.columns:
        left, right = table[name], expected[name]
        if left.dtype.is_float():
            # Sums are kept as multiples of 2⁻³² (dwell: milliseconds).
            tolerance = 1e-3 if name.startswith("dwell") else 1e-5
            assert left.is_null().to_list() == right.is_null().to_list(), name
            np.testing.assert_allclose(
                left.to_numpy(), right.to_numpy(), rtol=tolerance, err_msg=name
            )
        else:
            assert left.cast(right.dtype).to_list() == right.to_list(), name


def test_skips_are_unclicked_impressions_above_a_click_of_the_same_page(
    frame: pl.DataFrame, table: pl.DataFrame
) -> None:
    lowest = pl.col("position").filter(pl.col("clicked") == 1).max().over("session", "query")
    skipped = (pl.col("clicked") == 0) & (pl.col("position") < lowest)
    expected = (
        frame.with_columns(s=skipped.fill_null(False))
        .group_by("query", "item")
        .agg(pl.col("s").sum())
        .sort("query", "item")
    )
    assert table["skips"].to_list() == expected["s"].to_list()
    assert table["skips"].sum() > 0


def test_skips_do_not_depend_on_the_order_of_the_rows(
    frame: pl.DataFrame, table: pl.DataFrame, bias: lk.PositionBias
) -> None:
    """A log written page by page is read in order; any other log through a join."""
    mixed = lk.read_log(frame.sample(fraction=1, shuffle=True, seed=1).drop("timestamp"))
    skips = lk.evidence(mixed, bias, columns=["skips"]).collect().sort("query", "item")
    assert skips["skips"].to_list() == table["skips"].to_list()


def test_rates_are_the_gamma_posterior_when_propensities_are_known(
    log: InteractionLog,
) -> None:
    known = lk.PositionBias("given", curve={k: 1 / k for k in range(1, 11)}).fit(log)
    table = lk.evidence(log, known, prior="global").collect()
    prior = gamma_prior(log, known.curve_)
    posterior = stats.gamma(
        prior.shape + table["clicks"].to_numpy(),
        scale=1 / (prior.rate + table["exposure"].to_numpy()),
    )
    np.testing.assert_allclose(table["ctr"], np.minimum(posterior.mean(), 1), rtol=1e-6)
    low, high = posterior.interval(0.95)
    np.testing.assert_allclose(table["ctr_low"], low, rtol=1e-5)
    np.testing.assert_allclose(table["ctr_high"], np.minimum(high, 1), rtol=1e-5)


def test_uncertain_propensities_widen_the_intervals(
    log: InteractionLog, table: pl.DataFrame, bias: lk.PositionBias
) -> None:
    curve = dict(zip(bias.curve_.positions.tolist(), bias.curve_.theta.tolist(), strict=True))
    sure = lk.evidence(log, lk.PositionBias("given", curve=curve).fit(log)).collect()
    sure = sure.sort("query", "item")
    np.testing.assert_allclose(table["ctr"], sure["ctr"], rtol=1e-6)
    assert (table["ctr_low"] <= sure["ctr_low"] + 1e-12).all()
    assert (table["ctr_high"] >= sure["ctr_high"] - 1e-12).all()
    assert (table["ctr_high"] - sure["ctr_high"]).mean() > 0


def test_every_engine_gives_the_same_evidence_to_the_last_bit(
    frame: pl.DataFrame, table: pl.DataFrame
) -> None:
    # Categories of Polars' own have no counterpart elsewhere; the ranker is not part of evidence.
    plain = frame.drop("ranker")
    others = [plain.to_pandas(), plain.to_arrow(), duckdb.from_arrow(plain.to_arrow())]
    for other in others:
        log = lk.read_log(other)
        native = lk.evidence(log, lk.PositionBias().fit(log))
        result = nw.from_native(native).lazy().collect().to_polars().sort("query", "item")
        for name in ("exposure", "ips_ctr", "ctr", "ctr_low", "ctr_high", "ess", "skips", "users"):
            assert result[name].to_list() == table[name].to_list(), name


def test_columns_come_only_where_the_log_has_their_source() -> None:
    frame = pl.DataFrame(
        {"query": [1, 1, 1], "item": [1, 1, 2], "position": [1, 2, 2], "clicked": [1, 1, 0]}
    )
    log = lk.read_log(frame)
    assert "dwell_max" not in available(log)
    assert "skips" not in available(log)
    bias = lk.PositionBias("given", curve={1: 1, 2: 0.5}).fit(log)
    assert "dwell_max" not in lk.evidence(log, bias).collect_schema()
    with pytest.raises(LogError, match="'dwell_max' is made from dwell, which the log does not"):
        lk.evidence(log, bias, columns=["dwell_max"])
    with pytest.raises(LogError, match="'skips' is made from page or session"):
        lk.evidence(log, bias, columns=["skips"])
    with pytest.raises(LogError, match="Did you mean 'ctr_low'"):
        lk.evidence(log, bias, columns=["ctr_lo"])


def test_only_the_columns_asked_for_come_back(log: InteractionLog, bias: lk.PositionBias) -> None:
    table = lk.evidence(log, bias, columns=["ctr", "clicks"])
    assert table.collect_schema().names() == ["query", "item", "clicks", "ctr"]
    unasked = set(COLUMNS) - ON_REQUEST
    assert set(lk.evidence(log, bias).collect_schema().names()) == {"query", "item", *unasked}


def test_positions_without_a_propensity_stay_out_of_debiased_rates() -> None:
    frame = pl.DataFrame(
        {
            "query": [0] * 40 + [1],
            "item": [0] * 40 + [1],
            "position": [1, 2] * 20 + [9],
            "clicked": [1, 0, 1, 1] * 10 + [1],
        }
    )
    log = lk.read_log(frame)
    with pytest.warns(lk.LabelkitWarning):
        bias = lk.PositionBias().fit(log)
    row = lk.evidence(log, bias, prior="global").collect().filter(pl.col("item") == 1)
    assert row["clicks"].item() == 1
    assert row["exposure"].item() == 0
    assert row["ips_ctr"].item() == 0
    prior = gamma_prior(log, bias.curve_)
    assert row["ctr"].item() == pytest.approx(min(prior.mean, 1))


def test_logged_propensities_enter_impression_by_impression() -> None:
    frame = pl.DataFrame(
        {
            "query": [0, 0, 0, 0],
            "item": [1, 1, 1, 2],
            "position": [1, 1, 2, 2],
            "clicked": [1, 0, 1, 0],
            "propensity": [1.0, 0.5, 0.25, 0.5],
        }
    )
    log = lk.read_log(frame)
    table = lk.evidence(log, lk.PositionBias().fit(log)).collect().sort("item")
    assert table["exposure"].to_list() == pytest.approx([1.75, 0.5])
    assert table["ips_ctr"].to_list() == pytest.approx([(1 / 1.0 + 1 / 0.25) / 3, 0])


def test_the_prior_is_recovered_from_many_examples() -> None:
    rng = np.random.default_rng(0)
    gamma = rng.gamma(2.0, 1 / 12.0, 40_000)
    exposure = rng.uniform(1, 60, 40_000)
    prior = fit_gamma_prior(rng.poisson(gamma * exposure).astype(float), exposure)
    assert prior.shape == pytest.approx(2.0, rel=0.05)
    assert prior.rate == pytest.approx(12.0, rel=0.05)


def test_the_prior_stays_finite_when_rates_do_not_vary() -> None:
    rng = np.random.default_rng(0)
    exposure = np.full(500, 20.0)
    prior = fit_gamma_prior(rng.poisson(0.1 * exposure).astype(float), exposure)
    assert prior.mean == pytest.approx(0.1, rel=0.1)
    assert prior.rate <= 201


def test_quantiles_depend_on_clicks_alone() -> None:
    prior = GammaPrior(1.5, 8.0)
    low, high = prior.quantiles(np.array([0.0, 4.0]), 0.9)
    np.testing.assert_allclose(low, stats.gamma(prior.shape + np.array([0, 4])).ppf(0.05))
    np.testing.assert_allclose(high, stats.gamma(prior.shape + np.array([0, 4])).ppf(0.95))


def test_debiased_rates_on_sim_pbm_eta1_follow_the_truth_by_grade(shared_data: Path) -> None:
    """IPS rates per grade against the generating attractiveness; raw rates are far below."""
    folder = shared_data / "sim_pbm_eta1"
    log = lk.read_log(
        folder / "log.parquet",
        columns={"page": "session_id", "query": "query_id", "item": "doc_id", "clicked": "click"},
    )
    curve = lk.PositionBias("given", curve={k: 1 / k for k in range(1, 11)}).fit(log)
    grades = pl.read_parquet(shared_data / "rel_lightgbm_rank" / "rank.parquet").select(
        pl.col("query_id").alias("query"), pl.col("doc_id").alias("item"), "relevance"
    )
    joined = lk.evidence(log, curve).collect().join(grades, on=["query", "item"])
    by_grade = (
        joined.group_by("relevance")
        .agg(
            ips=(pl.col("ips_ctr") * pl.col("impressions")).sum() / pl.col("impressions").sum(),
            raw=pl.col("clicks").sum() / pl.col("impressions").sum(),
        )
        .sort("relevance")
    )
    truth = np.array([0.10, 0.16, 0.28, 0.52, 1.0])
    np.testing.assert_allclose(by_grade["ips"], truth, rtol=0.06)
    assert (by_grade["raw"].to_numpy() < truth / 2).all()
