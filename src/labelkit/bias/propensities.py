"""``Propensities``: the position-bias curve as a value, with what is not known about it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt

from labelkit.engine import NativeFrame
from labelkit.errors import LabelkitError

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
Level = Literal["fine", "look", "stop"]


@dataclass(frozen=True)
class Diagnosis:
    """One finding: how serious it is, and what to do in one sentence."""

    name: str
    level: Level
    message: str


@dataclass(frozen=True)
class Propensities:
    """Examination propensities θ_k = P(examined at k) relative to the first position.

    ::

        positions   (K,) ascending
        theta       (K,) θ_k > 0; NaN where the log cannot tell
        covariance  (K, K) of log θ; 0 for known propensities
        df          degrees of freedom of the intervals (see ``effective_df``)

    Parameters
    ----------
    method : how θ was found
    interval : how its uncertainty was found
    per_impression : logged propensities vary within a position; θ is their mean, and evidence
        uses the logged values themselves
    """

    positions: IntArray
    theta: FloatArray
    covariance: FloatArray
    df: float
    method: str
    interval: str
    level: float = 0.95
    per_impression: bool = False
    diagnostics: tuple[Diagnosis, ...] = field(default=())

    def __post_init__(self) -> None:
        known = self.theta[~np.isnan(self.theta)]
        if not len(known) or np.any(known <= 0):
            raise LabelkitError("Propensities are positive; at least one must be known.")

    @property
    def standard_error(self) -> FloatArray:
        """Standard error of log θ, (K,)."""
        variance: FloatArray = np.maximum(np.diag(self.covariance), 0)
        error: FloatArray = np.sqrt(variance)
        return error

    @property
    def quantile(self) -> float:
        """Two-sided Student quantile of ``level``."""
        from scipy.special import stdtrit

        return float(stdtrit(self.df, 0.5 + self.level / 2))

    @property
    def low(self) -> FloatArray:
        low: FloatArray = self.theta * np.exp(-self.quantile * self.standard_error)
        return low

    @property
    def high(self) -> FloatArray:
        high: FloatArray = self.theta * np.exp(self.quantile * self.standard_error)
        return high

    def frame(self) -> NativeFrame:
        """``position``, ``propensity``, ``low``, ``high`` as a Polars frame; null where unknown."""
        import polars as pl

        columns = {"propensity": self.theta, "low": self.low, "high": self.high}
        return pl.DataFrame(
            {
                "position": self.positions,
                **{name: pl.Series(v, nan_to_null=True) for name, v in columns.items()},
            }
        )
