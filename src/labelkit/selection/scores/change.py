"""Expected model change: how far an answer would move a probabilistic classifier."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]

# Weak labels tie in masses; rounding in the last bit must not prefer one class.
_DIGITS = 12


def expected_gradient_length(
    p: FloatArray, squared_norms: npt.NDArray[np.floating] | None = None
) -> FloatArray:
    """Expected length of the log loss's gradient, the answer being distributed as ``p`` [1]_.

    For a model that is linear in features x with an intercept, answer y has the gradient
    (p - e_y) ⊗ (x, 1), of length |p - e_y| √(|x|² + 1).

    Parameters
    ----------
    p : (n, k) class probabilities
    squared_norms : (n,) |x|²; None: gradient in the intercepts only, which is Σ_y p_y |p - e_y|

    Returns
    -------
    (n,) non-negative; without norms in [0, √(1 - 1/k)].

    References
    ----------
    .. [1] Settles & Craven (2008), An analysis of active learning strategies for sequence labeling
       tasks, §3.3.
    """
    # |p - e_y|² = |p|² - 2 p_y + 1
    length = np.sqrt(np.maximum((p**2).sum(axis=1, keepdims=True) - 2 * p + 1, 0))
    expected = (p * length).sum(axis=1)
    if squared_norms is not None:
        expected = expected * np.sqrt(np.asarray(squared_norms, dtype=np.float64) + 1)
    return np.asarray(np.round(expected, _DIGITS), dtype=np.float64)
