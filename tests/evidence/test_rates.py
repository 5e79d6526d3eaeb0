from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl
import pytest
from given_curves import ENGINES, collected, known_curve
from scipy import integrate, stats

import labelkit as lk
from labelkit.errors import LogError
from labelkit.evidence import GammaPrior, PlacementPrior, QueryPrior
from labelkit.evidence.placement import EDGES, MIDDLES, fit_placement_prior, placement_of
from labelkit.evidence.quadrature import poisson_posterior
from labelkit.evidence.query_prior import fit_query_prior
from labelkit.evidence.slots import directions, error_directions
from labelkit.logs import Catalogue, InteractionLog

RATES = ["clicks", "exposure", "background", "ips_ctr", "ess", "ctr", "ctr_low", "ctr_high"]
EVERY = [
    {"prior": "placement"},
    {"prior": "global"},
    {"prior": "query"},
    {"posterior": "bernoulli"},
    {"prior": "query", "posterior": "bernoulli"},
]


@pytest.fixture(scope="module")
def frame() -> pl.DataFrame:
    catalogue = Catalogue.synthetic(60, 12, seed=4)
    log = lk.simulate(n_impressions=20_000, seed=4, catalogue=catalogue, extras=("device",)).frame
    return log.drop("ranker").with_columns(pl.col("device").cast(pl.String))


@pytest.fixture(scope="module")
def log(frame: pl.DataFrame) -> InteractionLog:
    return lk.read_log(frame)


def uncertain(n: int = 10, seed: int = 0) -> Any:
    root = np.random.default_rng(seed).normal(size=(n, n)) * 0.03
    return root @ root.T


@pytest.mark.parametrize("options", EVERY)
@pytest.mark.parametrize("background", [None, [0.002] * 10])
def test_every_engine_gives_the_same_rates_to_the_last_bit(
    frame: pl.DataFrame, options: dict[str, Any], background: list[float] | None
) -> None:
    curve = known_curve(
        [1 / k for k in range(1, 11)], covariance=uncertain(), background=background, df=30
    )
    tables = [
        collected(lk.evidence(lk.read_log(make(frame)), curve, columns=RATES, **options))
        for make in ENGINES.values()
    ]
    for other in tables[1:]:
        for name in RATES:
            assert other[name].to_list() == tables[0][name].to_list(), name


@pytest.mark.parametrize("make", ENGINES.values(), ids=list(ENGINES))
def test_a_context_joins_the_curve_of_its_own_slots(
    frame: pl.DataFrame, make: Callable[[pl.DataFrame], Any]
) -> None:
    devices = sorted(frame["device"].unique())
    theta = {
        (device, k): k ** -(1.0 + 0.5 * i) for i, device in enumerate(devices) for k in range(1, 11)
    }
    curve = known_curve(
        list(theta.values()),
        positions=[k for _, k in theta],
        context={"device": np.array([d for d, _ in theta])},
        covariance=uncertain(len(theta)),
    )
    table = collected(lk.evidence(lk.read_log(make(frame)), curve, columns=RATES))
    slots = pl.DataFrame(
        {
            "device": [d for d, _ in theta],
            "position": [k for _, k in theta],
            "t": list(theta.values()),
        }
    )
    by_hand = (
        frame.with_columns(pl.col("position").cast(pl.Int64))
        .join(slots, on=["device", "position"])
        .group_by("query", "item")
        .agg(exposure=pl.col("t").sum(), ips=(pl.col("clicked") / pl.col("t")).sum() / pl.len())
        .sort("query", "item")
    )
    np.testing.assert_allclose(table["exposure"], by_hand["exposure"], rtol=1e-7)
    np.testing.assert_allclose(table["ips_ctr"], by_hand["ips"], rtol=1e-6)


def test_a_slot_that_the_curve_has_never_seen_counts_for_nothing(frame: pl.DataFrame) -> None:
    curve = known_curve([1.0, 0.5, 0.3], covariance=uncertain(3))
    for make in ENGINES.values():
        table = collected(lk.evidence(lk.read_log(make(frame)), curve, columns=RATES))
        seen = frame.filter(pl.col("position") <= 3)
        theta = pl.col("position").cast(pl.Int64).replace_strict({1: 1.0, 2: 0.5, 3: 0.3})
        expected = frame.select("query", "item").unique().join(
            seen.group_by("query", "item").agg(e=theta.sum()), on=["query", "item"], how="left"
        )  # fmt: skip
        expected = expected.sort("query", "item")["e"].fill_null(0)
        np.testing.assert_allclose(table["exposure"], expected, atol=1e-7)
        assert table["clicks"].sum() == frame["clicked"].sum()


def test_a_background_lowers_rates_by_what_it_explains(log: InteractionLog) -> None:
    theta = [1 / k for k in range(1, 11)]
    columns = ["exposure", "background", "ips_ctr", "ctr", "ctr_low", "ctr_high", "impressions"]
    shared = {"columns": columns, "prior": GammaPrior(1.5, 6.0)}
    plain = collected(lk.evidence(log, known_curve(theta), **shared))
    less = collected(lk.evidence(log, known_curve(theta, background=[0.01] * 10), **shared))
    assert plain["background"].sum() == 0
    np.testing.assert_allclose(less["background"], 0.01 * less["impressions"], rtol=1e-6)
    # The grid is right to a few parts in ten thousand.
    assert (less["ctr"] <= plain["ctr"] * (1 + 1e-3)).all()
    assert (less["ctr"] < plain["ctr"] * 0.99).mean() > 0.3
    assert (less["ips_ctr"] < plain["ips_ctr"]).all()


@pytest.mark.parametrize(
    ("clicks", "exposure", "background", "a", "b"),
    [
        (0, 3.0, 0.5, 0.3, 2.0),
        (3, 10.0, 3.0, 0.5, 2.0),
        (40, 300.0, 4.0, 1.7, 6.0),
        (2, 0.1, 5, 1, 1),
    ],
)
def test_the_posterior_with_a_background_is_the_exact_one(
    clicks: int, exposure: float, background: float, a: float, b: float
) -> None:
    result = poisson_posterior(
        np.array([float(clicks)]),
        np.array([exposure]),
        np.array([float(background)]),
        a=np.array([float(a)]),
        b=np.array([float(b)]),
        level=0.95,
    )

    # The mixture of Gamma densities, term by term.
    from scipy.special import gammaln

    j = np.arange(clicks + 1)
    log_weight = (
        gammaln(clicks + 1) - gammaln(j + 1) - gammaln(clicks - j + 1)
        + j * np.log(exposure) + (clicks - j) * np.log(background)
        + gammaln(a + j) - (a + j) * np.log(b + exposure)
    )  # fmt: skip
    weight = np.exp(log_weight - log_weight.max())
    weight /= weight.sum()
    parts = stats.gamma(a + j, scale=1 / (b + exposure))
    assert result.mean[0] == pytest.approx(weight @ parts.mean(), rel=2e-3)
    assert weight @ parts.cdf(result.low[0]) == pytest.approx(0.025, abs=1e-3)
    assert weight @ parts.cdf(result.high[0]) == pytest.approx(0.975, abs=1e-3)


def test_the_bernoulli_posterior_is_the_exact_one_and_tighter_near_1() -> None:
    """An item always clicked at the top: trials know that its rate is near 1, counts do not."""
    rows = [("q", 1, 1, int(i < 38)) for i in range(40)]
    rows += [("q", 2, 1 + i % 2, int(i % 10 == 0)) for i in range(60)]
    frame = pl.DataFrame(rows, schema=["query", "item", "position", "clicked"], orient="row")
    log, curve = lk.read_log(frame), known_curve([1.0, 0.5])
    prior = PlacementPrior(shape=1.0, log_mean=np.log(0.25), slope=0.0)
    table = {
        p: collected(lk.evidence(log, curve, prior=prior, posterior=p))  # type: ignore[arg-type]
        for p in ("poisson", "bernoulli")
    }
    first = {p: t.row(0, named=True) for p, t in table.items()}
    exact = stats.beta(1 + 38, 3 + 2)
    assert first["bernoulli"]["ctr"] == pytest.approx(exact.mean(), rel=1e-3)
    assert first["bernoulli"]["ctr_low"] == pytest.approx(exact.ppf(0.025), rel=2e-3)
    assert first["bernoulli"]["ctr_high"] == pytest.approx(exact.ppf(0.975), rel=2e-3)
    width = {p: row["ctr_high"] - row["ctr_low"] for p, row in first.items()}
    assert width["bernoulli"] < 0.6 * width["poisson"]

    second = table["bernoulli"].row(1, named=True)
    cells = (
        frame.filter(pl.col("item") == 2)
        .group_by("position")
        .agg(pl.len(), pl.col("clicked").sum())
    )

    def density(g: float) -> float:
        value = (1 - g) ** 2
        for k, n, c in cells.iter_rows():
            value *= (g / k) ** c * (1 - g / k) ** (n - c)
        return value * 1e12

    total = integrate.quad(density, 0, 1)[0]
    below = integrate.quad(density, 0, second["ctr_low"])[0] / total
    assert below == pytest.approx(0.025, abs=1e-3)


def test_poisson_and_bernoulli_agree_where_clicks_are_rare(log: InteractionLog) -> None:
    curve = known_curve([0.05 / k for k in range(1, 11)])
    prior = PlacementPrior(shape=1.0, log_mean=np.log(0.02), slope=0.0)
    rare = lk.read_log(
        log.frame.to_native().with_columns(
            clicked=pl.when(pl.col("item") % 7 == 0).then(pl.col("clicked")).otherwise(0)
        )
    )
    a, b = (
        collected(lk.evidence(rare, curve, prior=prior, posterior=p))  # type: ignore[arg-type]
        for p in ("poisson", "bernoulli")
    )
    quiet = (a["clicks"] == 0) & (a["exposure"] < 1)
    for name in ("ctr", "ctr_high"):
        np.testing.assert_allclose(
            a.filter(quiet)[name].to_numpy(), b.filter(quiet)[name].to_numpy(), rtol=0.05
        )


def test_errors_of_the_exposure_are_bounded_by_few_directions_and_hardly_overstated() -> None:
    rng = np.random.default_rng(1)
    for seed in range(20):
        covariance = uncertain(10, seed)
        curve = known_curve([1 / k for k in range(1, 11)], covariance=covariance)
        columns = error_directions(curve)
        assert columns.shape[1] <= 5
        shown = rng.gamma(0.3, 10, (500, 10))
        weighted = shown * curve.theta
        exact = np.einsum("ei,ij,ej->e", weighted, covariance, weighted)
        bound = ((shown @ columns) ** 2).sum(1)
        assert np.all(bound >= exact * (1 - 1e-9))
        assert np.median(np.sqrt(bound / exact)) < 1.3
        alone = np.eye(10)
        single = ((alone @ columns) ** 2).sum(1)
        np.testing.assert_allclose(single, np.diag(covariance) * curve.theta**2, rtol=1e-9)


def test_a_curve_without_errors_has_no_directions() -> None:
    assert directions(np.zeros((4, 4)), np.ones(4)).shape == (4, 0)


def test_the_placement_prior_is_recovered_from_trials() -> None:
    """One impression at the top says nothing of the spread; a Poisson likelihood would not know."""
    rng = np.random.default_rng(0)
    n = 60_000
    theta = 1 / rng.integers(1, 11, n)
    mean = 0.3 * theta**0.5
    gamma = rng.beta(1.2, 1.2 / mean - 1.2)
    shown = rng.integers(1, 6, n)
    clicks = rng.binomial(shown, theta * gamma)
    exposure = shown * theta
    prior = fit_placement_prior(clicks, exposure, placement_of(exposure, shown.astype(float)))
    assert prior.shape == pytest.approx(1.2, rel=0.1)
    assert np.exp(prior.log_mean) == pytest.approx(0.3, rel=0.05)
    assert prior.slope == pytest.approx(0.5, abs=0.06)


def test_placement_says_nothing_where_rankers_are_blind() -> None:
    rng = np.random.default_rng(1)
    theta = 1 / rng.integers(1, 11, 40_000)
    clicks = rng.binomial(4, theta * rng.beta(1, 4, 40_000))
    prior = fit_placement_prior(clicks, 4 * theta, placement_of(4 * theta, np.full(40_000, 4.0)))
    assert abs(prior.slope) < 0.06
    assert prior.means(np.array([0, len(EDGES)])) == pytest.approx([0.2, 0.2], rel=0.5)


def test_a_placement_prior_stays_finite_without_clicks_or_spread() -> None:
    none = fit_placement_prior(np.zeros(5, dtype=np.int64), np.ones(5), np.full(5, 40))
    assert 0 < none.means(np.array([40]))[0] <= 0.5
    rng = np.random.default_rng(0)
    same = fit_placement_prior(rng.binomial(20, 0.1, 500), np.full(500, 20.0), np.full(500, 40))
    assert same.means(np.array([40]))[0] == pytest.approx(0.1, rel=0.1)
    assert same.shape <= 10 * 20 * 0.12


def test_the_query_prior_finds_how_much_queries_differ() -> None:
    rng = np.random.default_rng(2)
    n_queries, n_items = 3_000, 10
    level = rng.gamma(4.0, 1 / 4.0, n_queries)
    query = np.repeat(np.arange(n_queries), n_items)
    mean = 0.1 * level[query]
    gamma = rng.gamma(8 * mean, 1 / 8)
    exposure = rng.uniform(1, 20, len(query))
    clicks = rng.poisson(gamma * exposure).astype(float)
    placement = PlacementPrior(1.0, np.log(0.1), 0.0)
    # Poisson clicks with ρ → 0: no impression is a large share of a look.
    prior = fit_query_prior(
        query, clicks, exposure, np.zeros(len(query)), np.full(len(query), 0.1), placement
    )
    assert prior.query_shape == pytest.approx(4.0, rel=0.15)
    assert prior.rate == pytest.approx(8.0, rel=0.25)


def test_an_unclicked_item_of_a_clicked_query_gets_the_rate_of_its_query() -> None:
    rng = np.random.default_rng(3)
    rows = []
    for q in range(60):
        rate = 0.6 if q < 30 else 0.05
        for i in range(8):
            n = 1 if i == 7 else 30
            rows += [(q, i, 1 + j % 2, int(rng.random() < rate / (1 + j % 2))) for j in range(n)]
    frame = pl.DataFrame(rows, schema=["query", "item", "position", "clicked"], orient="row")
    log, curve = lk.read_log(frame), known_curve([1.0, 0.5])
    new = {}
    for prior in ("placement", "query"):
        table = collected(lk.evidence(log, curve, prior=prior)).filter(pl.col("item") == 7)
        new[prior] = [
            table.filter((pl.col("query") < 30) == rich)["ctr"].mean() for rich in (True, False)
        ]
    assert new["query"][0] > 3 * new["query"][1]
    assert new["query"][0] - new["query"][1] > new["placement"][0] - new["placement"][1] + 0.1


@pytest.mark.parametrize("prior", [GammaPrior(2.0, 9.0), PlacementPrior(2.0, -1.0, 0.3)])
def test_a_fitted_prior_can_be_given(log: InteractionLog, prior: Any) -> None:
    curve = known_curve([1 / k for k in range(1, 11)])
    table = collected(lk.evidence(log, curve, prior=prior))
    if isinstance(prior, GammaPrior):
        mean = 2.0 / 9.0
    else:
        share = (table["exposure"] / table["impressions"]).to_numpy()
        mean = np.exp(-1.0 + 0.3 * MIDDLES[np.searchsorted(EDGES, share, side="right")])
    rate = 2.0 / mean
    expected = (table["clicks"].to_numpy() + 2.0) / (table["exposure"].to_numpy() + rate)
    np.testing.assert_allclose(table["ctr"], np.minimum(expected, 1), rtol=1e-7)


def test_a_query_prior_can_be_given(log: InteractionLog) -> None:
    curve = known_curve([1 / k for k in range(1, 11)])
    prior = QueryPrior(PlacementPrior(2.0, -1.0, 0.3), rate=5.0, query_shape=1e9)
    table = collected(lk.evidence(log, curve, prior=prior))
    share = (table["exposure"] / table["impressions"]).to_numpy()
    mean = np.exp(-1.0 + 0.3 * MIDDLES[np.searchsorted(EDGES, share, side="right")])
    expected = (table["clicks"].to_numpy() + 5 * mean) / (table["exposure"].to_numpy() + 5)
    np.testing.assert_allclose(table["ctr"], np.minimum(expected, 1), rtol=1e-6)


def test_options_that_do_not_exist_are_refused(log: InteractionLog) -> None:
    curve = known_curve([1 / k for k in range(1, 11)])
    with pytest.raises(LogError, match="prior is 'placement', 'global', 'query'"):
        lk.evidence(log, curve, prior="none")  # type: ignore[arg-type]
    with pytest.raises(LogError, match="posterior is 'poisson' or 'bernoulli'"):
        lk.evidence(log, curve, posterior="normal")  # type: ignore[arg-type]
