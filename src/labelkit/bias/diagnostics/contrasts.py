"""Do groups of impressions share one propensity curve? Clustered tests of differences of log θ.

Slots are (group, position) pairs. One Poisson fit gives log θ of every slot; a contrast is a
weighted sum of these with weights that add up to zero within each group, so that no level and no
reference position enters it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from labelkit.bias.poisson import ClickedCells, score_and_information

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class SlotFit:
    """log θ of every slot, and how a click moves it.

    ::

        beta      (S,) log θ up to one constant per connected part
        inverse   (S, S) inverse of the penalised information
        strength  (S,) information that joins a slot to the others, in clicks
    """

    cells: ClickedCells
    beta: FloatArray
    inverse: FloatArray
    strength: FloatArray


@dataclass(frozen=True)
class Contrasts:
    """Contrasts with their standard errors, each (J,)."""

    value: FloatArray
    error: FloatArray
    df: FloatArray

    @property
    def p_value(self) -> FloatArray:
        """Two-sided, Student's t."""
        from scipy.special import stdtr

        with np.errstate(invalid="ignore", divide="ignore"):
            t = np.where(self.error > 0, np.abs(self.value) / self.error, 0.0)
        return np.asarray(2 * stdtr(self.df, -t))

    def interval(self, level: float) -> tuple[FloatArray, FloatArray]:
        from scipy.special import stdtrit

        reach = stdtrit(self.df, 0.5 + level / 2) * self.error
        return self.value - reach, self.value + reach


def fit_slots(cells: ClickedCells, penalty: FloatArray, *, max_steps: int = 60) -> SlotFit:
    """Newton's method with step halving on the penalised profile likelihood, which is concave.

    Parameters
    ----------
    cells : ``positions`` number the slots
    penalty : (S, S) precision of a prior; it must make the level of every part definite
    """
    beta = np.zeros(len(cells.positions))
    score, information = score_and_information(beta, cells)
    gradient = score - penalty @ beta
    tolerance = 1e-6 * max(float(cells.clicks.sum()), 1.0)
    for _ in range(max_steps):
        if np.abs(gradient).max(initial=0) <= tolerance:
            break
        step = np.linalg.solve(information + penalty, gradient)
        step *= min(1.0, 2.0 / max(float(np.abs(step).max()), 1e-12))
        length = 1.0
        while True:
            moved = beta + length * step
            score, information = score_and_information(moved, cells)
            slope = score - penalty @ moved
            # Past the maximum along the step the slope turns; a little past it is fine.
            if slope @ step >= -0.9 * (gradient @ step) or length < 1e-3:
                break
            length /= 2
        beta, gradient = moved, slope
    inverse = np.asarray(np.linalg.inv(information + penalty), dtype=np.float64)
    return SlotFit(cells, beta, inverse, np.diag(information).copy())


def measure(fit: SlotFit, weights: FloatArray) -> Contrasts:
    """Contrasts ``weightsᵀ β`` with standard errors clustered by query.

    Parameters
    ----------
    weights : (S, J)

    Notes
    -----
    The variance is the clustered sandwich G/(G−1) Σ_q (hᵀU_q)², h = H⁻¹ weights (Liang & Zeger
    1986). Degrees of freedom are (Σ v_q)²/Σ v_q² − 1 with v_q the part of the model's variance hᵀHh
    that query q bears (Carter, Schnepel & Steigerwald 2017): where few queries hold most clicks,
    the sandwich is too small more often than too large.
    """
    cells = fit.cells
    shown = cells.n * np.exp(fit.beta)[cells.index]
    share = shown / cells.sum_by_example(shown)[cells.segment]
    residual = cells.clicks - share * cells.totals[cells.segment]
    queries, query = np.unique(cells.query, return_inverse=True)
    n_queries = len(queries)
    correction = n_queries / max(n_queries - 1, 1)
    directions = fit.inverse @ weights
    error, df = np.zeros(weights.shape[1]), np.ones(weights.shape[1])
    for j, h in enumerate(directions.T):
        along = h[cells.index]
        pushed = np.bincount(query, cells.sum_by_example(residual * along), n_queries)
        mean = cells.sum_by_example(share * along)
        spread = cells.sum_by_example(share * along**2) - mean**2
        borne = np.bincount(query, cells.totals * np.maximum(spread, 0), n_queries)
        error[j] = np.sqrt(correction * float(pushed @ pushed))
        square = float(borne @ borne)
        df[j] = max(float(borne.sum()) ** 2 / square - 1, 1.0) if square > 0 else 1.0
    return Contrasts(weights.T @ fit.beta, error, df)


def simes(p_values: FloatArray) -> float:
    """p-value that all of several hypotheses hold (Simes 1986)."""
    ordered = np.sort(p_values)
    return float(np.min(len(ordered) * ordered / np.arange(1, len(ordered) + 1), initial=1.0))


def adjust(p_values: FloatArray) -> FloatArray:
    """p-values adjusted for the false-discovery rate (Benjamini & Hochberg 1995)."""
    from scipy.stats import false_discovery_control

    if not len(p_values):
        return p_values
    return np.asarray(false_discovery_control(p_values), dtype=np.float64)
