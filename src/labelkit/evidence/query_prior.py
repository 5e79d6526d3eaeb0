"""A prior per query: an item is shrunk towards what its query's items get, not towards all items.

On top of a placement prior with means m_e: γ_e = m_e u_q x_e with E[u_q] = E[x_e] = 1, Var u_q =
1/α over queries and Var x_e ≈ 1/a within one. With E'_e = m_e E_e clicks expected, the best linear
estimate of u_q is the credibility mean (Bühlmann & Straub 1970)

    u_q = (a Y_q + α) / (a Z_q + α),   Y_q = Σ_e C_e/(E'_e + a),   Z_q = Σ_e E'_e/(E'_e + a)

and its relative variance about 1/(a Z_q + α). A query without clicks of its own stays near 1;
where queries do not differ, α grows without bound and this is the placement prior.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from labelkit.evidence.placement import PlacementPrior

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

# Spreads between which the data choose; beyond, a query is all, or nothing.
LARGEST = 1e4
SMALLEST = 0.2


@dataclass(frozen=True)
class QueryPrior:
    """Hierarchical Gamma prior over attractiveness γ.

    Parameters
    ----------
    placement : prior means by placement
    shape : a, how alike the items of a query are
    query_shape : α, how alike queries are
    """

    placement: PlacementPrior
    shape: float
    query_shape: float


def fit_query_prior(
    query: IntArray, clicks: FloatArray, expected: FloatArray, placement: PlacementPrior
) -> QueryPrior:
    """Spread between queries from the products of clicks on different items of one query.

    Parameters
    ----------
    query : (n,) 0 … Q−1, ascending
    clicks, expected : (n,) C_e and E'_e = m_e E_e

    Notes
    -----
    Given γ, clicks on two items are independent, so E[C_i C_j] = E'_i E'_j (1 + 1/α) for i ≠ j,
    for trials as for Poisson clicks. Items enter as C/(E' + a) and queries with weight
    1/(1 + Z_q)², so that neither a popular item nor a popular query decides.
    """
    a = placement.shape
    y, z = clicks / (expected + a), expected / (expected + a)
    size = int(query.max(initial=-1)) + 1

    def pairs(values: FloatArray) -> FloatArray:
        total = np.bincount(query, values, size).astype(np.float64)
        own = np.bincount(query, values**2, size).astype(np.float64)
        return total**2 - own

    weight = 1 / (1 + np.bincount(query, z, size)) ** 2
    seen, chance = float(weight @ pairs(y)), float(weight @ pairs(z))
    between = seen / chance - 1 if chance > 0 else 0.0
    between = float(np.clip(between, 1 / LARGEST, 1 / SMALLEST))
    # (1 + 1/α)(1 + 1/a') = 1 + 1/a: what is left for the items is less than all.
    within = (1 + 1 / a) / (1 + between) - 1
    shape = min(1 / within, LARGEST) if within > 1 / LARGEST else LARGEST
    return QueryPrior(placement, float(shape), 1 / between)
