"""Probability samples: which units, and with what probability each could have been drawn."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Sample:
    """Units drawn from ``range(N)``.

    ::

        units        (m,) int64, distinct, in random order
        probability  (m,) float64 in (0, 1]: inclusion probability of each drawn unit
    """

    units: IntArray
    probability: FloatArray


def equal_probability(n_units: int, size: int, rng: np.random.Generator) -> Sample:
    """Simple random sampling without replacement: every subset of ``size`` is equally likely."""
    units = rng.choice(n_units, size=size, replace=False).astype(np.int64)
    return Sample(units, np.full(size, size / n_units if size else 1.0))


def inclusion_probabilities(measure: FloatArray, size: int) -> FloatArray:
    """Inclusion probabilities π_i ∝ ``measure`` that sum to ``size``, none above 1.

    Units whose share would exceed 1 are taken for certain and the rest is shared out again [1]_.

    Parameters
    ----------
    measure : (N,) positive size measures
    size : number of units to draw, 0 ≤ size ≤ N

    References
    ----------
    .. [1] Särndal, Swensson & Wretman (1992), Model Assisted Survey Sampling, §3.6.2.
    """
    pi = np.zeros(len(measure))
    certain = np.zeros(len(measure), dtype=bool)
    while True:
        rest = ~certain
        left = size - int(certain.sum())
        if left <= 0:
            break
        pi[rest] = left * measure[rest] / measure[rest].sum()
        over = rest & (pi >= 1)
        if not over.any():
            break
        certain |= over
        pi[certain] = 1.0
    return pi


def systematic_pps(measure: FloatArray, size: int, rng: np.random.Generator) -> Sample:
    """Systematic sampling with probability proportional to size, over a random order [1]_.

    The units stand in random order on a line, each as long as its π_i; a comb with teeth one apart
    and a random start picks ``size`` of them. First-order probabilities are exactly π_i; the random
    order makes pairs behave nearly as in rejective (maximum-entropy) sampling, which is what the
    variance approximation of the validation room assumes.

    Parameters
    ----------
    measure : (N,) positive size measures
    size : number of units to draw, 0 ≤ size ≤ N

    References
    ----------
    .. [1] Madow (1949), On the theory of systematic sampling II; Hartley & Rao (1962).
    """
    if size == 0:
        return equal_probability(len(measure), 0, rng)
    pi = inclusion_probabilities(measure, size)
    order = rng.permutation(len(measure))
    # Rounding may leave the end of the line a hair short of `size`: the last tooth must still hit.
    ends = np.cumsum(pi[order]) * (size / pi.sum())
    teeth = rng.random() + np.arange(size)
    hit = np.minimum(np.searchsorted(ends, teeth, side="right"), len(measure) - 1)
    units = rng.permutation(order[hit]).astype(np.int64)
    return Sample(units, pi[units])
