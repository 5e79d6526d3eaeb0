"""Calibrating class scores on gold labels: a scale and a shift per class, held back by a ridge."""

from __future__ import annotations

import numpy as np

from labelkit.labelmodels.posterior import Calibration, Scorer, normalised
from labelkit.labelmodels.statistics import FloatArray, GoldSample, IntArray, VoteStatistics

# The scale stays positive, so that calibration never turns the order of examples round.
_SMALLEST_SCALE = 0.02


def calibrate_on(scorer: Scorer, statistics: VoteStatistics, gold: GoldSample) -> Calibration:
    """Calibration of a fitted scorer on the gold examples that have a vote.

    The others are left out: their answer is the class balance, calibrated or not.
    """
    voted = statistics.covered[gold.pattern]
    if not voted.any():
        return Calibration.identity(statistics.cardinality)
    scores = scorer.scores(statistics)[gold.pattern[voted]]
    return calibrate(scores, gold.label[voted])


def calibrate(
    scores: FloatArray,
    labels: IntArray,
    *,
    scale_sd: float = 1.0,
    shift_sd: float = 1.0,
) -> Calibration:
    """Maximum a posteriori scale s and shifts b of logistic regression on class scores.

    minimise  -Σ_i log softmax(s·z_i + b)[y_i] + (s - 1)²/(2 scale_sd²) + Σ_y b_y²/(2 shift_sd²)

    Parameters
    ----------
    scores : (g, k) log scores z of the gold examples, finite
    labels : (g,) true classes

    Returns
    -------
    Calibration with scale ≥ 0.02; close to the identity when there is little gold.

    Notes
    -----
    Platt 1999 and Guo et al. 2017 (temperature scaling) with a prior. The examples are not
    weighted by 1/π: what is fitted is P(Y | votes), and examples are chosen by their votes, so
    the choice can be ignored (Rubin 1976), while weights would drown most labels in a few.
    """
    from scipy.optimize import minimize

    g, k = scores.shape
    centred = scores - scores.mean(axis=1, keepdims=True)
    truth = np.eye(k)[labels]

    def objective(theta: FloatArray) -> tuple[float, FloatArray]:
        scale, shift = theta[0], theta[1:]
        p = normalised(scale * centred + shift)
        likelihood = -np.log(np.maximum(p[np.arange(g), labels], 1e-300)).sum()
        penalty = (scale - 1) ** 2 / scale_sd**2 + (shift @ shift) / shift_sd**2
        residual = p - truth
        gradient = np.concatenate(
            [
                [(residual * centred).sum() + (scale - 1) / scale_sd**2],
                residual.sum(axis=0) + shift / shift_sd**2,
            ]
        )
        return float(likelihood + penalty / 2), gradient

    start = np.concatenate([[1.0], np.zeros(k)])
    bounds = [(_SMALLEST_SCALE, None)] + [(None, None)] * k
    found = minimize(objective, start, jac=True, method="L-BFGS-B", bounds=bounds)
    return Calibration(float(found.x[0]), np.asarray(found.x[1:], float))
