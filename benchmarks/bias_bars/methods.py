"""The estimators that the bars hold for: whatever ``PositionBias`` offers, read from its type."""

from __future__ import annotations

from typing import get_args

from labelkit.bias import estimator

# Not estimates: a column of the log, the user's own curve; and "auto" is one of the others.
NOT_FITTED = ("auto", "logged", "given")
# These need impressions that are flagged as randomised, which counts alone do not carry.
FROM_RANDOMISED = ("randomised", "swaps", "trust", "affine")
# One parameter: right on simulated power laws only, and so no fair side in a contest there.
PARAMETRIC = ("power",)


def fitted_methods() -> tuple[str, ...]:
    """Every method that fits something."""
    return tuple(m for m in get_args(estimator.Method) if m not in NOT_FITTED)


def from_counts() -> tuple[str, ...]:
    """Those that counts are enough for."""
    return tuple(m for m in fitted_methods() if m not in FROM_RANDOMISED)
