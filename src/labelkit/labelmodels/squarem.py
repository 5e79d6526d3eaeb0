"""EM, accelerated: what all models that are fitted by EM climb with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from labelkit.labelmodels.statistics import FloatArray

# From a point to the objective there, and to where one step of EM leads.
Step: TypeAlias = Callable[[FloatArray], tuple[float, FloatArray]]


@dataclass(frozen=True)
class Ascent:
    """Where EM ended, the objective after each of its steps, and whether it had settled."""

    point: FloatArray
    objective: FloatArray
    converged: bool


def ascend(
    step: Step,
    start: FloatArray,
    *,
    inside: Callable[[FloatArray], FloatArray],
    max_iter: int,
    tolerance: float,
) -> Ascent:
    """EM from ``start`` until no coordinate moves by more than ``tolerance``.

    Every two steps are extrapolated (SQUAREM, Varadhan & Roland 2008), and where that leads
    downhill the second step is taken instead, so that the objective rises monotonically, as it
    does under EM itself (Dempster, Laird, Rubin 1977).

    Parameters
    ----------
    step : the objective at a point, and the point after one step of EM from there
    start : any array of parameters
    inside : brings an extrapolated point back into the allowed range
    """
    point = start
    height, update = step(point)
    trace = [height]
    while len(trace) < max_iter:
        if float(np.abs(update - point).max()) <= tolerance:
            return Ascent(update, np.array(trace), True)
        second_height, second = step(update)
        trace.append(second_height)
        jump = inside(_extrapolated(point, update, second))
        height, after = step(jump)
        if height < second_height:
            jump = second
            height, after = step(jump)
        trace.append(height)
        point, update = jump, after
    return Ascent(update, np.array(trace), False)


def _extrapolated(start: FloatArray, first: FloatArray, second: FloatArray) -> FloatArray:
    """Where two steps of EM point to."""
    stride, bend = first - start, second - 2 * first + start
    curvature = float(np.linalg.norm(bend))
    length = max(float(np.linalg.norm(stride)) / curvature, 1.0) if curvature else 1.0
    return np.asarray(start + 2 * length * stride + length**2 * bend)
