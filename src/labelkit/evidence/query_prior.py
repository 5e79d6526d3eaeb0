"""A prior per query: an item is shrunk towards what its query's items get, not towards all items.

On top of a placement prior with means m_e: γ_e | u_q ~ Gamma(s m_e u_q, s) with E[u_q] = 1 and
Var u_q = 1/α over queries. s is what the prior is worth, in examined impressions, for every
example alike: items of a query that is rarely clicked differ more, relative to its mean, than
those of one that is clicked often. The best linear estimate of u_q is the credibility mean
(Bühlmann & Straub 1970)

    u_q = (Y_q + α) / (Z_q + α),   Y_q = Σ_e s C_e/(E_e + s),   Z_q = Σ_e s m_e E_e/(E_e + s)

and its relative variance about 1/(Z_q + α). A query without clicks of its own stays near 1; where
queries do not differ, α grows without bound.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from labelkit.evidence.placement import PlacementPrior

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

# Relative variances between queries among which the data choose.
SPREADS = (1e-4, 5.0)
STRENGTHS = (0.05, 1e4)


@dataclass(frozen=True)
class QueryPrior:
    """Hierarchical Gamma prior over attractiveness γ.

    Parameters
    ----------
    placement : prior means by placement
    rate : s, what the prior is worth, in examined impressions
    query_shape : α, how alike queries are
    """

    placement: PlacementPrior
    rate: float
    query_shape: float


def fit_query_prior(
    query: IntArray,
    clicks: FloatArray,
    exposure: FloatArray,
    rho: FloatArray,
    mean: FloatArray,
    placement: PlacementPrior,
) -> QueryPrior:
    """Spread between queries from products of clicks on different items, within from C(C − 1).

    Parameters
    ----------
    query : (n,) 0 … Q−1, ascending
    clicks, exposure, rho, mean : (n,) C_e, E_e, E_e/n_e and m_e

    Notes
    -----
    Given γ, clicks on two items are independent, so E[C_i C_j] = m_i m_j E_i E_j (1 + 1/α) for
    i ≠ j, for trials as for Poisson clicks; and E[C(C − 1)] = E[γ²](E² − ρE) (see ``placement``),
    where E[γ²] = M + (m − M)/(s + 1) with M = m²(1 + 1/α), γ being a probability. Items enter as
    C/(E m + 1) and queries with weight 1/(1 + Z_q)², so that neither a popular item nor a popular
    query decides.
    """
    size = int(query.max(initial=-1)) + 1
    y, z = clicks / (exposure * mean + 1), exposure * mean / (exposure * mean + 1)

    def pairs(values: FloatArray) -> FloatArray:
        total = np.bincount(query, values, size).astype(np.float64)
        own = np.bincount(query, values**2, size).astype(np.float64)
        return total**2 - own

    weight = 1 / (1 + np.bincount(query, z, size)) ** 2
    chance = float(weight @ pairs(z))
    spread = float(weight @ pairs(y)) / chance - 1 if chance > 0 else 0.0
    spread = float(np.clip(spread, *SPREADS))

    w = 1 / (1 + exposure * mean) ** 2
    n_pairs = w * np.maximum(exposure**2 - rho * exposure, 0.0)
    between = np.minimum(mean**2 * (1 + spread), mean)
    left = float(w @ (clicks * (clicks - 1))) - float(n_pairs @ between)
    most = float(n_pairs @ (mean - between))
    # left/most = 1/(s + 1)
    rate = most / left - 1 if left > 0 and most > 0 else STRENGTHS[1]
    return QueryPrior(placement, float(np.clip(rate, *STRENGTHS)), 1 / spread)
