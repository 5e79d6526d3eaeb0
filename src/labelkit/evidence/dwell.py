"""Long stays and bounces by the query's own measure.

Ten seconds on a page that answers "weather" are a success, and on a treatise a bounce. So dwell is
held against quantiles of the same query, and those of a query with few stays are drawn towards
those of all: the quantile is that of the mixture (n_q F_q + κ F)/(n_q + κ), the posterior mean of
the query's distribution under a Dirichlet process with strength κ around that of all queries
(Ferguson 1973). κ comes from how much queries differ in the share of stays above the quantile of
all (Beta–Binomial maximum likelihood).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import narwhals as nw
import numpy as np
import numpy.typing as npt

from labelkit.engine import collect
from labelkit.errors import LogError
from labelkit.evidence.people import join_counts, join_examples
from labelkit.logs import InteractionLog

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

# Where nothing is said: the lower and the upper quarter of a query's stays, and its median.
BOUNCE, MEDIAN, LONG = 0.25, 0.5, 0.75
STRENGTHS = (0.1, 1e4)


def add_dwell_by_query(
    table: nw.LazyFrame[Any],
    log: InteractionLog,
    names: Sequence[str],
    *,
    bounce: float = BOUNCE,
    long: float = LONG,
) -> nw.LazyFrame[Any]:
    """``dwell_ratio``, ``long_dwells`` and ``bounces``.

    Parameters
    ----------
    bounce, long : quantiles of a query's stays at or below which a click bounced, and above which
        it was a long one

    Notes
    -----
    Every stay is held against its own query. A unit that gathers several queries has the ratio of
    its mean stay to the mean of their medians, each counted as often as there were stays.
    """
    if not 0 < bounce < long < 1:
        raise LogError(f"dwell quantiles are 0 < bounce < long < 1; got {bounce} and {long}.")
    dwell = nw.col("dwell").cast(nw.Float64)
    # A gap would make pandas hold whole numbers as floats; it is filtered before the cast.
    asked = log.query_column
    example = dict.fromkeys([asked, *log.keys])
    stays = (
        log.frame.filter((nw.col("clicked") == 1) & ~nw.col("dwell").is_null())
        .select(*example, (dwell * 1000).round(0).cast(nw.Int64).alias("dwell_ms"))
    )  # fmt: skip
    grouped = stays.group_by(*example, "dwell_ms").agg(nw.len().alias("n"))
    counted = collect(grouped)
    if counted.implementation != log.cells.implementation:
        counted = collect(counted.lazy().collect(log.cells.implementation))
    counted = counted.sort(*dict.fromkeys([asked, "dwell_ms", *log.keys]))
    new = (nw.col(asked) != nw.col(asked).shift(1)).fill_null(True)
    query = np.cumsum(counted.select(new.alias("q"))["q"].to_numpy().astype(bool)) - 1
    ms = counted["dwell_ms"].to_numpy().astype(np.int64)
    n = counted["n"].to_numpy().astype(np.int64)
    cut = {level: query_quantiles(query, ms, n, level) for level in (bounce, MEDIAN, long)}
    flags = {
        "long_dwells": n * (ms > cut[long][query]),
        "bounces": n * (ms <= cut[bounce][query]),
    }
    series = [nw.new_series(k, v, backend=counted.implementation) for k, v in flags.items()]
    median = nw.new_series("medians", cut[MEDIAN][query] * n, backend=counted.implementation)
    total = nw.new_series("total", ms * n, backend=counted.implementation)
    by_example = (
        counted.with_columns(*series, median, total)
        .group_by("query", "item")
        .agg(
            nw.col("long_dwells").sum(),
            nw.col("bounces").sum(),
            nw.col("total").sum(),
            nw.col("n").sum(),
            nw.col("medians").sum(),
        )
        # A query whose median stay is under a millisecond has no scale to hold stays against.
        .with_columns(
            dwell_ratio=nw.when(nw.col("medians") > 0).then(
                nw.col("total") / nw.col("n") / (nw.col("medians") / nw.col("n"))
            )
        )
    )
    kept = by_example.select("query", "item", *names).lazy()
    counts = [name for name in names if name != "dwell_ratio"]
    if not counts:
        return join_examples(table, kept, log)
    return join_counts(table, kept, log, counts)


def query_quantiles(query: IntArray, value: IntArray, n: IntArray, level: float) -> IntArray:
    """The quantile of each query's values, drawn towards that of all, (n_queries,).

    Parameters
    ----------
    query, value, n : (m,) query 0 … Q−1, value ≥ 0 and how often it occurs; sorted by query, value
    level : of the quantile, in (0, 1)

    Returns
    -------
    The least value t at which (n_q F_q(t) + κ F(t))/(n_q + κ) reaches ``level``.
    """
    if not len(query):
        return np.zeros(0, dtype=np.int64)
    values, where = np.unique(value, return_inverse=True)
    overall = np.cumsum(np.bincount(where, n)) / n.sum()
    size = np.bincount(query, n)
    strength = _strength(query, where, n, overall, level)
    before = np.concatenate([[0], np.cumsum(n)])
    starts = np.searchsorted(query, np.arange(len(size)))
    # One sorted key for all queries, in which every query's values are looked up at once.
    key = query * len(values) + where
    low: IntArray = np.zeros(len(size), dtype=np.int64)
    high: IntArray = np.full(len(size), len(values) - 1, dtype=np.int64)
    while np.any(low < high):
        middle = (low + high) // 2
        upto = np.searchsorted(key, np.arange(len(size)) * len(values) + middle, side="right")
        own = before[upto] - before[starts]
        reached = own + strength * overall[middle] >= level * (size + strength) * (1 - 1e-12)
        high = np.where(reached, middle, high)
        low = np.where(reached, low, middle + 1)
    found: IntArray = values[low].astype(np.int64)
    return found


def _strength(
    query: IntArray, where: IntArray, n: IntArray, overall: FloatArray, level: float
) -> float:
    """κ by maximum likelihood: shares above the overall quantile are Beta–Binomial over queries."""
    from scipy.optimize import minimize_scalar
    from scipy.special import betaln

    cut = int(np.searchsorted(overall, level * (1 - 1e-12)))
    above = np.bincount(query, n * (where > cut))
    size = np.bincount(query, n)
    mean = float(above.sum() / size.sum())
    if not 0 < mean < 1:
        return STRENGTHS[1]

    def negative(log_kappa: float) -> float:
        a, b = mean * np.exp(log_kappa), (1 - mean) * np.exp(log_kappa)
        return -float(np.sum(betaln(a + above, b + size - above) - betaln(a, b)))

    low, high = (float(np.log(s)) for s in STRENGTHS)
    return float(np.exp(minimize_scalar(negative, bounds=(low, high), method="bounded").x))
