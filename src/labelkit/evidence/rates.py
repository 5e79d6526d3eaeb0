"""Debiased click rates ``ctr``, ``ctr_low``, ``ctr_high`` from the sums of the examples.

Without a background rate the Gamma–Poisson posterior is an engine expression: quantiles depend on
the clicks alone, so a small table of them is joined, and the rest is + − × ÷ √, which IEEE 754
defines to the last bit: the same rates, and so the same votes, on every engine. With a background
rate, or for Bernoulli clicks, the posterior is integrated in NumPy, on the same whole numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from typing import Any, Literal, TypeAlias

import narwhals as nw
import numpy as np
import numpy.typing as npt

from labelkit.bias import Propensities
from labelkit.engine import collect
from labelkit.errors import LogError
from labelkit.evidence.bernoulli import bernoulli_posterior, slot_counts
from labelkit.evidence.placement import (
    MIDDLES,
    PlacementPrior,
    fit_placement_prior,
    placement_of,
)
from labelkit.evidence.prior import GammaPrior, fit_gamma_prior
from labelkit.evidence.quadrature import Posterior, gamma_posterior, poisson_posterior
from labelkit.evidence.query_prior import QueryPrior, fit_query_prior
from labelkit.evidence.slots import small_table
from labelkit.evidence.sums import ExampleSums
from labelkit.logs import InteractionLog
from labelkit.logs.cells import FIXED_POINT

FloatArray = npt.NDArray[np.float64]
Prior: TypeAlias = "GammaPrior | PlacementPrior | QueryPrior"
PriorChoice: TypeAlias = "Literal['placement', 'global', 'query'] | Prior"
PosteriorName = Literal["poisson", "bernoulli"]


@dataclass(frozen=True)
class Observed:
    """What the priors are fitted to, (n_examples,) each, in the order of a computed table.

    ::

        clicks     whole clicks at known slots
        exposure   E_e
        placement  bin of ρ_e = E_e/n_e
        background B_e; None where slots draw no clicks of their own
    """

    clicks: npt.NDArray[np.int64]
    exposure: FloatArray
    placement: npt.NDArray[np.int64]
    background: FloatArray | None = None

    @classmethod
    def of(cls, sums: ExampleSums) -> Observed:
        # Under a half-life clicks are parts of clicks, and the moments of trials would not hold.
        clicks = sums.array("known_clicks", sums.unit)
        background = sums.array("background_fp") if sums.has_background else None
        exposure = sums.array("exposure_fp")
        placement = placement_of(exposure, sums.array("shown", sums.unit))
        return cls(np.rint(clicks).astype(np.int64), exposure, placement, background)

    @property
    def own_clicks(self) -> FloatArray:
        """Clicks less those of the background, (n_examples,), not below zero."""
        base = 0.0 if self.background is None else self.background
        own: FloatArray = np.rint(np.maximum(self.clicks - base, 0.0))
        return own


def fit_prior(sums: ExampleSums, prior: PriorChoice) -> Prior:
    """The prior that was asked for, fitted to the sums unless it is given.

    Raises
    ------
    LogError
        There is no such prior.
    """
    if isinstance(prior, GammaPrior | PlacementPrior | QueryPrior):
        return prior
    if prior not in ("placement", "global", "query"):
        raise LogError(f"prior is 'placement', 'global', 'query' or a fitted prior, not {prior!r}.")
    seen = Observed.of(sums)
    if prior == "global":
        return fit_gamma_prior(seen.own_clicks, seen.exposure)
    placement = fit_placement_prior(seen.clicks, seen.exposure, seen.placement, seen.background)
    if prior == "placement":
        return placement
    # Sums over a query run in the order of its items, whatever that of the rows.
    table = collect(sums.table).sort("query", "item")
    seen = Observed.of(sums.over(table))
    new = (nw.col("query") != nw.col("query").shift(1)).fill_null(True)
    query = np.cumsum(table.select(new.alias("new"))["new"].to_numpy().astype(bool)) - 1
    return fit_query_prior(
        query,
        seen.own_clicks,
        seen.exposure,
        np.exp(MIDDLES[seen.placement]),
        placement.means(seen.placement),
        placement,
    )


def add_rates(
    log: InteractionLog,
    curve: Propensities,
    sums: ExampleSums,
    *,
    prior: Prior,
    posterior: PosteriorName,
    level: float,
) -> nw.LazyFrame[Any]:
    """The computed sums with ``ctr``, ``ctr_low`` and ``ctr_high``.

    Raises
    ------
    LogError
        The posterior is unknown, or does not go with clicks that count in part.
    """
    if posterior not in ("poisson", "bernoulli"):
        raise LogError(f"posterior is 'poisson' or 'bernoulli', not {posterior!r}.")
    if posterior == "bernoulli" and sums.unit > 1:
        raise LogError(
            "half_life makes clicks count in part, which Bernoulli trials cannot: use "
            "posterior='poisson'."
        )
    table = _with_prior(sums, prior)
    if posterior == "poisson" and not sums.has_background and not isinstance(prior, QueryPrior):
        seen = np.unique(sums.array("known_clicks", 1))
        table = table.join(
            small_table(log, _factors(seen, prior.shape, sums.unit, level)),
            on="known_clicks",
            how="left",
        )
        denominator = nw.col("exposure_fp") / FIXED_POINT + nw.col("prior_rate")
        table = table.with_columns(mean=(sums.clicks + prior.shape) / denominator)
        return _widen(table, sums, _quantile(curve, level))
    # Cells are sorted by example, and so must be what is put beside them.
    sums = sums.over(collect(table).sort("query", "item"))
    a, b = sums.array("prior_shape", 1), sums.array("prior_rate", 1)
    clicks, exposure = sums.array("known_clicks", sums.unit), sums.array("exposure_fp")
    if posterior == "bernoulli":
        b = np.maximum(b - a, 1.0)
        result = bernoulli_posterior(slot_counts(log, curve), curve, a=a, b=b, level=level)
    elif sums.has_background:
        background = sums.array("background_fp")
        result = poisson_posterior(clicks, exposure, background, a=a, b=b, level=level)
    else:
        result = gamma_posterior(clicks, exposure, a=a, b=b, level=level)
    table = _attach(sums.table, result)
    return _widen(table, sums, _quantile(curve, level))


def _factors(
    clicks: FloatArray, shape: float, unit: int, level: float
) -> dict[str, npt.NDArray[Any]]:
    """By number of clicks, the factors from the posterior's mean to its ends, less 1."""
    low, high = GammaPrior(shape, 1.0).quantiles(clicks / unit, level)
    mean = shape + clicks / unit
    return {
        "known_clicks": clicks.astype(np.int64),
        # A quantile may underflow to 0; a factor of 10¹⁵⁰ can still be squared.
        "below": np.minimum(mean / np.maximum(low, 1e-300) - 1, 1e150),
        "above": high / mean - 1,
    }


def _with_prior(sums: ExampleSums, prior: Prior) -> nw.LazyFrame[Any]:
    """The table with ``prior_shape`` a_e and ``prior_rate`` b_e of each example's prior.

    Under a query prior also with ``prior_cv``, the relative error of its mean.
    """
    if isinstance(prior, GammaPrior):
        return sums.table.with_columns(
            prior_shape=nw.lit(prior.shape), prior_rate=nw.lit(prior.rate)
        )
    seen = Observed.of(sums)
    placement = prior.placement if isinstance(prior, QueryPrior) else prior
    table = collect(sums.table)
    means = placement.means(seen.placement)
    column = nw.new_series("prior_mean", means, backend=table.implementation)
    with_mean = table.with_columns(column).lazy()
    if isinstance(prior, PlacementPrior):
        return with_mean.with_columns(
            prior_shape=nw.lit(prior.shape), prior_rate=prior.shape / nw.col("prior_mean")
        )
    exposure = nw.col("exposure_fp") / FIXED_POINT
    worth = prior.rate / (exposure + prior.rate)
    clicks = sums.clicks
    if sums.has_background:
        clicks = clicks - nw.col("background_fp") / FIXED_POINT
        clicks = nw.when(clicks > 0).then(clicks).otherwise(nw.lit(0.0))
    # Whole numbers again, so that a query's sum does not depend on the order of its items.
    terms = with_mean.select(
        "query",
        _fixed(clicks * worth).alias("y"),
        _fixed(exposure * nw.col("prior_mean") * worth).alias("z"),
    )
    by_query = terms.group_by("query").agg(nw.col("y").sum(), nw.col("z").sum())
    z = nw.col("z").cast(nw.Float64) / FIXED_POINT + prior.query_shape
    y = nw.col("y").cast(nw.Float64) / FIXED_POINT + prior.query_shape
    by_query = by_query.select("query", prior_level=y / z, prior_cv=(1 / z).sqrt())
    joined = with_mean.join(by_query, on="query", how="left")
    mean = nw.col("prior_mean") * nw.col("prior_level")
    capped = nw.when(mean > 1).then(nw.lit(1.0)).otherwise(mean)
    return joined.with_columns(prior_shape=capped * prior.rate, prior_rate=nw.lit(prior.rate))


def _attach(table: nw.LazyFrame[Any], result: Posterior) -> nw.LazyFrame[Any]:
    """A posterior beside the examples, as its mean and the factors to its ends."""
    eager = collect(table)
    mean = np.maximum(result.mean, 1e-300)
    columns = {
        "mean": mean,
        "below": np.minimum(mean / np.maximum(result.low, 1e-300) - 1, 1e150),
        "above": result.high / mean - 1,
    }
    series = (nw.new_series(n, v, backend=eager.implementation) for n, v in columns.items())
    return eager.with_columns(*series).lazy()


def _widen(table: nw.LazyFrame[Any], sums: ExampleSums, quantile: float) -> nw.LazyFrame[Any]:
    """Rates from ``mean``, ``below`` and ``above``, with the uncertainty of what they rest on.

    The exposure, and with it log γ, is uncertain by x = q √(Σ_r (Σ_k n_k g_kr)²)/(b + E), and the
    query's prior mean by x' = q cv a/(a + C); e^x − 1 adds to the posterior's own distance in
    squares.
    """
    prior_rate = nw.col("prior_rate")
    denominator = nw.col("exposure_fp") / FIXED_POINT + prior_rate
    errors = [
        nw.col(f"error_{r}_fp") / FIXED_POINT / denominator * quantile for r in range(sums.n_errors)
    ]
    if "prior_cv" in table.collect_schema().names():
        a = nw.col("prior_shape")
        errors.append(nw.col("prior_cv") * a / (a + sums.clicks) * quantile)
    mean, below, above = nw.col("mean"), nw.col("below"), nw.col("above")
    if errors:
        x = reduce(lambda a, b: a + b, (error * error for error in errors)).sqrt()
        table = table.with_columns(x=x)
        x = nw.col("x")
        table = table.with_columns(r=_expm1(x))
        r = nw.col("r")
        below = (below * below + r * r).sqrt()
        # With next to no clicks the mean of the posterior can exceed its upper quantile.
        above = nw.when(above > 0).then((above * above + r * r).sqrt()).otherwise(above + r)
    rates = {"ctr": mean, "ctr_low": mean / (1 + below), "ctr_high": mean * (1 + above)}
    return table.with_columns(
        nw.when(rate > 1).then(nw.lit(1.0)).otherwise(rate).alias(name)
        for name, rate in rates.items()
    )


def _expm1(x: nw.Expr) -> nw.Expr:
    """e^x − 1 by its series: engines agree on products, not on powers, nor on quotients by a
    constant, which Polars turns into products.

    Five terms are right to a thousandth up to x = 1, where nothing is known anyway.
    """
    series: nw.Expr = nw.lit(1.0)
    for n in (5, 4, 3, 2):
        series = 1 + x * (1 / n) * series
    return x * series


def _fixed(value: nw.Expr) -> nw.Expr:
    return (value * FIXED_POINT).round(0).cast(nw.Int64)


def _quantile(curve: Propensities, level: float) -> float:
    from scipy.special import stdtrit

    return float(stdtrit(curve.df, 0.5 + level / 2))
