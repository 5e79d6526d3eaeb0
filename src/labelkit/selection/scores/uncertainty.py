"""How open one soft label leaves the question: least confidence, margin, entropy."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]

# Weak labels come from a few vote patterns, so scores tie in masses; (.3, .7) and (.7, .3) must tie
# too, or rounding in the last bit would prefer one class. Twelve digits undo that rounding.
_DIGITS = 12


def least_confidence(p: FloatArray) -> FloatArray:
    """Probability of not being of the likeliest class, over its largest value 1 - 1/k [1]_.

    Parameters
    ----------
    p : (n, k) class probabilities, k ≥ 2, rows summing to 1

    Returns
    -------
    (n,) in [0, 1]; 1 where all classes are equally probable.

    References
    ----------
    .. [1] Lewis & Gale (1994), A sequential algorithm for training text classifiers; Settles
       (2009), Active Learning Literature Survey, §3.1.
    """
    k = p.shape[1]
    return np.asarray(np.round((1 - p.max(axis=1)) * k / (k - 1), _DIGITS), dtype=np.float64)


def margin(p: FloatArray) -> FloatArray:
    """One minus the gap between the two most probable classes [1]_.

    Parameters
    ----------
    p : (n, k) class probabilities, k ≥ 2, rows summing to 1

    Returns
    -------
    (n,) in [0, 1]; 1 where two classes are equally probable.

    References
    ----------
    .. [1] Scheffer, Decomain & Wrobel (2001), Active hidden Markov models for information
       extraction; Settles (2009), Active Learning Literature Survey, §3.1.
    """
    if p.shape[1] == 2:
        gap = np.abs(p[:, 0] - p[:, 1])
    else:
        top = np.partition(p, -2, axis=1)
        gap = top[:, -1] - top[:, -2]
    return np.asarray(np.round(1 - gap, _DIGITS), dtype=np.float64)


def entropy(p: FloatArray) -> FloatArray:
    """Shannon entropy −Σ_c p_c log p_c over log k [1]_.

    Parameters
    ----------
    p : (n, k) class probabilities, k ≥ 2, rows summing to 1

    Returns
    -------
    (n,) in [0, 1]; 1 where all classes are equally probable.

    References
    ----------
    .. [1] Settles (2009), Active Learning Literature Survey, §3.1.
    """
    terms = np.where(p > 0, p * np.log(np.where(p > 0, p, 1.0)), 0.0)
    bits: FloatArray = -terms.sum(axis=1) / np.log(p.shape[1])
    return bits.round(_DIGITS)
