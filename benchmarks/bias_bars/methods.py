"""The estimators that the bars hold for: whatever ``PositionBias`` offers, read from its table."""

from __future__ import annotations

from labelkit.bias.methods import METHODS

# Not estimates: a column of the log, the user's own curve; and "auto" is one of the others.
NOT_FITTED = ("auto", "logged", "given")
# These need impressions flagged as randomised, or gold, which counts do not carry.
FROM_MORE = ("randomised", "trust")
# One parameter: right on simulated power laws only, and so no fair side in a contest there.
PARAMETRIC = ("power",)


def fitted_methods() -> tuple[str, ...]:
    """Every method that fits something."""
    return tuple(m for m in METHODS if m not in NOT_FITTED)


def from_counts() -> tuple[str, ...]:
    """Those that counts are enough for."""
    return tuple(m for m in fitted_methods() if m not in FROM_MORE)
