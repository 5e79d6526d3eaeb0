"""EM, accelerated and kept monotone, with the proof that it arrived."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]

# Sums of absolute scores at which to stop, relative to all clicks: at a maximum, and near enough to
# one to fit priors.
FINE, ROUGH = 1e-4, 3e-3
# In log-odds: probabilities stay 3e-9 off 0 and 1.
FURTHEST = 19.6


@dataclass(frozen=True)
class EMStep:
    """Where one EM step leads, and what holds where it starts.

    ::

        rates      (p,) probabilities after the step
        objective  log posterior before it
        score      Σ |∂ log posterior / ∂ log-odds| before it, in clicks
    """

    rates: FloatArray
    objective: float
    score: float


@dataclass(frozen=True)
class EMFit:
    """
    ::

        rates      (p,) probabilities at the maximum
        objective  (n_steps,) log posterior after every accepted step, never falling
        score      Σ |∂ log posterior / ∂ log-odds| left, in clicks
        converged  whether ``score`` fell under the tolerance
    """

    rates: FloatArray
    objective: FloatArray
    score: float
    converged: bool


def squarem(
    step: Callable[[FloatArray], EMStep],
    start: FloatArray,
    *,
    bound: float,
    max_cycles: int = 500,
) -> EMFit:
    """Repeat ``step`` to the maximum, by leaps.

    Two EM steps give a direction and its curvature in log-odds; the leap along them (Varadhan &
    Roland 2008, *Simple and globally convergent methods for accelerating the convergence of any EM
    algorithm*, scheme S3) is kept if the log posterior there is no lower than after one step, and
    otherwise the two steps are.

    Parameters
    ----------
    start : (p,) probabilities
    bound : on the score at which to stop
    """
    from scipy.special import expit, logit

    rates = _inside(start)
    history: list[float] = []
    score = np.inf
    for _ in range(max_cycles):
        once = step(rates)
        history.append(once.objective)
        score = once.score
        if score <= bound:
            break
        x1 = _inside(once.rates)
        twice = step(x1)
        x2 = _inside(twice.rates)
        l0, l1, l2 = logit(rates), logit(x1), logit(x2)
        ahead, bend = l1 - l0, l2 - 2 * l1 + l0
        length = max(_norm(ahead) / max(_norm(bend), 1e-300), 1.0)
        leap = l0 + 2 * length * ahead + length**2 * bend
        far = step(expit(np.clip(leap, -FURTHEST, FURTHEST)))
        accepted = far.objective >= twice.objective
        rates = _inside(far.rates) if accepted else x2
        history.append(far.objective if accepted else twice.objective)
    return EMFit(rates, np.array(history), float(score), bool(score <= bound))


def cross_entropy(rate: FloatArray, mean: FloatArray | float) -> FloatArray:
    """Log density of a Beta prior per observation that it is worth, up to a constant."""
    return np.asarray(mean * np.log(rate) + (1 - mean) * np.log1p(-rate))


def _norm(vector: FloatArray) -> float:
    return float(np.linalg.norm(vector))


def _inside(rates: FloatArray) -> FloatArray:
    edge = math.exp(-FURTHEST)
    return np.clip(rates, edge, 1 - edge)
