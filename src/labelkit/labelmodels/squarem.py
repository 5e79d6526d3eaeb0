"""EM to its end, faster: SQUAREM over any EM step, with a log posterior that never falls."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from labelkit.labelmodels.statistics import FloatArray

# From parameters to the log posterior there, and to the parameters after one step of EM.
Step: TypeAlias = Callable[[FloatArray], tuple[float, FloatArray]]
# From an extrapolated point, and a feasible one to fall back on, to a feasible point.
Feasible: TypeAlias = Callable[[FloatArray, FloatArray], FloatArray]


@dataclass(frozen=True)
class Ascent:
    """Parameters where EM ended, the log posterior on the way, and whether it had settled."""

    parameters: FloatArray
    log_posterior: FloatArray
    converged: bool


def squarem(
    step: Step, start: FloatArray, *, feasible: Feasible, max_iter: int, tolerance: float
) -> Ascent:
    """EM from ``start`` until no parameter moves by more than ``tolerance``.

    Every two steps are extrapolated [1]_, and where that leads downhill the second step is taken
    instead, so that the log posterior rises at each turn as EM's does [2]_.

    Parameters
    ----------
    step : one step of EM; its log posterior belongs to the parameters that it is given
    start : any shape
    feasible : brings the extrapolation back to where parameters may be
    max_iter : bound on the number of steps

    References
    ----------
    .. [1] Varadhan & Roland 2008, "Simple and globally convergent methods for accelerating the
       convergence of any EM algorithm".
    .. [2] Dempster, Laird & Rubin 1977.
    """
    here = start
    height, update = step(here)
    trace = [height]
    while len(trace) < max_iter:
        if float(np.abs(update - here).max()) <= tolerance:
            return Ascent(update, np.array(trace), True)
        second_height, second = step(update)
        trace.append(second_height)
        jump = feasible(_extrapolated(here, update, second), second)
        height, after = step(jump)
        if height < second_height:
            jump = second
            height, after = step(jump)
        trace.append(height)
        here, update = jump, after
    return Ascent(update, np.array(trace), False)


def _extrapolated(start: FloatArray, first: FloatArray, second: FloatArray) -> FloatArray:
    """Where two steps of EM point to."""
    step, bend = first - start, second - 2 * first + start
    curvature = float(np.linalg.norm(bend))
    length = max(float(np.linalg.norm(step)) / curvature, 1.0) if curvature else 1.0
    jump: FloatArray = start + 2 * length * step + length**2 * bend
    return jump
