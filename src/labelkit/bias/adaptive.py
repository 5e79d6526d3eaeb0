"""A curve near a power law, as near as its clicks allow.

    log θ_k = −η log k + w_k,    w a random walk over log k with deviation τ per e-fold

η is free and τ integrated out over a grid under a half-Cauchy prior (Gelman 2006): where the curve
is a power law τ shrinks to nothing and one parameter is estimated instead of one a position; where
it is a step or a line τ grows and every position speaks for itself. The likelihood is that of
``poisson``, expanded to second order at the result until nothing moves (Breslow & Clayton 1993),
and tempered by the overdispersion that the clusters show. Intervals are posterior and count τ's
uncertainty.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from labelkit.bias.hierarchy import PRIOR_SCALE
from labelkit.bias.poisson import ClickedCells, score_and_information, smoothing_matrix

FloatArray = npt.NDArray[np.float64]

SPREADS = np.geomspace(0.003, 4.0, 36)
# Standard deviation of η: as good as flat.
ANY_EXPONENT = 3.0


@dataclass(frozen=True)
class AdaptiveFit:
    """
    ::

        beta        (K,) posterior mean of log θ, 0 at the reference
        covariance  (K, K) its posterior covariance
        spread      posterior mean of τ
        moved       largest change in the last round
    """

    beta: FloatArray
    covariance: FloatArray
    spread: float
    moved: float

    @property
    def converged(self) -> bool:
        return self.moved <= TOLERANCE


TOLERANCE = 1e-6


def fit_adaptive(
    cells: ClickedCells,
    start: FloatArray,
    *,
    reference: int,
    dispersion: float = 1.0,
    max_rounds: int = 50,
) -> AdaptiveFit:
    """Expand, integrate τ out, and again.

    Parameters
    ----------
    start : (K,) log θ
    dispersion : ≥ 1, variance of clustered scores over that of independent clicks
    """
    positions = cells.positions
    size = len(positions)
    free = np.arange(size) != reference
    inner = np.ix_(free, free)
    logs = np.log(positions[free] / positions[reference])
    walk = np.linalg.inv(smoothing_matrix(positions, 1.0)[inner])
    slope = ANY_EXPONENT**2 * np.outer(logs, logs)
    priors = np.linalg.inv(slope + (SPREADS**2)[:, None, None] * walk)
    log_priors = np.linalg.slogdet(priors)[1]
    # On a grid even in log τ, the half-Cauchy density of τ gains a factor τ.
    log_spread = np.log(SPREADS) - np.log1p((SPREADS / PRIOR_SCALE) ** 2)

    beta, moved, rounds = start - start[reference], np.inf, 0
    covariance, spread = np.zeros((size, size)), 0.0
    while moved > TOLERANCE and rounds < max_rounds:
        score, information = score_and_information(beta, cells)
        curvature = information[inner] / dispersion
        pull = curvature @ beta[free] + score[free] / dispersion
        posteriors = np.linalg.inv(curvature + priors)
        means = posteriors @ pull
        evidence = 0.5 * (log_priors + np.linalg.slogdet(posteriors)[1] + means @ pull)
        weight = np.exp(evidence + log_spread - (evidence + log_spread).max())
        weight /= weight.sum()
        mean = weight @ means
        apart = means - mean
        within = np.tensordot(weight, posteriors, axes=1) + (apart * weight[:, None]).T @ apart
        step = mean - beta[free]
        moved = float(np.abs(step).max(initial=0))
        # As in ``fit_poisson``: within a step of 2 the quadratic model holds.
        beta = beta.copy()
        beta[free] += step * min(1.0, 2.0 / max(moved, 1e-12))
        covariance[inner] = within
        spread, rounds = float(weight @ SPREADS), rounds + 1
    return AdaptiveFit(beta, covariance, spread, moved)


def dispersion_of(scores: FloatArray, information: FloatArray) -> float:
    """Variance of the scores of clusters (G, K) over that of independent clicks, at least 1."""
    expected = float(np.trace(information))
    return max(1.0, float((scores**2).sum()) / expected) if expected else 1.0
