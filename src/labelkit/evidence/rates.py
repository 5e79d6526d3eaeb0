"""Debiased click rates ``ctr``, ``ctr_low``, ``ctr_high`` from the sums of the examples.

Without a background rate the Gamma–Poisson posterior is an engine expression: quantiles depend on
the clicks alone, so a small table of them is joined, and the rest is + − × ÷ √, which IEEE 754
defines to the last bit: the same rates, and so the same votes, on every engine. With a background
rate, or for Bernoulli clicks, the posterior is integrated in NumPy, on the same whole numbers.
"""

from __future__ import annotations

from functools import reduce
from typing import Any, Literal, TypeAlias

import narwhals as nw
import numpy as np
import numpy.typing as npt

from labelkit.bias import Propensities
from labelkit.engine import collect
from labelkit.errors import LogError
from labelkit.evidence.bernoulli import BetaPrior, bernoulli_posterior, fit_beta_prior, slot_counts
from labelkit.evidence.prior import GammaPrior, fit_gamma_prior
from labelkit.evidence.quadrature import Posterior, poisson_posterior
from labelkit.evidence.query_prior import QueryPrior, fit_query_prior
from labelkit.evidence.slots import small_table
from labelkit.evidence.sums import ExampleSums
from labelkit.logs import InteractionLog
from labelkit.logs.cells import FIXED_POINT

FloatArray = npt.NDArray[np.float64]
PriorChoice: TypeAlias = "Literal['global', 'query'] | GammaPrior | QueryPrior | BetaPrior"
PosteriorName = Literal["poisson", "bernoulli"]


def fit_prior(
    log: InteractionLog,
    curve: Propensities,
    sums: ExampleSums,
    prior: PriorChoice,
    posterior: PosteriorName,
) -> GammaPrior | QueryPrior | BetaPrior:
    """The prior that was asked for, fitted to the sums unless it is given.

    Raises
    ------
    LogError
        The choice is unknown, or does not go with the posterior.
    """
    if posterior not in ("poisson", "bernoulli"):
        raise LogError(f"posterior is 'poisson' or 'bernoulli', not {posterior!r}.")
    if not isinstance(prior, str):
        wanted = BetaPrior if posterior == "bernoulli" else GammaPrior | QueryPrior
        if not isinstance(prior, wanted):
            raise LogError(
                f"A {type(prior).__name__} does not go with posterior={posterior!r}: Poisson takes "
                "a GammaPrior or QueryPrior, Bernoulli a BetaPrior."
            )
        return prior
    if prior not in ("global", "query"):
        raise LogError(f"prior is 'global', 'query' or a fitted prior, not {prior!r}.")
    if posterior == "bernoulli":
        if prior == "query":
            raise LogError("prior='query' goes with posterior='poisson'; use prior='global'.")
        if sums.unit > 1:
            raise LogError(
                "half_life makes clicks count in part, which Bernoulli trials cannot: use "
                "posterior='poisson'."
            )
        return fit_beta_prior(slot_counts(log, curve), curve)
    fitted = global_prior(sums)
    return fitted if prior == "global" else fit_query_prior(sums, fitted)


def global_prior(sums: ExampleSums) -> GammaPrior:
    """One Gamma prior for all examples, by marginal likelihood (Robbins 1956)."""
    clicks, exposure = sums.array("known_clicks", sums.unit), sums.array("exposure_fp")
    if "background_fp" in sums.table.collect_schema().names():
        # Clicks that owe nothing to the example are no news of the rates' spread; a negative
        # number of clicks would be none at all.
        clicks = np.rint(np.maximum(clicks - sums.array("background_fp"), 0))
    return fit_gamma_prior(clicks, exposure)


def add_rates(
    log: InteractionLog,
    curve: Propensities,
    sums: ExampleSums,
    *,
    prior: GammaPrior | QueryPrior | BetaPrior,
    level: float,
) -> nw.LazyFrame[Any]:
    """The computed sums with ``ctr``, ``ctr_low`` and ``ctr_high``."""
    table = sums.table
    if isinstance(prior, QueryPrior):
        table = prior.join_to(table, sums)
    quantile = _quantile(curve, level)
    if isinstance(prior, BetaPrior):
        # Cells are sorted by example, and so must be what is put beside them.
        table = collect(table).sort("query", "item").lazy()
        result = bernoulli_posterior(slot_counts(log, curve), curve, prior, level=level)
        rate: nw.Expr = nw.lit(prior.a + prior.b)
        return _widen(_attach(table, result), sums, rate, quantile)
    rate = nw.col("prior_rate") if isinstance(prior, QueryPrior) else nw.lit(prior.rate)
    if curve.has_background:
        rates = (
            collect(table.select("prior_rate"))["prior_rate"].to_numpy()
            if isinstance(prior, QueryPrior)
            else np.full(1, prior.rate)
        )
        result = poisson_posterior(
            sums.array("known_clicks", sums.unit),
            sums.array("exposure_fp"),
            sums.array("background_fp"),
            shape=prior.shape,
            rate=rates,
            level=level,
        )
        return _widen(_attach(table, result), sums, rate, quantile)
    counts = collect(table.select("known_clicks"))["known_clicks"].to_numpy()
    seen = np.unique(counts)
    clicks = seen / sums.unit
    low, high = GammaPrior(prior.shape, 1.0).quantiles(clicks, level)
    shape = prior.shape + clicks
    by_clicks = {
        "known_clicks": seen.astype(np.int64),
        # A quantile may underflow to 0; a factor of 10¹⁵⁰ can still be squared.
        "below": np.minimum(shape / np.maximum(low, 1e-300) - 1, 1e150),
        "above": high / shape - 1,
    }
    table = table.join(small_table(log, by_clicks), on="known_clicks", how="left")
    mean = (sums.clicks + prior.shape) / (nw.col("exposure_fp") / FIXED_POINT + rate)
    return _widen(table.with_columns(mean=mean), sums, rate, quantile)


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


def _widen(
    table: nw.LazyFrame[Any], sums: ExampleSums, rate: nw.Expr, quantile: float
) -> nw.LazyFrame[Any]:
    """Rates from ``mean``, ``below`` and ``above``, with the uncertainty of what they rest on.

    The exposure, and with it log γ, is uncertain by x = q √(Σ_r (Σ_k n_k g_kr)²)/(b + E), and the
    query's prior mean by x' = q cv b/(b + E); e^x − 1 adds to the posterior's own distance in
    squares.
    """
    denominator = nw.col("exposure_fp") / FIXED_POINT + rate
    errors = [
        nw.col(f"error_{r}_fp") / FIXED_POINT / denominator * quantile for r in range(sums.n_errors)
    ]
    if "prior_cv" in table.collect_schema().names():
        errors.append(nw.col("prior_cv") * rate / denominator * quantile)
    columns: dict[str, nw.Expr] = {"ctr": nw.col("mean")}
    if errors:
        x = reduce(lambda a, b: a + b, (error * error for error in errors)).sqrt()
        # e^x − 1 by its series: engines agree on products, not on powers. Four terms are right
        # to a thousandth up to x = 1, where nothing is known anyway.
        r = x * (1 + x / 2 * (1 + x / 3 * (1 + x / 4 * (1 + x / 5))))
        table = table.with_columns(r.alias("__r__"))
    else:
        table = table.with_columns(nw.lit(0.0).alias("__r__"))
    r = nw.col("__r__")
    below = (nw.col("below") * nw.col("below") + r * r).sqrt()
    above = (nw.col("above") * nw.col("above") + r * r).sqrt()
    # With next to no clicks the mean of the posterior can exceed its upper quantile.
    above = nw.when(nw.col("above") > 0).then(above).otherwise(nw.col("above") + r)
    columns["ctr_low"] = nw.col("mean") / (1 + below)
    columns["ctr_high"] = nw.col("mean") * (1 + above)
    return table.with_columns(
        nw.when(rate > 1).then(nw.lit(1.0)).otherwise(rate).alias(name)
        for name, rate in columns.items()
    )


def _quantile(curve: Propensities, level: float) -> float:
    from scipy.special import stdtrit

    return float(stdtrit(curve.df, 0.5 + level / 2))
