"""How sure is a curve? Clustered by query, since clicks on one query's items hang together."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from labelkit.bias.poisson import ClickedCells, score_and_information, smoothing_matrix

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


def bootstrap_covariance(
    estimate: Callable[[FloatArray], FloatArray],
    *,
    n_clusters: int,
    n_bootstrap: int,
    seed: int,
) -> FloatArray:
    """Covariance (K, K) of an estimator over bootstrap samples of clusters.

    Parameters
    ----------
    estimate : from cluster weights (n_clusters,), how often each was drawn, to log θ (K,)
    """
    rng = np.random.default_rng(seed)
    even = np.full(n_clusters, 1 / n_clusters)
    draws = np.array(
        [estimate(rng.multinomial(n_clusters, even).astype(np.float64)) for _ in range(n_bootstrap)]
    )
    return np.atleast_2d(np.cov(draws, rowvar=False))


def effective_df(clicks: FloatArray) -> float:
    """Degrees of freedom of clustered intervals: (Σ C_g)²/Σ C_g² − 1, at least 1.

    Under Zipf-like traffic a few queries hold most clicks, and the number of queries would
    promise far more independent evidence than there is (Carter, Schnepel & Steigerwald 2017).
    """
    square = float(clicks @ clicks)
    return max(float(clicks.sum()) ** 2 / square - 1, 1.0) if square else 1.0


def sandwich_covariance(
    beta: FloatArray,
    cells: ClickedCells,
    *,
    cluster: IntArray,
    smoothing: float,
    reference: int,
) -> FloatArray:
    """Clustered sandwich covariance (K, K) of log θ for the Poisson model.

    V = H⁻¹ (Σ_g U_g U_gᵀ) H⁻¹ · G/(G−1), with U_g the score of cluster g and H the penalised
    information (Liang & Zeger 1986). It is what a bootstrap of clusters tends to, less its noise.

    Parameters
    ----------
    cluster : (E,) cluster of each example, 0 … G-1
    """
    size = len(beta)
    shown = cells.n * np.exp(beta)[cells.index]
    share = shown / cells.sum_by_example(shown)[cells.segment]
    residual = cells.clicks - share * cells.totals[cells.segment]
    n_clusters = int(cluster.max(initial=0)) + 1
    slot = cluster[cells.segment] * size + cells.index
    scores = np.bincount(slot, residual, n_clusters * size).reshape(n_clusters, size)
    _, information = score_and_information(beta, cells)
    curvature = information + smoothing_matrix(cells.positions, smoothing)
    free = np.arange(size) != reference
    inverse = np.zeros((size, size))
    inverse[np.ix_(free, free)] = np.linalg.inv(
        curvature[np.ix_(free, free)] + 1e-9 * np.eye(int(free.sum()))
    )
    meat = scores.T @ scores * (n_clusters / max(n_clusters - 1, 1))
    return inverse @ meat @ inverse
