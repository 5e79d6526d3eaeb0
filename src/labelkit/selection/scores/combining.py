"""Weak label and learner as one opinion; and what an answer costs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from labelkit.errors import SelectionError

FloatArray = npt.NDArray[np.float64]

_EM_STEPS = 200
# Beta(2, 2) on the weight: few gold labels move it little from one half, and never to 0 or 1.
_PRIOR = 1.0


@dataclass(frozen=True)
class Combined:
    """What two sources say together.

    ::

        probabilities  (n, k)
        weight         of the weak label where an LF voted, in (0, 1); elsewhere it is 0
        n_gold         gold labels that chose the weight; 0: one half
    """

    probabilities: FloatArray
    weight: float
    n_gold: int


def combine(
    weak: FloatArray,
    learner: FloatArray,
    *,
    covered: npt.NDArray[np.bool_] | None = None,
    gold: npt.ArrayLike | None = None,
) -> Combined:
    """Linear pool of weak labels and a learner: w · weak + (1 - w) · learner [1]_.

    The entropy of the pool is the mean entropy of the two plus their (weighted) Jensen–Shannon
    divergence: an example is open if either source is unsure, *or if they contradict each other*. A
    product of the two would call two sources that are sure of the same class surer still, as if the
    learner had not been taught by those weak labels.

    Parameters
    ----------
    weak : (n, k) soft labels of the label model
    learner : (n, k) probabilities of the end model, best out of fold
    covered : (n,) bool: whether any LF voted. Elsewhere the weak label is only the class balance,
        and the learner speaks alone
    gold : (n,) classes, -1 where unknown: w is then the weight under which gold is likeliest (EM,
        with a Beta(2, 2) prior). Gold must be a fair sample of the covered examples, and neither
        source may have been fitted to it

    Raises
    ------
    SelectionError
        Shapes differ, or gold names a class that is not there.

    References
    ----------
    .. [1] Stone (1961), The opinion pool; Genest & Zidek (1986), Combining probability
       distributions, §3.
    """
    weak, learner = np.asarray(weak, np.float64), np.asarray(learner, np.float64)
    if weak.shape != learner.shape:
        raise SelectionError(
            f"The weak labels have shape {weak.shape}, the learner's probabilities {learner.shape}."
        )
    spoken = np.ones(len(weak), bool) if covered is None else np.asarray(covered, bool)
    weight, n_gold = 0.5, 0
    if gold is not None:
        weight, n_gold = _likeliest_weight(weak, learner, spoken, np.asarray(gold))
    w = np.where(spoken, weight, 0.0)[:, None]
    return Combined(w * weak + (1 - w) * learner, weight, n_gold)


def per_second(score: FloatArray, seconds: npt.ArrayLike) -> FloatArray:
    """What an answer tells per second that it takes [1]_.

    Parameters
    ----------
    score : (n,) non-negative
    seconds : one number, or (n,), above 0

    Raises
    ------
    SelectionError
        A score below 0, whose order a division would turn round, or a time that is not positive.

    References
    ----------
    .. [1] Settles, Craven & Friedland (2008), Active learning with real annotation costs.
    """
    times = np.broadcast_to(np.asarray(seconds, dtype=np.float64), np.shape(score))
    bad = ~(np.isfinite(times) & (times > 0))
    if bad.any():
        raise SelectionError(
            f"seconds has {int(bad.sum()):,} of {bad.size:,} values that are not above 0 (first: "
            f"row {int(bad.argmax())}, {times[bad][0]:g})."
        )
    if (np.asarray(score) < 0).any():
        raise SelectionError(
            f"{int((np.asarray(score) < 0).sum()):,} scores are below 0: per second, their order "
            f"would turn round."
        )
    return np.asarray(score / times, dtype=np.float64)


def _likeliest_weight(
    weak: FloatArray,
    learner: FloatArray,
    covered: npt.NDArray[np.bool_],
    gold: npt.NDArray[np.int64],
) -> tuple[float, int]:
    if gold.shape != covered.shape or not ((gold >= -1) & (gold < weak.shape[1])).all():
        raise SelectionError(
            f"gold has one class 0 … {weak.shape[1] - 1}, or -1, for each of {len(weak):,} "
            f"examples; got shape {gold.shape}."
        )
    at = np.flatnonzero((gold >= 0) & covered)
    if not len(at):
        return 0.5, 0
    a = np.maximum(weak[at, gold[at]], 1e-12)
    b = np.maximum(learner[at, gold[at]], 1e-12)
    w = 0.5
    for _ in range(_EM_STEPS):
        told = w * a / (w * a + (1 - w) * b)
        new = float((told.sum() + _PRIOR) / (len(at) + 2 * _PRIOR))
        if abs(new - w) < 1e-9:
            break
        w = new
    return w, len(at)
