"""A test that knows that clicks come in clusters: scores, flipped by the cluster."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]


def wild_p_value(
    scores: FloatArray, kernel: FloatArray, *, n_draws: int = 999, seed: int = 0
) -> float:
    """p-value of the quadratic form sᵀ W s, s = Σ_g s_g, against s_g of random sign.

    Under the null every cluster's score has mean zero, and its sign may be drawn by lot (score
    wild bootstrap, Kline & Santos 2012), whatever its variance and however few clusters hold most
    of the clicks.

    Parameters
    ----------
    scores : (G, D) efficient scores of clusters: those of the parameters under test, less what
        the fitted ones explain
    kernel : (D, D) W, how the parameters are expected to move together
    """
    rng = np.random.default_rng(seed)
    factor = np.linalg.cholesky(kernel + 1e-12 * np.trace(kernel) * np.eye(len(kernel)))
    rotated = scores @ factor
    observed = float((rotated.sum(0) ** 2).sum())
    signs = rng.integers(0, 2, (n_draws, len(scores))) * 2.0 - 1.0
    null = ((signs @ rotated) ** 2).sum(1)
    return float((1 + np.count_nonzero(null >= observed * (1 - 1e-12))) / (n_draws + 1))
