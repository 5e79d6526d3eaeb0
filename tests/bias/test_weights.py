"""Weights per impression and per example, arrays for scikit-learn, and what each scheme costs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

import labelkit as lk
from labelkit.bias import (
    Propensities,
    SlotCounts,
    example_weights,
    impression_weights,
    summarise_weights,
    training_arrays,
    weight_report,
)
from labelkit.bias.weights import SCHEMES, weigh
from labelkit.bias.weights.schemes import leave_one_out
from labelkit.errors import LabelkitError, LogError

TRUTH = {k: 1 / k for k in range(1, 11)}


@pytest.fixture(scope="module")
def simulated():
    return lk.simulate(n_impressions=100_000, seed=7, extras=("device",))


@pytest.fixture(scope="module")
def log(simulated) -> lk.InteractionLog:
    return lk.read_log(simulated.frame)


@pytest.fixture(scope="module")
def bias(log) -> lk.PositionBias:
    return lk.PositionBias("given", curve=TRUTH).fit(log)


def by_hand(log: lk.InteractionLog, scheme: str, clip: float) -> pl.DataFrame:
    """The table of schemes, row by row over impressions, on θ_k = 1/k."""
    rows = log.cells.to_native()
    w = {
        "unweighted": pl.lit(1.0),
        "ips": pl.col("position").cast(pl.Float64),
    }.get(scheme, pl.col("position").cast(pl.Float64).clip(upper_bound=clip))
    theta = 1 / pl.col("position")
    total = w * theta * pl.col("impressions") if scheme == "self_normalised" else "impressions"
    return (
        rows.with_columns(w=w)
        .with_columns(total=total)
        .group_by("query", "item")
        .agg(
            positive=(pl.col("w") * pl.col("clicks")).sum(),
            total=pl.col("total").sum(),
        )
        .sort("query", "item")
    )


@pytest.mark.parametrize("scheme", ["unweighted", "ips", "clipped", "self_normalised"])
def test_each_scheme_is_its_formula(log, bias, scheme) -> None:
    found = example_weights(log, bias, scheme=scheme, clip=4)
    expected = by_hand(log, scheme, 4)
    assert found.select("query", "item").equals(expected.select("query", "item"))
    np.testing.assert_allclose(found["positive"], expected["positive"])
    np.testing.assert_allclose(found["rate"], expected["positive"] / expected["total"])
    left = (expected["total"] - expected["positive"]).clip(lower_bound=0)
    np.testing.assert_allclose(found["negative"], left, atol=1e-9)


def test_doubly_robust_gives_the_baseline_what_clipping_takes(log, bias) -> None:
    keys = example_weights(log, bias).select("query", "item")
    baseline = keys.with_columns(baseline=pl.lit(0.3))
    found = example_weights(log, bias, scheme="doubly_robust", clip=4, baseline=baseline)
    clipped = by_hand(log, "clipped", 4)
    kept = by_hand(log, "self_normalised", 4)["total"]
    expected = clipped["positive"] + 0.3 * (clipped["total"] - kept)
    np.testing.assert_allclose(found["positive"], expected)
    unclipped = example_weights(log, bias, scheme="doubly_robust", clip=100, baseline=baseline)
    ips = example_weights(log, bias, scheme="ips")
    np.testing.assert_allclose(unclipped["positive"], ips["positive"])


def test_no_example_enters_its_own_baseline(log, bias) -> None:
    cells = SlotCounts.of(log, bias.curve_)
    baseline = leave_one_out(cells)
    example = int(np.argmax(cells.by_example(cells.clicks)))
    clicks = np.where(cells.example == example, 0.0, cells.clicks)
    from dataclasses import replace

    without = leave_one_out(replace(cells, clicks=clicks))
    assert without[example] == pytest.approx(baseline[example])
    other = np.flatnonzero(without != baseline)
    assert len(other) > 0
    assert example not in other


def test_clipping_bias_is_repaired_by_self_normalising_and_halved_by_a_fair_baseline(
    simulated, log, bias
) -> None:
    truth = simulated.truth.attractiveness.sort("query", "item")
    shown = example_weights(log, bias)
    gamma = shown.join(truth, on=["query", "item"], how="left")["attractiveness"].to_numpy()
    n = shown["impressions"].to_numpy()

    def error(scheme: str) -> float:
        rate = example_weights(log, bias, scheme=scheme, clip=2)["rate"].to_numpy()
        return float(np.sum(n * (rate - gamma)) / np.sum(n * gamma))

    assert error("clipped") < -0.2
    assert abs(error("self_normalised")) < 0.03
    assert abs(error("doubly_robust")) < 0.5 * abs(error("clipped"))
    assert error("unweighted") < -0.5


def test_standard_errors_are_those_of_fresh_clicks(log, bias) -> None:
    """Clicks drawn anew from one truth vary as ``standard_error`` says."""
    from dataclasses import replace

    rng = np.random.default_rng(0)
    cells = SlotCounts.of(log, bias.curve_)
    p = cells.theta * rng.beta(1, 3, cells.n_examples)[cells.example]
    busy = cells.by_example(cells.n) > 500
    for scheme in SCHEMES[:4]:
        rates, variances = [], []
        for _ in range(200):
            drawn = replace(cells, clicks=rng.binomial(cells.n.astype(int), p).astype(float))
            sums = weigh(drawn, scheme, clip=5)
            rates.append(sums.rate[busy])
            variances.append(sums.variance[busy])
        ratio = np.mean(variances, axis=0) / np.var(rates, axis=0, ddof=1)
        assert np.mean(ratio) == pytest.approx(1, abs=0.05), scheme


def test_impressions_and_examples_train_the_same_model(simulated, log, bias) -> None:
    from sklearn.linear_model import LogisticRegression

    # Rows in another order than the log's, and with examples that the log never showed.
    features = simulated.truth.attractiveness.sample(fraction=1, shuffle=True, seed=1)
    X = features.select("attractiveness", noise=pl.int_range(pl.len()) % 7).to_numpy()
    coefficients = []
    for unit in ("example", "impression"):
        arrays = training_arrays(log, bias, features, unit=unit, scheme="ips")
        model = LogisticRegression(C=np.inf, tol=1e-8, max_iter=500)
        model.fit(X[arrays.row], arrays.y, sample_weight=arrays.sample_weight)
        coefficients.append(np.append(model.coef_, model.intercept_))
        assert np.all(arrays.sample_weight > 0)
        assert arrays.n_aside == 0
    np.testing.assert_allclose(coefficients[0], coefficients[1], rtol=1e-4)
    # It is the attractiveness that is learned, not the position.
    slope, _, intercept = coefficients[0]
    probability = 1 / (1 + np.exp(-(slope * np.array([0.2, 0.6]) + intercept)))
    assert probability == pytest.approx([0.2, 0.6], abs=0.12)


def test_groups_never_straddle_a_split(simulated, log, bias) -> None:
    from sklearn.model_selection import GroupKFold

    arrays = training_arrays(log, bias, simulated.truth.attractiveness)
    query = simulated.truth.attractiveness["query"].to_numpy()[arrays.row]
    for train, test in GroupKFold(3).split(arrays.row, groups=arrays.group):
        assert not set(query[train]) & set(query[test])


def test_feature_tables_that_do_not_fit_are_refused(simulated, log, bias) -> None:
    features = simulated.truth.attractiveness
    with pytest.raises(LogError, match="no column 'item'"):
        training_arrays(log, bias, features.drop("item"))
    with pytest.raises(LogError, match="2 rows that share their query and item"):
        training_arrays(log, bias, pl.concat([features, features.head(1)]))
    with pytest.raises(LogError, match="None of the"):
        training_arrays(log, bias, features.with_columns(pl.col("query") + 10**6))
    half = training_arrays(log, bias, features.filter(pl.col("query") % 2 == 0))
    assert (
        half.n_aside
        == log.cells.to_native()
        .filter(pl.col("query") % 2 == 1)
        .select(pl.struct("query", "item").n_unique())
        .item()
    )


def test_a_baseline_that_does_not_fit_is_refused(log, bias) -> None:
    keys = example_weights(log, bias).select("query", "item")
    for change, message in (
        (keys.with_columns(baseline=pl.lit(1.5)), r"outside \(first: query"),
        (keys.head(5).with_columns(baseline=pl.lit(0.5)), "are missing"),
        (keys, "lacks 'baseline'"),
    ):
        with pytest.raises(LogError, match=message):
            example_weights(log, bias, scheme="doubly_robust", baseline=change)
    with pytest.raises(LabelkitError, match="Unknown scheme"):
        example_weights(log, bias, scheme="snips")
    with pytest.raises(LabelkitError, match="at least 1"):
        example_weights(log, bias, clip=0.5)


def context_curve() -> Propensities:
    """Phones: θ = 1/k²; desktops: θ = 1/k."""
    k = np.tile(np.arange(1, 11), 2)
    device = np.repeat(["desktop", "mobile"], 10).astype(object)
    theta = np.where(device == "mobile", 1.0 / k**2, 1.0 / k)
    return Propensities(
        positions=k,
        theta=theta,
        covariance=np.zeros((20, 20)),
        df=np.inf,
        method="given",
        interval="none",
        context={"device": device},
    )


@pytest.mark.parametrize("engine", ["polars", "pandas", "duckdb"])
def test_weights_follow_the_context_on_every_engine(simulated, engine, tmp_path) -> None:
    frame = simulated.frame.with_columns(pl.col("device").cast(pl.String))
    if engine == "duckdb":
        pytest.importorskip("duckdb")
        frame.write_parquet(tmp_path / "log.parquet")
        log = lk.read_log(tmp_path / "log.parquet", engine="duckdb")
    else:
        log = lk.read_log(frame if engine == "polars" else frame.to_pandas())
    rows = pl.from_dataframe(impression_weights(log, context_curve(), clip=30))
    k = rows["position"].to_numpy().astype(float)
    expected = np.where(rows["device"].to_numpy() == "mobile", k**2, k).clip(max=30)
    np.testing.assert_allclose(rows["weight"].to_numpy(), expected)
    sums = rows.filter(pl.col("clicked") == 1).group_by("query", "item").agg(pl.sum("weight"))
    found = pl.from_dataframe(example_weights(log, context_curve(), scheme="clipped", clip=30))
    both = found.join(sums, on=["query", "item"], how="left").fill_null(0)
    np.testing.assert_allclose(both["positive"], both["weight"])
    assert summarise_weights(log, context_curve(), clip=30).n == log.summary.n_clicks


def test_a_background_is_taken_off_the_clicks() -> None:
    """Clicks with a background β_k: the corrected rate finds γ, the plain one does not."""
    rng = np.random.default_rng(3)
    k = np.arange(1, 6)
    theta, beta = 0.8 / k, 0.15 / k
    gamma = rng.beta(1, 3, 200)
    example, position = (a.ravel() for a in np.meshgrid(np.arange(200), k, indexing="ij"))
    n = 400
    clicks = rng.binomial(n, theta[position - 1] * gamma[example] + beta[position - 1])
    rows = pl.DataFrame({"query": example // 10, "item": example, "position": position})
    clicked = rows.select(pl.all().repeat_by(pl.Series(clicks)).explode()).with_columns(clicked=1)
    others = rows.select(pl.all().repeat_by(pl.Series(n - clicks)).explode()).with_columns(
        clicked=0
    )
    log = lk.read_log(pl.concat([clicked, others]))
    curve = Propensities(k, theta, np.zeros((5, 5)), np.inf, "trust", "none", background=beta)
    rate = example_weights(log, curve, scheme="ips")["rate"].to_numpy()
    assert abs(np.mean(rate - gamma)) < 0.01
    plain = Propensities(k, theta, np.zeros((5, 5)), np.inf, "trust", "none")
    assert np.mean(example_weights(log, plain, scheme="ips")["rate"].to_numpy() - gamma) > 0.1


def test_positions_without_a_propensity_weigh_nothing_and_are_counted() -> None:
    frame = pl.DataFrame(
        {"query": 1, "item": [1, 1, 1, 2], "position": [1, 2, 9, 9], "clicked": [1, 0, 1, 1]}
    )
    log = lk.read_log(frame)
    curve = Propensities(
        np.array([1, 2, 9]), np.array([1, 0.5, np.nan]), np.zeros((3, 3)), np.inf, "x", "none"
    )
    assert impression_weights(log, curve)["weight"].to_list() == [1.0, 2.0, 0.0, 0.0]
    found = example_weights(log, curve)
    assert found["impressions"].to_list() == [2, 0]
    assert found["rate"].null_count() == 1
    assert SlotCounts.of(log, curve).n_aside == 2


def test_the_report_shows_what_each_scheme_buys(log, bias) -> None:
    fitted = lk.PositionBias("poisson", n_bootstrap=50).fit(log)
    report = weight_report(log, fitted, clips=(3, 100))
    rows = {(row["scheme"], row["clip"]): row for row in report.to_dicts()}
    ips, hard = rows["ips", None], rows["clipped", 3.0]
    assert ips["bias"] == 0
    assert hard["bias"] < -5 * hard["standard_error"]
    assert hard["standard_error"] < ips["standard_error"], "variance is what clipping buys"
    assert hard["rmse"] > ips["rmse"], "and here it is a bad bargain"
    normalised = rows["self_normalised", 3.0]
    assert abs(normalised["bias"]) < 3 * normalised["standard_error"]
    assert normalised["rmse"] < hard["rmse"]
    assert rows["unweighted", None]["effective_n"] == log.summary.n_clicks
    assert ips["effective_n"] == pytest.approx(summarise_weights(log, fitted, clip=1e9).effective_n)
    # A known curve has no uncertainty of its own.
    known = {(r["scheme"], r["clip"]): r for r in weight_report(log, bias).to_dicts()}
    assert known["ips", None]["standard_error"] < ips["standard_error"]


def test_logged_propensities_weight_each_impression_by_its_own() -> None:
    rng = np.random.default_rng(0)
    n = 4_000
    p = rng.choice([0.1, 0.5, 1.0], n)
    frame = pl.DataFrame(
        {
            "query": rng.integers(0, 20, n),
            "item": rng.integers(0, 5, n),
            "position": rng.integers(1, 4, n),
            "clicked": rng.random(n) < 0.4 * p,
            "propensity": p,
        }
    )
    log = lk.read_log(frame)
    bias = lk.PositionBias().fit(log)
    found = example_weights(log, bias, scheme="clipped", clip=5)
    clicked = frame.filter("clicked").with_columns(w=(1 / pl.col("propensity")).clip(upper_bound=5))
    expected = clicked.group_by("query", "item").agg(pl.sum("w"))
    both = found.join(expected, on=["query", "item"], how="left").fill_null(0)
    np.testing.assert_allclose(both["positive"], both["w"], rtol=1e-6)
    mean = np.average(
        example_weights(log, bias, scheme="ips")["rate"], weights=found["impressions"]
    )
    assert mean == pytest.approx(0.4, abs=0.04)


@pytest.fixture(scope="module")
def bandit(shared_data: Path) -> dict[str, pl.DataFrame]:
    """Open Bandit, men's campaign: a Thompson-sampling log, and a uniform one beside it."""
    folder = shared_data / "clicks_obd"
    return {name: pl.read_parquet(folder / f"{name}_men.parquet") for name in ("bts", "random")}


def bandit_log(frame: pl.DataFrame) -> lk.InteractionLog:
    return lk.read_log(
        frame.select(
            "position",
            query=pl.lit("men"),
            item="item_id",
            clicked="click",
            propensity="propensity_score",
        )
    )


def test_open_bandit_weights_reproduce_the_uniform_policy(bandit) -> None:
    """IPS over the true logging propensities says what a uniform policy would be clicked."""
    log = bandit_log(bandit["bts"])
    bias = lk.PositionBias().fit(log)
    assert bias.method_ == "logged"
    n_items = bandit["random"]["item_id"].n_unique()
    ips = weight_report(log, bias, clips=(50,)).row(1, named=True)
    assert ips["scheme"] == "ips"
    truth = bandit["random"]["click"].mean()
    # The value of showing items uniformly: each has probability 1/n_items.
    low, high = ips["click_rate_low"] / n_items, ips["click_rate_high"] / n_items
    spread = 1.96 * np.sqrt(truth / len(bandit["random"]))
    assert low - spread <= truth <= high + spread
    hand = (bandit["bts"]["click"] / bandit["bts"]["propensity_score"]).mean()
    assert ips["click_rate"] == pytest.approx(hand, rel=1e-6)


def test_open_bandit_effective_sample_size_and_clipping_are_those_by_hand(bandit) -> None:
    log = bandit_log(bandit["bts"])
    bias = lk.PositionBias().fit(log)
    w = 1 / bandit["bts"].filter(pl.col("click") == 1)["propensity_score"].to_numpy()
    for clip in (10, 50, 1e6):
        cut = np.minimum(w, clip)
        summary = summarise_weights(log, bias, clip=clip)
        assert summary.n == len(w) == 69
        assert summary.effective_n == pytest.approx(cut.sum() ** 2 / (cut**2).sum(), rel=1e-6)
        assert summary.n_clipped == int((w > clip).sum())
        assert summary.clipped_mass == pytest.approx(1 - cut.sum() / w.sum(), abs=1e-6)
    assert summarise_weights(log, bias, clip=1e6).effective_n < 69 / 2, "few clicks decide"


def test_open_bandit_estimated_propensities_come_near_the_true_ones(bandit) -> None:
    """Shares of an item at a position, counted, against the logged propensities.

    Whoever was likely to be shown was shown more often, so the mean of the logged propensities of
    what was shown is too high; their harmonic mean is not: Σ 1/p over an item's impressions
    estimates the number of rounds.
    """
    frame = bandit["bts"]
    shown = frame.group_by("position").len("shown")
    estimated = (
        frame.group_by("item_id", "position")
        .agg(pl.len().alias("n"), true=pl.len() / (1 / pl.col("propensity_score")).sum())
        .join(shown, on="position")
        .with_columns(estimated=pl.col("n") / pl.col("shown"))
        .filter(pl.col("n") >= 100)
    )
    ratio = (estimated["estimated"] / estimated["true"]).to_numpy()
    assert len(estimated) >= 10
    assert np.median(ratio) == pytest.approx(1, abs=0.3)
    log = lk.read_log(
        frame.join(estimated, on=["item_id", "position"]).select(
            "position",
            query=pl.lit("men"),
            item="item_id",
            clicked="click",
            propensity="estimated",
        )
    )
    log_of_truth = bandit_log(frame.join(estimated, on=["item_id", "position"], how="semi"))
    by_estimate = summarise_weights(log, lk.PositionBias().fit(log), clip=1e6)
    by_truth = summarise_weights(log_of_truth, lk.PositionBias().fit(log_of_truth), clip=1e6)
    assert by_estimate.n == by_truth.n
    assert by_estimate.effective_n > by_truth.effective_n, "averages hide the heavy weights"
