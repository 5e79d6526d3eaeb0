"""What gold changes in a fitted model: scale, shift, and trust in each LF, as far as it bears."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from labelkit.labelmodels.posterior import Calibration, Scorer, normalised
from labelkit.labelmodels.statistics import FloatArray, GoldSample, IntArray, VoteStatistics

# The scale stays positive, so that gold never turns the order of examples round.
_SMALLEST_SCALE = 0.02
# Prior precisions of the trust in an LF, between which the evidence chooses. The first one means
# "leave the LFs as they are".
_PRECISIONS = (1e6, 100.0, 50.0, 20.0, 10.0, 5.0)
# How likely each of them is before any gold: "as they are" as likely as the others together.
_BELIEF = np.array([5.0, 1.0, 1.0, 1.0, 1.0, 1.0])
# Imagined examples behind the model's own answer for examples without a vote.
_UNCOVERED_STRENGTH = 50.0


def calibrate_on(scorer: Scorer, statistics: VoteStatistics, gold: GoldSample) -> Calibration:
    """Calibration of a fitted scorer on the gold examples that have a vote.

    The others know nothing of votes: see `answer_without_votes`.
    """
    voted = statistics.covered[gold.pattern]
    if not voted.any():
        return Calibration.identity(statistics.cardinality)
    pattern = gold.pattern[voted]
    return calibrate(
        scorer.scores(statistics)[pattern], gold.label[voted], statistics.rows[pattern]
    )


def calibrate(
    scores: FloatArray,
    labels: IntArray,
    rows: npt.NDArray[np.int8] | None = None,
    *,
    scale_sd: float = 1.0,
    shift_sd: float = 1.0,
) -> Calibration:
    """Scale s, shifts b and trust t of logistic regression on class scores and votes.

    P(Y = y | votes) ∝ exp(s·z_y + b_y + Σ_j t_j·1[λ_j = y]), s ~ N(1, scale_sd²),
    b_y ~ N(0, shift_sd²), t_j ~ N(0, 1/τ). The maximum a posteriori of each of a few precisions τ
    is averaged with weights proportional to Laplace's approximation of the evidence for τ [1]_
    (that t = 0 is taken to be as likely as not):
    with little gold, or LFs that are as good as they seem, the votes are left as they are, and the
    order of examples by a binary score is kept.

    Parameters
    ----------
    scores : (g, k) log scores z of the gold examples, finite
    labels : (g,) true classes
    rows : (g, m) their votes, -1 abstains; None: scale and shifts only
    scale_sd, shift_sd : standard deviations of the priors

    Returns
    -------
    Calibration with scale ≥ 0.02; close to the identity when there is little gold.

    Notes
    -----
    Platt 1999 and Guo et al. 2017 (temperature scaling), with priors. The examples are not
    weighted by 1/π: what is fitted is P(Y | votes), and examples are chosen by their votes, so
    the choice can be ignored (Rubin 1976), while weights would drown most labels in a few.

    References
    ----------
    .. [1] MacKay 1992, "The evidence framework applied to classification networks".
    """
    g, k = scores.shape
    centred = scores - scores.mean(axis=1, keepdims=True)
    # (g, k, 1 + k + m): what each parameter adds to the score of each class
    parts = [centred[:, :, None], np.tile(np.eye(k), (g, 1, 1))]
    m = 0
    if rows is not None:
        m = rows.shape[1]
        same = (rows[:, None, :] == np.arange(k)[:, None]).astype(np.float64)
        parts.append(same - (rows >= 0)[:, None, :] / k)
    design = np.concatenate(parts, axis=2)
    fixed = np.r_[scale_sd**-2, np.full(k, shift_sd**-2)]
    fits, evidence = [], []
    start = np.r_[1.0, np.zeros(k + m)]
    for precision in _PRECISIONS if m else _PRECISIONS[:1]:
        start, score = _fit(design, labels, np.r_[fixed, np.full(m, precision)], start)
        fits.append(start)
        evidence.append(score)
    belief = np.array(evidence) + np.log(_BELIEF[: len(evidence)])
    share = np.exp(belief - belief.max())
    found = (share / share.sum()) @ np.array(fits)
    return Calibration(float(found[0]), found[1 : 1 + k], found[1 + k :])


def answer_without_votes(
    calibration: Calibration, balance: FloatArray, statistics: VoteStatistics, gold: GoldSample
) -> FloatArray:
    """P(Y) (k,) of the examples on which no LF voted, learned from gold.

    What the calibrated model says of no vote, updated by the gold examples that have none. The
    estimated class balance of the whole pool is not used: it is an average over examples with
    votes, and so noisy that it would shuffle these examples among the others.
    """
    expected = normalised((calibration.scale * np.log(balance) + calibration.shift)[None, :])[0]
    unseen = ~statistics.covered[gold.pattern]
    counts = np.bincount(gold.label[unseen], minlength=len(balance))
    answer: FloatArray = (counts + _UNCOVERED_STRENGTH * expected) / (
        counts.sum() + _UNCOVERED_STRENGTH
    )
    return answer


def _fit(
    design: FloatArray, labels: IntArray, precision: FloatArray, start: FloatArray
) -> tuple[FloatArray, float]:
    """Maximum a posteriori (d,), and the log evidence up to a constant."""
    from scipy.optimize import minimize

    g, k, d = design.shape
    truth = np.eye(k)[labels]
    centre = np.r_[1.0, np.zeros(d - 1)]
    flat = design.reshape(g * k, d)

    def objective(theta: FloatArray) -> tuple[float, FloatArray]:
        p = normalised((flat @ theta).reshape(g, k))
        likelihood = -np.log(np.maximum(p[np.arange(g), labels], 1e-300)).sum()
        away = theta - centre
        gradient = flat.T @ (p - truth).ravel() + precision * away
        return float(likelihood + (precision * away**2).sum() / 2), gradient

    bounds = [(_SMALLEST_SCALE, None)] + [(None, None)] * (d - 1)
    found = minimize(objective, start, jac=True, method="L-BFGS-B", bounds=bounds)
    p = normalised((flat @ found.x).reshape(g, k))
    mean = np.einsum("gk,gkd->gd", p, design)
    hessian = (flat * p.reshape(-1, 1)).T @ flat - mean.T @ mean + np.diag(precision)
    log_volume = np.log(precision).sum() / 2 - np.linalg.slogdet(hessian)[1] / 2
    return np.asarray(found.x, dtype=np.float64), float(log_volume - found.fun)
