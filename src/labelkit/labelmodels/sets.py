"""Prediction sets: which classes cannot be ruled out, with a promise that holds at any size."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import Literal, TypeAlias, get_args

import numpy as np
import numpy.typing as npt

from labelkit.errors import GoldError, LabelModelError
from labelkit.labelmodels.statistics import FloatArray

SetScore: TypeAlias = Literal["aps", "threshold"]
BoolArray: TypeAlias = npt.NDArray[np.bool_]

# Sums of probabilities in another order differ in the last bits, and must not leave a class out.
_ROUNDING = 1e-9


@dataclass(frozen=True)
class PredictionSets:
    """A set of classes for each example that holds the true one in 1 - ``alpha`` of examples.

    ::

        member     (n, k) bool  class y is in the set of example i
        threshold  largest score that is let in; infinite if gold is too little to rule out any

    Parameters
    ----------
    alpha : share of examples whose set may miss the true class
    n_gold : gold labels that the threshold rests on
    effective_n : Kish's effective number of them, (Σw)² / Σw²
    """

    member: BoolArray
    threshold: float
    alpha: float
    n_gold: int
    effective_n: float

    @property
    def size(self) -> npt.NDArray[np.int64]:
        """Number of classes in each set, (n,), 1 … k: 1 where the labels leave no doubt."""
        return np.asarray(self.member.sum(axis=1), dtype=np.int64)


def conformal_scores(proba: FloatArray, score: SetScore = "aps") -> FloatArray:
    """How strange each class would be, (n, k) in [0, 1]; the stranger, the larger.

    "aps": the probability of all classes that are more probable (adaptive prediction sets, Romano,
    Sesia & Candès 2020, with the class itself left out instead of in part at random: taken in, the
    last of k classes would always score 1, and two classes could not be told apart). Sets grow
    where the label is in doubt. "threshold": 1 - p (Sadinle, Lei & Wasserman 2019): the smallest
    sets on average, too small where the label is in doubt.
    """
    if score not in get_args(SetScore):
        raise LabelModelError(f"score={score!r} is neither 'aps' nor 'threshold'.")
    if score == "threshold":
        return np.asarray(1 - proba)
    order = np.argsort(-proba, axis=1, kind="stable")
    ranked = np.take_along_axis(proba, order, axis=1)
    before = np.cumsum(ranked, axis=1) - ranked
    # Classes that are equally probable are equally strange: each gets what stands before the first.
    for y in range(1, ranked.shape[1]):
        tied = ranked[:, y] >= ranked[:, y - 1] - _ROUNDING
        before[:, y] = np.where(tied, before[:, y - 1], before[:, y])
    scores = np.empty_like(proba)
    np.put_along_axis(scores, order, before, axis=1)
    return scores


def conformal_threshold(scores: FloatArray, weight: FloatArray, alpha: float) -> float:
    """The smallest score q with Σ_{s_i ≤ q} w_i ≥ (1 - α)·(Σ w_i + max w); infinite if none.

    Parameters
    ----------
    scores : (g,) scores of the true classes of gold examples that no fit has seen
    weight : (g,) 1 / inclusion probability
    alpha : in (0, 1)

    Notes
    -----
    Weighted exchangeability (Tibshirani, Barber, Candès & Ramdas 2019): examples drawn with
    probability π stand for the population when weighted by 1/π, and the example to be labeled
    counts with its own weight, of which the largest known is the cautious bound. With equal
    weights this is split conformal prediction, (1 - α)(g + 1) of g.
    """
    order = np.argsort(scores, kind="stable")
    needed = (1 - alpha) * (weight.sum() + weight.max())
    reached = np.cumsum(weight[order]) >= needed - 1e-12 * needed
    return float(scores[order][reached.argmax()]) if reached.any() else np.inf


def prediction_sets(
    proba: FloatArray,
    gold_proba: FloatArray,
    gold_label: npt.NDArray[np.signedinteger],
    *,
    alpha: float = 0.1,
    weight: FloatArray | None = None,
    score: SetScore = "aps",
) -> PredictionSets:
    """Split-conformal sets for ``proba`` (n, k), from gold that the probabilities have not seen.

    Parameters
    ----------
    gold_proba : (g, k) probabilities of the calibration gold
    gold_label : (g,) its true classes
    alpha : share of examples whose set may miss the true class, in (0, 1)
    weight : (g,) 1 / inclusion probability; 1 unless given
    score : "aps" or "threshold", see `conformal_scores`

    Raises
    ------
    LabelModelError
        ``alpha`` is not in (0, 1), or ``score`` is unknown.
    GoldError
        There is no calibration gold.

    Notes
    -----
    P(Y ∈ set) ≥ 1 - α for an example of the population that gold was drawn from, on average over
    the draw of gold, whatever the model is worth (Vovk, Gammerman & Shafer 2005; Papadopoulos et
    al. 2002). The most probable class is always in the set.
    """
    if not 0 < alpha < 1:
        raise LabelModelError(f"alpha={alpha} is not in (0, 1): it is the share of sets that err.")
    if not len(gold_label):
        raise GoldError(
            f"There is no gold to calibrate sets with; alpha={alpha} needs "
            f"{labels_needed(alpha)} gold labels or more that were not used for fitting."
        )
    weights = np.ones(len(gold_label)) if weight is None else weight
    true_scores = conformal_scores(gold_proba, score)[np.arange(len(gold_label)), gold_label]
    threshold = conformal_threshold(true_scores, weights, alpha)
    member = conformal_scores(proba, score) <= threshold + _ROUNDING
    member |= proba >= proba.max(axis=1, keepdims=True) - _ROUNDING
    effective = float(weights.sum() ** 2 / np.square(weights).sum())
    return PredictionSets(member, threshold, alpha, len(gold_label), effective)


def labels_needed(alpha: float, *, within: float | None = None, confidence: float = 0.9) -> int:
    """How many gold labels of equal weight sets at level 1 - ``alpha`` need.

    Parameters
    ----------
    within : if given, enough that the coverage of the very threshold that was drawn lies above
        1 - alpha - ``within`` with probability ``confidence``; otherwise the least with which any
        class can be ruled out, ⌈(1 - α)/α⌉

    Notes
    -----
    Given its gold, the coverage of a threshold is Beta(l, g + 1 - l) with l = ⌈(1 - α)(g + 1)⌉ if
    scores do not tie, and larger if they do (Vovk 2012).
    """
    if not 0 < alpha < 1:
        raise LabelModelError(f"alpha={alpha} is not in (0, 1): it is the share of sets that err.")
    least = ceil((1 - alpha) / alpha - 1e-9)
    if within is None:
        return least
    if not 0 < within < 1 - alpha:
        raise LabelModelError(f"within={within} is not in (0, {1 - alpha:.3g}).")
    from scipy.stats import beta

    def enough(g: int) -> bool:
        rank = ceil((1 - alpha) * (g + 1) - 1e-9)
        return bool(beta.sf(1 - alpha - within, rank, g + 1 - rank) >= confidence)

    # The rank is a step function of g, so that "enough" flickers at first: the answer is the
    # number from which on it does not.
    top = least
    while not all(enough(g) for g in range(top, top + ceil(1 / alpha))):
        top = ceil(top * 1.1) + 1
    while top > least and enough(top - 1):
        top -= 1
    return top
