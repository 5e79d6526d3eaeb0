"""What gold changes in a fitted model: scale, shift, and trust in each LF, as far as it bears."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import numpy.typing as npt

from labelkit.labelmodels.posterior import Calibration, Scorer, normalised
from labelkit.labelmodels.statistics import FloatArray, GoldSample, IntArray, VoteStatistics

# The scale stays positive, so that gold never turns the order of examples round.
_SMALLEST_SCALE = 0.02
# Imagined examples behind the model's own answer for examples without a vote, between which the
# evidence chooses. The first one means "the answer is right".
_UNCOVERED_STRENGTHS = np.array([1e4, 100.0, 30.0, 10.0, 3.0])


@dataclass(frozen=True)
class CalibrationPrior:
    """One belief about what gold will show, before it is seen.

    Parameters
    ----------
    scale_sd : standard deviation of the scale around 1
    imbalance : shifts are expected at this share (0 … 1) of what gold says of the class balance
    shift_sd : standard deviation of the shifts around that
    trust_precision : one over the variance of the trust in an LF around 0
    belief : how likely this is beside the others, positive
    moves_classes : whether shifts are free, which gold has to prove
    """

    scale_sd: float
    imbalance: float
    shift_sd: float
    trust_precision: float
    belief: float = 1.0
    moves_classes: bool = True

    def log_belief(self, cardinality: int) -> float:
        """log of how likely this is before gold is seen, among ``cardinality`` classes."""
        proof = _PROOF_OF_SHIFT * (cardinality - 1) if self.moves_classes else 0.0
        return float(np.log(self.belief)) - proof


# Gold must prove a shift at three standard errors a free class, exp(3²/2) in evidence. Class shares
# are the first thing in which gold and what is labeled next differ, and a shift moves the labels of
# all patterns that stand near a tie at once; a scale and trust in LFs move only what gold is about.
_PROOF_OF_SHIFT = 3.0**2 / 2

# A scale that is nearly right or may be anything; classes as balanced as was assumed, or, if that
# is proven, as gold counts them, exactly or roughly; LFs as they are (1e6), as likely as not, or in
# need of a little or much correction. Which of them holds is left to the evidence.
PRIORS = tuple(
    CalibrationPrior(scale_sd, imbalance, shift_sd, precision, belief, moves_classes=moves)
    for scale_sd, (imbalance, shift_sd, moves), (precision, belief) in product(
        (1.0, 0.1),
        ((0.0, 0.1, False), (0.0, 1.0, True), (1.0, 1.0, True), (1.0, 0.3, True)),
        ((1e6, 3.0), (50.0, 1.0), (10.0, 1.0), (2.0, 1.0)),
    )
)


def calibrate_on(
    scorer: Scorer,
    statistics: VoteStatistics,
    gold: GoldSample,
    balance: FloatArray | None = None,
) -> Calibration:
    """Calibration of a fitted scorer on the gold examples that have a vote.

    ``balance`` (k,) is the class balance that the scores assume; uniform unless given. Examples
    without a vote know nothing of the LFs: see `answer_without_votes`.
    """
    voted = statistics.covered[gold.pattern]
    if not voted.any():
        return Calibration.identity(statistics.cardinality)
    pattern = gold.pattern[voted]
    assumed = 0.0 if balance is None else np.log(balance)
    return calibrate(
        scorer.scores(statistics)[pattern],
        gold.label[voted],
        statistics.rows[pattern],
        imbalance=np.log(gold.balance(statistics.cardinality)) - assumed,
    )


def calibrate(
    scores: FloatArray,
    labels: IntArray,
    rows: npt.NDArray[np.int8] | None = None,
    *,
    imbalance: FloatArray | None = None,
    priors: Sequence[CalibrationPrior] = PRIORS,
) -> Calibration:
    """Scale s, shifts b and trust t of logistic regression on class scores and votes.

    P(Y = y | votes) ∝ exp(s·z_y + b_y + Σ_j t_j·1[λ_j = y]), s ~ N(1, σ_s²), b_y ~ N(β_y, σ_b²),
    t_j ~ N(0, 1/τ). The maximum a posteriori under each of a few priors is averaged with weights
    proportional to Laplace's approximation of the evidence for the prior [1]_: with little gold,
    or LFs that are as good as they seem, the votes are left as they are, and the order of examples
    by a binary score is kept.

    Parameters
    ----------
    scores : (g, k) log scores z of the gold examples, finite
    labels : (g,) true classes
    rows : (g, m) their votes, -1 abstains; None: scale and shifts only
    imbalance : (k,) by how much gold's estimate of the log class balance differs from the one that
        the scores assume, the β of the priors that believe it; 0 unless given
    priors : what may be expected of the three; `PRIORS` unless given

    Returns
    -------
    Calibration with scale ≥ 0.02; close to the identity when there is little gold.

    Notes
    -----
    Platt 1999 and Guo et al. 2017 (temperature scaling), with priors. The likelihood is not
    weighted by 1/π: what is fitted is P(Y | votes), and examples are chosen by their votes, so
    the choice can be ignored (Rubin 1976), while weights would drown most labels in a few. The
    class balance behind ``imbalance`` is weighted.

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
    beta = np.zeros(k) if imbalance is None else imbalance - imbalance.mean()
    fits, evidence = [], []
    start = np.r_[1.0, np.zeros(k + m)]
    for prior in priors if m else _without_trust(priors):
        centre = np.r_[1.0, prior.imbalance * beta, np.zeros(m)]
        precision = np.r_[
            prior.scale_sd**-2, np.full(k, prior.shift_sd**-2), np.full(m, prior.trust_precision)
        ]
        start, log_evidence = _fit(design, labels, precision, centre, start)
        fits.append(start)
        evidence.append(log_evidence + prior.log_belief(k))
    found = _share(np.array(evidence)) @ np.array(fits)
    return Calibration(float(found[0]), found[1 : 1 + k], found[1 + k :])


def answer_without_votes(
    calibration: Calibration, balance: FloatArray, statistics: VoteStatistics, gold: GoldSample
) -> FloatArray:
    """P(Y) (k,) of the examples on which no LF voted, learned from gold.

    What the calibrated model says of no vote, updated by the gold examples that have none: the
    mean of a Dirichlet posterior, averaged over how much the model's answer is worth with weights
    by the evidence for it. The estimated class balance of the whole pool is not used: it is an
    average over examples with votes, and those without may be of another kind.
    """
    from scipy.special import gammaln

    expected = normalised((calibration.scale * np.log(balance) + calibration.shift)[None, :])[0]
    unseen = ~statistics.covered[gold.pattern]
    counts = np.bincount(gold.label[unseen], minlength=len(balance)).astype(np.float64)
    strength = _UNCOVERED_STRENGTHS
    imagined = strength[:, None] * expected
    answers = (counts + imagined) / (counts.sum() + strength)[:, None]
    evidence = gammaln(strength) - gammaln(strength + counts.sum())
    evidence += (gammaln(imagined + counts) - gammaln(imagined)).sum(axis=1)
    answer: FloatArray = _share(evidence) @ answers
    return answer


def _share(log_evidence: FloatArray) -> FloatArray:
    """Weights that sum to one, proportional to exp(``log_evidence``)."""
    share = np.exp(log_evidence - log_evidence.max())
    return np.asarray(share / share.sum())


def _without_trust(priors: Sequence[CalibrationPrior]) -> list[CalibrationPrior]:
    """The priors that differ in more than their trust, which nothing depends on without votes."""
    seen = {(prior.scale_sd, prior.imbalance, prior.shift_sd): prior for prior in priors}
    return list(seen.values())


def _fit(
    design: FloatArray,
    labels: IntArray,
    precision: FloatArray,
    centre: FloatArray,
    start: FloatArray,
) -> tuple[FloatArray, float]:
    """Maximum a posteriori (d,), and the log evidence up to a constant."""
    from scipy.optimize import minimize

    g, k, d = design.shape
    truth = np.eye(k)[labels]
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
