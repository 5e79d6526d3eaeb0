"""Audit designs: how the probability sample beside the certainty stratum is drawn.

Every design draws from the examples that the certainty stratum left, looks at nothing but their
weak labels, and returns the inclusion probability of each example that it drew.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from labelkit.selection.sampling import (
    Sample,
    allocate,
    equal_probability,
    inclusion_probabilities,
    poisson,
    stratified,
    systematic_pps,
)

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

Audit = Callable[[FloatArray, int, np.random.Generator], Sample]

# Bins of the weak label's chance of a rarer class, of equal mass. Neyman allocation over five bins
# has most of what unequal probabilities can bring; more would leave strata of one label.
_N_SCORE_BINS = 5
# A stratum of one label has no variance of its own.
_FEWEST_PER_STRATUM = 2


def audit_measure(p: FloatArray) -> FloatArray:
    """Size measure of unequal audits: √(0.05 + probability of not being of the commonest class).

    The residual of F1 at an example that the weak labels call negative is proportional to y, so its
    root mean square is √P(y = 1); the constant bounds the largest weight at about 4.6 times the
    smallest, whatever the weak labels believe.

    Parameters
    ----------
    p : (N, k) class probabilities

    Returns
    -------
    (N,) in [0.22, 1.03]
    """
    return np.sqrt(0.05 + rarer(p))


def rarer(p: FloatArray) -> FloatArray:
    """Probability of not being of the class that is commonest over all of ``p``, (N,) in [0, 1]."""
    commonest = int(p.mean(axis=0).argmax()) if len(p) else 0
    return np.clip(1 - p[:, commonest], 0, 1)


def by_class(p: FloatArray) -> IntArray:
    """Strata of the likeliest class, (N,) int64."""
    return np.asarray(p.argmax(axis=1), dtype=np.int64)


def by_score(p: FloatArray) -> IntArray:
    """Strata of ``rarer(p)`` with about equal numbers of examples; ties stay together, (N,) int64.

    Weak labels tie in masses: where a bin's border falls into a tie, the whole tie is on one side.
    """
    score = rarer(p)
    if not len(score):
        return np.zeros(0, dtype=np.int64)
    borders = np.unique(np.quantile(score, np.arange(1, _N_SCORE_BINS) / _N_SCORE_BINS))
    return np.asarray(np.searchsorted(borders, score, side="left"), dtype=np.int64)


def _equal(p: FloatArray, size: int, rng: np.random.Generator) -> Sample:
    return equal_probability(len(p), size, rng)


def _pps(p: FloatArray, size: int, rng: np.random.Generator) -> Sample:
    return systematic_pps(audit_measure(p), size, rng)


def _poisson(p: FloatArray, size: int, rng: np.random.Generator) -> Sample:
    return poisson(audit_measure(p), size, rng)


def _stratified(strata: Callable[[FloatArray], IntArray]) -> Audit:
    """Simple random samples in strata, allocated by their sums of ``audit_measure``.

    That is Neyman's allocation, N_h S_h, with the root mean square residual of F1 that the weak
    labels expect in place of the unknown standard deviation S_h.
    """

    def draw(p: FloatArray, size: int, rng: np.random.Generator) -> Sample:
        return stratified(*_sizes(strata, p, size), rng)

    return draw


def _sizes(
    strata: Callable[[FloatArray], IntArray], p: FloatArray, size: int
) -> tuple[IntArray, IntArray]:
    """Strata numbered without gaps, (N,), and the labels that each gets, (h,)."""
    stratum = np.unique(strata(p), return_inverse=True)[1].astype(np.int64)
    wanted = np.bincount(stratum, weights=audit_measure(p)).astype(np.float64)
    available = np.bincount(stratum).astype(np.int64)
    return stratum, allocate(wanted, available, size, fewest=_FEWEST_PER_STRATUM)


AUDITS: dict[str, Audit] = {
    "equal": _equal,
    "pps": _pps,
    "poisson": _poisson,
    "class": _stratified(by_class),
    "score": _stratified(by_score),
}


def expected_probability(audit: str, p: FloatArray, size: int) -> FloatArray:
    """Inclusion probability of *every* example, drawn or not, when ``size`` of them are audited.

    Parameters
    ----------
    audit : name of a design in ``AUDITS``
    p : (N, k) class probabilities of the examples that the certainty stratum left
    size : labels to audit, at most N

    Returns
    -------
    (N,) in [0, 1], summing to ``size``.
    """
    if audit == "equal":
        return np.full(len(p), size / max(len(p), 1))
    if audit in ("pps", "poisson"):
        return inclusion_probabilities(audit_measure(p), size)
    stratum, sizes = _sizes(by_class if audit == "class" else by_score, p, size)
    return np.asarray((sizes / np.bincount(stratum))[stratum])
