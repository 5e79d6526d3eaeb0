"""One row per (query, item) with what the log says about it, as one lazy query over the cells."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

import narwhals as nw
import numpy as np
import numpy.typing as npt

from labelkit.bias import DEFAULT_CLIP, PositionBias, Propensities, curve_of, position_weights
from labelkit.engine import NativeFrame, lazy, to_polars_lazy
from labelkit.errors import LogError
from labelkit.evidence.prior import GammaPrior, fit_gamma_prior
from labelkit.logs import InteractionLog
from labelkit.logs.cells import FIXED_POINT
from labelkit.logs.schema import page_columns

if TYPE_CHECKING:
    import polars as pl

FloatArray = npt.NDArray[np.float64]

# Squared weights reach 10⁴ where weights reach 10²; fewer binary places keep their sums in 63 bits.
SQUARE_POINT = 2**20

# column → (what the log must have for it, meaning)
COLUMNS: dict[str, tuple[tuple[str, ...], str]] = {
    "impressions": ((), "times shown, n_e"),
    "clicks": ((), "times clicked, C_e"),
    "exposure": ((), "effective exposure Σ_k θ_k n_ek, in examined impressions"),
    "raw_ctr": ((), "clicks ÷ impressions; not debiased"),
    "ips_ctr": ((), "Σ click·w ÷ impressions, w = 1/θ_k clipped"),
    "ctr": ((), "debiased click rate: posterior mean of γ_e"),
    "ctr_low": ((), "lower end of its 95 % interval, θ's uncertainty included"),
    "ctr_high": ((), "upper end of its 95 % interval, θ's uncertainty included"),
    "ess": ((), "effective sample size of the weights, (Σw)²/Σw²"),
    "dwell_max": (("dwell",), "longest dwell, seconds"),
    "dwell_mean": (("dwell",), "mean known dwell, seconds"),
    "conversions": (("conversion",), "conversions"),
    "skips": (("page|session",), "times shown unclicked above a click on the same page"),
    "users": (("user",), "distinct users who clicked"),
    "sessions": (("session",), "distinct sessions with a click"),
    "first_seen": (("timestamp",), "first impression"),
    "last_seen": (("timestamp",), "last impression"),
}


def available(log: InteractionLog) -> tuple[str, ...]:
    """The evidence columns that this log can carry, in order."""
    return tuple(name for name in COLUMNS if not _lacking(name, log))


def evidence(
    log: InteractionLog,
    bias: PositionBias | Propensities,
    *,
    columns: Collection[str] | None = None,
    clip: float = DEFAULT_CLIP,
    level: float = 0.95,
) -> NativeFrame:
    """One row per (query, item) with what the log says about it.

    Parameters
    ----------
    log : as read by ``read_log``
    bias : fitted position bias
    columns : evidence columns to compute; default all that the log can carry. ``users``,
        ``sessions`` and ``skips`` need a second pass over the log, which is saved without them
    clip : largest inverse propensity weight in ``ips_ctr`` and ``ess``
    level : of ``ctr_low`` and ``ctr_high``

    Returns
    -------
    A frame of the log's engine (lazy where the engine is): ``query``, ``item``, then ``columns``.
    Join your item and query tables to it.

    Raises
    ------
    LogError
        A column is unknown, or the log lacks what it is made from.

    Notes
    -----
    ``ctr_low`` = ctr/(1 + √(d² + r²)) and ``ctr_high`` = ctr·(1 + √(u² + r²)), where 1 + d and
    1 + u are the factors between the posterior mean and its quantiles, and r is the relative
    uncertainty of the exposure, Σ_k n_ek (θ_k,high − θ_k)/(b + E_e), which takes the errors of all
    positions as one and so bounds it from above. Impressions at positions without a propensity
    count in ``impressions``, ``clicks`` and ``raw_ctr`` only.
    """
    curve = curve_of(bias)
    wanted = tuple(COLUMNS) if columns is None else tuple(columns)
    for name in wanted:
        if name not in COLUMNS:
            near = get_close_matches(name, COLUMNS, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise LogError(f"Unknown evidence column {name!r}.{hint} Known: {', '.join(COLUMNS)}.")
        lacking = _lacking(name, log)
        if lacking and columns is not None:
            raise LogError(
                f"Evidence column {name!r} is made from {lacking}, which the log does not have. "
                f"Map it in columns, or do without {name!r}."
            )
    wanted = tuple(name for name in COLUMNS if name in wanted and not _lacking(name, log))

    table = _from_cells(log, curve, clip).with_columns(_ratios())
    if {"ctr", "ctr_low", "ctr_high"} & set(wanted):
        table = _add_rates(table, log, curve, level)
    if "dwell_mean" in wanted:
        table = table.with_columns(dwell_mean=nw.col("dwell_ms") / nw.col("dwell_n") / 1000)
    if distinct := [name for name in ("users", "sessions") if name in wanted]:
        table = _add_distinct(table, log, distinct)
    if times := [name for name in ("first_seen", "last_seen") if name in wanted]:
        table = _add_times(table, log, times)
    if "skips" in wanted:
        table = _add_skips(table, log)
    native: NativeFrame = table.select("query", "item", *wanted).to_native()
    return native


def _lacking(name: str, log: InteractionLog) -> str:
    for need in COLUMNS[name][0]:
        if not set(need.split("|")) & set(log.columns):
            return need.replace("|", " or ")
    return ""


def _small_table(log: InteractionLog, columns: dict[str, Any]) -> nw.LazyFrame[Any]:
    """A few rows to join, in the engine of the cells."""
    return nw.from_dict(columns, backend=log.cells.implementation).lazy()


def _from_cells(log: InteractionLog, curve: Propensities, clip: float) -> nw.LazyFrame[Any]:
    theta = np.nan_to_num(curve.theta, nan=0.0)
    spread = np.where(theta > 0, np.nan_to_num(curve.high) - theta, 0.0)
    weight = position_weights(curve, clip)
    by_position = {
        "position": curve.positions,
        "known": (theta > 0).astype(np.int64),
        "theta_fp": np.rint(theta * FIXED_POINT).astype(np.int64),
        "spread_fp": np.rint(spread * FIXED_POINT).astype(np.int64),
        "weight_fp": np.rint(weight * FIXED_POINT).astype(np.int64),
        "square_fp": np.rint(weight**2 * SQUARE_POINT).astype(np.int64),
    }
    n, c = nw.col("impressions"), nw.col("clicks")
    products = {
        "known_clicks": c * nw.col("known"),
        "exposure_fp": n * nw.col("theta_fp"),
        "spread_fp": n * nw.col("spread_fp"),
        "ips_fp": c * nw.col("weight_fp"),
        "w_fp": n * nw.col("weight_fp"),
        "ww_fp": n * nw.col("square_fp"),
    }
    if curve.per_impression:
        products["exposure_fp"] = nw.col("propensity_fp")
        products["ips_fp"] = nw.col("ips_clicks_fp")
    cells = log.cells.lazy().join(_small_table(log, by_position), on="position", how="left")
    sums = ["impressions", "clicks", *products]
    aggregates = [nw.col(name).sum() for name in sums]
    have = set(log.cells.columns)
    aggregates += [nw.col(n).sum() for n in ("dwell_ms", "dwell_n", "conversions") if n in have]
    aggregates += [nw.col(name).max() for name in ("dwell_max",) if name in have]
    return cells.with_columns(**products).group_by("query", "item").agg(*aggregates).lazy()


def _ratios() -> list[nw.Expr]:
    w = nw.col("w_fp") / FIXED_POINT
    ww = nw.col("ww_fp") / SQUARE_POINT
    return [
        (nw.col("exposure_fp") / FIXED_POINT).alias("exposure"),
        (nw.col("clicks") / nw.col("impressions")).alias("raw_ctr"),
        (nw.col("ips_fp") / FIXED_POINT / nw.col("impressions")).alias("ips_ctr"),
        nw.when(nw.col("ww_fp") > 0).then(w * w / ww).otherwise(nw.lit(0.0)).alias("ess"),
    ]


def example_sums(log: InteractionLog, curve: Propensities) -> tuple[FloatArray, FloatArray]:
    """Clicks C_e and exposure E_e per example, each (n_examples,), where θ is known."""
    counts = log.counts
    theta = np.nan_to_num(curve.theta, nan=0.0)[np.searchsorted(curve.positions, counts.position)]
    size = counts.n_examples
    clicks = np.bincount(counts.example, counts.clicks * (theta > 0), size).astype(np.float64)
    if curve.per_impression:
        shown = log.cells["propensity_fp"].to_numpy() / FIXED_POINT
    else:
        shown = counts.impressions * theta
    return clicks, np.bincount(counts.example, shown, size).astype(np.float64)


def gamma_prior(log: InteractionLog, curve: Propensities) -> GammaPrior:
    """The empirical-Bayes prior of a log's debiased click rates."""
    return fit_gamma_prior(*example_sums(log, curve))


def _add_rates(
    table: nw.LazyFrame[Any], log: InteractionLog, curve: Propensities, level: float
) -> nw.LazyFrame[Any]:
    clicks, exposure = example_sums(log, curve)
    prior = fit_gamma_prior(clicks, exposure)
    seen = np.unique(clicks)
    low, high = prior.quantiles(seen, level)
    shape = prior.shape + seen
    by_clicks = {
        "known_clicks": seen.astype(np.int64),
        # A quantile may underflow to 0; a factor of 10¹⁵⁰ can still be squared.
        "below": np.minimum(shape / np.maximum(low, 1e-300) - 1, 1e150),
        "above": high / shape - 1,
    }
    # Only +, −, ×, ÷ and √ from here on, which IEEE 754 defines to the last bit: the same rates,
    # and so the same votes, on every engine.
    denominator = nw.col("exposure") + prior.rate
    ctr = (nw.col("known_clicks") + prior.shape) / denominator
    r = nw.col("spread_fp") / FIXED_POINT / denominator
    below = (nw.col("below") * nw.col("below") + r * r).sqrt()
    above = (nw.col("above") * nw.col("above") + r * r).sqrt()
    # With next to no clicks the mean of the posterior can exceed its upper quantile.
    above = nw.when(nw.col("above") > 0).then(above).otherwise(nw.col("above") + r)
    rates = {"ctr": ctr, "ctr_low": ctr / (1 + below), "ctr_high": ctr * (1 + above)}
    joined = table.join(_small_table(log, by_clicks), on="known_clicks", how="left")
    return joined.with_columns(
        nw.when(rate > 1).then(nw.lit(1.0)).otherwise(rate).alias(name)
        for name, rate in rates.items()
    )


def _add_distinct(
    table: nw.LazyFrame[Any], log: InteractionLog, names: Sequence[str]
) -> nw.LazyFrame[Any]:
    source = {"users": "user", "sessions": "session"}
    clicked = log.frame.filter(nw.col("clicked") == 1).select(
        "query", "item", *(nw.col(source[name]).alias(name) for name in names)
    )
    counted = clicked.group_by("query", "item").agg(*(nw.col(name).n_unique() for name in names))
    return _join(table, counted, log).with_columns(nw.col(*names).fill_null(0).cast(nw.Int64))


def _add_times(
    table: nw.LazyFrame[Any], log: InteractionLog, names: Sequence[str]
) -> nw.LazyFrame[Any]:
    time = nw.col("timestamp")
    either = {"first_seen": nw.col("first_seen").min(), "last_seen": nw.col("last_seen").max()}
    seen = log.frame.select("query", "item", *(time.alias(name) for name in names))
    return _join(table, seen.group_by("query", "item").agg(*(either[n] for n in names)), log)


def _add_skips(table: nw.LazyFrame[Any], log: InteractionLog) -> nw.LazyFrame[Any]:
    """Skip-above (Joachims 2002): shown unclicked above the lowest click of the same page."""
    by = list(page_columns(log.columns))
    if log.in_page_order and log.frame.implementation.is_polars():
        skipped = _skips_by_order(to_polars_lazy(log.frame), by)
    else:
        skipped = _skips_by_join(log.frame, by)
    counted = skipped.group_by("query", "item").agg(nw.len().alias("skips"))
    return _join(table, counted, log).with_columns(nw.col("skips").fill_null(0).cast(nw.Int64))


def _skips_by_order(rows: pl.LazyFrame, by: list[str]) -> nw.LazyFrame[Any]:
    """Skipped impressions of a log written page by page: the next click below is of their page.

    A scan from the end carries the last click seen; no page is grouped or joined, which takes a
    fifth of the time.
    """
    import polars as pl

    clicked = pl.col("clicked") == 1
    next_click = [pl.when(clicked).then(pl.col(name)).fill_null(strategy="backward") for name in by]
    same = pl.all_horizontal(
        pl.col(name) == click for name, click in zip(by, next_click, strict=True)
    )
    return lazy(rows.filter(~clicked & same).select("query", "item"))


def _skips_by_join(frame: nw.LazyFrame[Any], by: list[str]) -> nw.LazyFrame[Any]:
    """Skipped impressions of a log in any order."""
    clicks = frame.filter(nw.col("clicked") == 1)
    lowest = clicks.group_by(*by).agg(nw.col("position").max().alias("lowest"))
    unclicked = frame.filter(nw.col("clicked") == 0).select(*by, "item", "position")
    return unclicked.join(lowest, on=by, how="inner").filter(nw.col("position") < nw.col("lowest"))


def _join(
    table: nw.LazyFrame[Any], counted: nw.LazyFrame[Any], log: InteractionLog
) -> nw.LazyFrame[Any]:
    if counted.implementation != table.implementation:
        # The log stays in its engine; what comes back is one row per example.
        counted = counted.collect(log.cells.implementation).lazy()
    return table.join(counted, on=["query", "item"], how="left")
