"""A prior per query: an item is shrunk towards what its query's items get, not towards all items.

γ_e | m_q ~ Gamma(a, a/m_q) within a query, and m_q ~ Gamma(α, α/μ) over queries. With b = a/μ the
best linear estimate of m_q is the credibility mean (Bühlmann & Straub 1970)

    m_q = (a Y_q + α μ) / (a Z_q + α),   Y_q = Σ_e C_e/(E_e + b),   Z_q = Σ_e E_e/(E_e + b)

and its relative variance about 1/(a Z_q + α). A query without clicks of its own gets the overall
mean; where queries do not differ, α grows without bound and this is the global prior.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import narwhals as nw
import numpy as np
import numpy.typing as npt

from labelkit.engine import collect
from labelkit.evidence.prior import GammaPrior
from labelkit.logs.cells import FIXED_POINT

if TYPE_CHECKING:
    from labelkit.evidence.sums import ExampleSums

FloatArray = npt.NDArray[np.float64]

# Examples behind the fit: whole queries, evenly spaced. Two shapes and a mean need no more.
MOST_EXAMPLES = 40_000
NODES = 96
LARGEST = 1e4


@dataclass(frozen=True)
class QueryPrior:
    """Hierarchical Gamma prior over attractiveness γ.

    Parameters
    ----------
    mean : μ, mean rate over queries, in clicks per examined impression
    shape : a, how alike the items of a query are
    query_shape : α, how alike queries are
    """

    mean: float
    shape: float
    query_shape: float

    def join_to(self, table: nw.LazyFrame[Any], sums: ExampleSums) -> nw.LazyFrame[Any]:
        """``table`` with ``prior_rate`` = a/m_q and ``prior_cv``, the relative error of m_q."""
        b = self.shape / self.mean
        exposure = nw.col("exposure_fp") / FIXED_POINT
        clicks = sums.clicks
        if "background_fp" in table.collect_schema().names():
            clicks = clicks - nw.col("background_fp") / FIXED_POINT
            clicks = nw.when(clicks > 0).then(clicks).otherwise(nw.lit(0.0))
        # Whole numbers again, so that a query's sum does not depend on the order of its items.
        terms = table.select(
            "query",
            _fixed(clicks / (exposure + b)).alias("y"),
            _fixed(exposure / (exposure + b)).alias("z"),
        )
        by_query = terms.group_by("query").agg(nw.col("y").sum(), nw.col("z").sum())
        z = nw.col("z").cast(nw.Float64) / FIXED_POINT * self.shape + self.query_shape
        y = nw.col("y").cast(nw.Float64) / FIXED_POINT * self.shape
        mean = (y + self.query_shape * self.mean) / z
        columns = by_query.select("query", prior_rate=self.shape / mean, prior_cv=(1 / z).sqrt())
        return table.join(columns, on="query", how="left")


def _fixed(value: nw.Expr) -> nw.Expr:
    return (value * FIXED_POINT).round(0).cast(nw.Int64)


def fit_query_prior(sums: ExampleSums, prior: GammaPrior) -> QueryPrior:
    """Maximum marginal likelihood of (μ, a, α), the query means integrated out on a grid.

    Parameters
    ----------
    prior : the global prior of the same examples, where the search starts

    Notes
    -----
    Given m_q, an example's clicks are negative binomial; only queries with two items or more
    tell the spread within queries from that between them.
    """
    from scipy.optimize import minimize, minimize_scalar
    from scipy.special import gammaln

    columns = ["query", "item", "known_clicks", "exposure_fp"]
    has_background = "background_fp" in sums.table.collect_schema().names()
    table = collect(sums.table.select(columns + ["background_fp"] * has_background))
    table = table.sort("query", "item")
    clicks = table["known_clicks"].to_numpy() / sums.unit
    exposure = table["exposure_fp"].to_numpy() / FIXED_POINT
    if has_background:
        clicks = np.rint(np.maximum(clicks - table["background_fp"].to_numpy() / FIXED_POINT, 0))
    new = (nw.col("query") != nw.col("query").shift(1)).fill_null(True)
    query = np.cumsum(table.select(new.alias("new"))["new"].to_numpy().astype(bool)) - 1
    stride = -(-len(query) // MOST_EXAMPLES)
    keep = (query % stride == 0) & (exposure > 0)
    clicks, exposure, query = clicks[keep], exposure[keep], query[keep]
    starts = np.flatnonzero(np.append(True, query[1:] != query[:-1]))

    overall = prior.mean
    means = overall * np.exp(np.linspace(-6.0, 4.0, NODES))
    step = 10.0 / (NODES - 1)
    log_means = np.log(means)

    def by_query(a: float) -> FloatArray:
        """Log likelihood of each query at each mean, (Q, NODES)."""
        rates = a / means
        terms = (
            a * np.log(rates / (rates + exposure[:, None]))
            - clicks[:, None] * np.log(rates + exposure[:, None])
            + (gammaln(a + clicks) - gammaln(a))[:, None]
        )
        total: FloatArray = np.add.reduceat(terms, starts, axis=0)
        return total

    found: dict[float, FloatArray] = {}

    def outer(log_a: float) -> float:
        table = by_query(float(np.exp(log_a)))
        top = table.max(1, keepdims=True)
        likelihood = np.exp(table - top)

        def negative(x: FloatArray) -> float:
            alpha, mean = np.exp(x[0]), overall * np.exp(x[1])
            density = alpha * (log_means - np.log(mean)) - alpha * means / mean
            weight = np.exp(density - density.max())
            marginal = likelihood @ (weight / (weight.sum() * step)) * step
            return -float(np.log(np.maximum(marginal, 1e-300)).sum()) / len(starts)

        # A spread narrower than the grid's step is none that the grid can see.
        bounds = [(-3.0, _largest_shape(step)), (-2.0, 2.0)]
        best = minimize(negative, np.array([1.0, 0.0]), method="L-BFGS-B", bounds=bounds)
        found[log_a] = best.x
        return float(best.fun) - float(top.sum()) / len(starts)

    start = np.log(prior.shape)
    best = minimize_scalar(
        outer, bounds=(start - 2.0, start + 4.0), method="bounded", options={"xatol": 0.02}
    )
    alpha, mean = found[best.x]
    if alpha >= _largest_shape(step) - 1e-3:
        # Queries do not differ as far as the log can tell: the global prior.
        return QueryPrior(prior.mean, prior.shape, LARGEST)
    return QueryPrior(overall * float(np.exp(mean)), float(np.exp(best.x)), float(np.exp(alpha)))


def _largest_shape(step: float) -> float:
    """Log of the largest query shape that a grid of this step can tell from infinity."""
    return float(np.log(0.5 / step**2))
