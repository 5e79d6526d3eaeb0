"""A curve with one parameter, θ_k = k^−η: for logs too thin to carry a propensity per position.

The power law is the usual description of web search (Joachims et al. 2017, section 6.2). η
maximises the same profile likelihood as the Poisson model, of which this is a one-parameter
subfamily; where the log can carry both, compare them: a power law that fits badly is a biased
curve with a narrow interval.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from labelkit.bias.poisson import ClickedCells, score_and_information

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class PowerLaw:
    """η and how well its gradient vanished, in clicks."""

    eta: float
    gradient: float
    n_steps: int
    converged: bool


def fit_power_law(
    cells: ClickedCells,
    *,
    weight: FloatArray | None = None,
    start: float = 1.0,
    tolerance: float = 1e-8,
    max_steps: int = 100,
) -> PowerLaw:
    """Newton's method in η; the likelihood is concave in it."""
    direction = -np.log(cells.positions.astype(np.float64))
    eta, slope = start, np.inf
    scale = max(float(cells.clicks.sum()), 1.0)
    for step in range(max_steps):
        score, information = score_and_information(eta * direction, cells, weight)
        slope = float(direction @ score)
        if abs(slope) <= tolerance * scale:
            return PowerLaw(eta, abs(slope), step, True)
        curvature = float(direction @ information @ direction)
        eta += float(np.clip(slope / max(curvature, 1e-9), -1.0, 1.0))
    return PowerLaw(eta, abs(slope), max_steps, False)


def log_curve(eta: float, cells: ClickedCells) -> FloatArray:
    """log θ (K,) of the power law, 0 at the first position of the log."""
    logs = np.log(cells.positions.astype(np.float64))
    curve: FloatArray = -eta * (logs - logs[0])
    return curve
