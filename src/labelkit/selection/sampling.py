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


def poisson(measure: FloatArray, size: int, rng: np.random.Generator) -> Sample:
    """Poisson sampling: each unit decides for itself, with π_i ∝ ``measure`` [1]_.

    The number drawn is random with mean ``size``. Decisions are independent, so rounds, machines or
    parts of a pool can draw on their own and still have drawn one sample.

    Parameters
    ----------
    measure : (N,) positive size measures
    size : expected number of units, 0 ≤ size ≤ N

    References
    ----------
    .. [1] Särndal, Swensson & Wretman (1992), Model Assisted Survey Sampling, §3.5.
    """
    pi = inclusion_probabilities(measure, size)
    drawn = np.flatnonzero(rng.random(len(measure)) < pi)
    units = rng.permutation(drawn).astype(np.int64)
    return Sample(units, pi[units])


def allocate(wanted: FloatArray, available: IntArray, size: int, *, fewest: int) -> IntArray:
    """Share ``size`` labels out over strata in proportion to ``wanted``, in whole labels.

    No stratum gets more than it holds; each gets ``fewest`` (or all it holds) while the labels
    reach; fractions go to the largest remainders, so the result depends on its arguments alone.

    Parameters
    ----------
    wanted : (h,) positive, what the allocation is proportional to
    available : (h,) units of each stratum
    size : labels to share out, 0 ≤ size ≤ Σ available
    fewest : labels that a stratum gets at least

    Returns
    -------
    (h,) int64 summing to ``size``. A stratum may get 0 only when ``size`` is below ``fewest`` times
    the number of strata: then its units cannot be drawn, and ``stratified`` refuses.
    """
    floor = np.minimum(available, fewest)
    if floor.sum() > size:
        floor = np.minimum(available, size // max(len(available), 1))
    exact = floor.astype(np.float64)
    # What is left goes out in proportion to what is wanted beyond the floor, up to what is there.
    for _ in range(len(wanted) + 1):
        left = size - exact.sum()
        open_ = exact < available
        if left <= 1e-9 or not open_.any():
            break
        lack = np.where(open_, np.maximum(wanted / wanted.sum() * size - exact, 0), 0.0)
        if lack.sum() <= 0:
            lack = np.where(open_, wanted, 0.0)
        exact = np.minimum(exact + left * lack / lack.sum(), available)
    whole = np.floor(exact + 1e-9).astype(np.int64)
    order = np.lexsort((np.arange(len(whole)), -(exact - whole)))
    order = order[whole[order] < available[order]]
    whole[order[: size - int(whole.sum())]] += 1
    return whole


def stratified(stratum: IntArray, sizes: IntArray, rng: np.random.Generator) -> Sample:
    """A simple random sample without replacement in each stratum.

    Parameters
    ----------
    stratum : (N,) int64 number of each unit's stratum, 0 … h-1, each with a unit
    sizes : (h,) units to draw from each, at least one

    Raises
    ------
    ValueError
        A stratum would get no label: what is in it could never be drawn.
    """
    if (sizes < 1).any():
        raise ValueError(f"{int((sizes < 1).sum())} of {len(sizes)} strata would get no label.")
    available = np.bincount(stratum, minlength=len(sizes))
    key = rng.random(len(stratum))
    order = np.lexsort((key, stratum))
    place = np.arange(len(stratum)) - np.repeat(np.cumsum(available) - available, available)
    drawn = order[place < sizes[stratum[order]]]
    units = rng.permutation(drawn).astype(np.int64)
    return Sample(units, (sizes / available)[stratum[units]])
