"""Labels of several rounds as one sample, although each was chosen in the light of the last."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


def probability_ever_drawn(*rounds: npt.ArrayLike) -> FloatArray:
    """Probability of having been drawn in any round so far, 1 − Π_r (1 − π_r).

    Each argument holds, for the same units, the probability of being drawn in that round given that
    the unit had not been drawn before: what ``select(..., exclude=labeled)`` records. Right when a
    round's probabilities do not depend on the answers in earlier rounds; where they do, and only
    drawn units are at hand, ``pooled_weights`` is the estimator that stays unbiased.

    Parameters
    ----------
    rounds : arrays of one shape, values in [0, 1]; 0 for a unit that was not in that round's pool

    Returns
    -------
    Array of that shape, in [0, 1].

    Raises
    ------
    ValueError
        No round, or a value that is not a probability.
    """
    if not rounds:
        raise ValueError("No round was given.")
    missed = np.ones(np.shape(rounds[0]))
    for number, pi in enumerate(rounds, start=1):
        values = np.asarray(pi, dtype=np.float64)
        if not ((values >= 0) & (values <= 1)).all():
            raise ValueError(f"Round {number} holds a value that is not a probability.")
        missed = missed * (1 - values)
    return 1 - missed


@dataclass(frozen=True)
class PooledWeights:
    """Weights with which the labels of all rounds estimate totals of the pool.

    ::

        weight     (n,) float64 ≥ 0: the total of y is estimated by Σ weight · y
        round      (n,) int64: rounds numbered 0 … R-1 in time
        share      (R,) float64: share λ_r of each round's own estimate, summing to 1
        precision  Σ_r 1 / v_r, see ``pooled_weights``; 0 where nothing was sampled
    """

    weight: FloatArray
    round: IntArray
    share: FloatArray
    precision: float


def pooled_weights(pi: npt.ArrayLike, rounds: npt.ArrayLike | None = None) -> PooledWeights:
    """Weights that pool rounds whose design depended on the labels of the rounds before.

    Given all that came before, round r alone estimates the total without bias by the sum over what
    was known already plus a weighted sum over what it drew [1]_::

        T_r = Σ_{drawn before r} y_i + Σ_{drawn in r} y_i / π_i

    where π_i is conditional on the past. Any average Σ_r λ_r T_r is then unbiased too, whatever the
    learner made of the earlier answers, and its parts are uncorrelated. λ_r is proportional to
    1/v_r with v_r = Σ_{sampled in r} (1 − π_i)/π_i², the variance of T_r for answers that vary
    alike everywhere: a round weighs by the number it sampled, and more when less was left to sample
    from. It is known before the answers are (for equal π exactly; else up to which units were
    drawn), and it must be: shares that follow the answers' own variance would favour rounds that
    happened to draw like answers, and be biased. A round that drew for certain only cannot speak
    about the rest and gets λ_r = 0. For one round the weights are 1/π_i.

    Parameters
    ----------
    pi : (n,) inclusion probability of each label in the round that drew it, in (0, 1]
    rounds : (n,) round of each label, sortable in time; None: one round

    Returns
    -------
    PooledWeights

    References
    ----------
    .. [1] Des Raj (1956), Some estimators in sampling with varying probabilities without
       replacement, J. Am. Stat. Assoc. 51, eq. 2.
    """
    p = np.asarray(pi, dtype=np.float64)
    if rounds is None:
        number = np.zeros(len(p), dtype=np.int64)
    else:
        number = np.unique(np.asarray(rounds), return_inverse=True)[1].astype(np.int64)
    n_rounds = int(number.max(initial=-1)) + 1
    variance = np.bincount(number, weights=(1 - p) / p**2, minlength=n_rounds)
    precision = np.divide(1, variance, out=np.zeros(n_rounds), where=variance > 0)
    if precision.any():
        share = precision / precision.sum()
    else:  # nothing was sampled: all labels together are what is known
        share = np.zeros(n_rounds)
        share[-1:] = 1.0
    later = share[::-1].cumsum()[::-1] - share  # Σ_{s > r} λ_s
    weight = share[number] / p + later[number]
    return PooledWeights(weight, number, share, float(precision.sum()))
