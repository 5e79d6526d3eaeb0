"""``Propensities``: the position-bias curve as a value, with what is not known about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from labelkit.engine import NativeFrame
from labelkit.errors import LabelkitError

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
# Labels of a context keep the type that the log gives them.
LabelArray = npt.NDArray[Any]
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

    A row is a *slot*: a position, or a position in one context ("mobile", 3). The click model is
    P(click | example, slot) = θ γ_example + β; β is zero unless the method finds trust bias.

    ::

        positions   (S,) position of each slot; ascending within a context
        theta       (S,) θ > 0; NaN where the log cannot tell
        covariance  (S, S) of log θ; 0 for known propensities
        df          degrees of freedom of the intervals (see ``effective_df``)
        context     log column → (S,) its value at each slot; empty without a context
        background  (S,) β ≥ 0, clicks per impression that owe nothing to the example

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
    context: Mapping[str, LabelArray] = field(default_factory=dict)
    background: FloatArray = field(default_factory=lambda: np.zeros(0))

    def __post_init__(self) -> None:
        known = self.theta[~np.isnan(self.theta)]
        if not len(known) or np.any(known <= 0):
            raise LabelkitError("Propensities are positive; at least one must be known.")
        if not len(self.background):
            object.__setattr__(self, "background", np.zeros(len(self.theta)))
        for name, values in {**self.context, "background": self.background}.items():
            if len(values) != len(self.positions):
                raise LabelkitError(
                    f"A curve has one row per slot; {name!r} has {len(values)} values for "
                    f"{len(self.positions)} slots."
                )
        if np.any(self.background < 0):
            slot = int(np.argmax(self.background < 0))
            raise LabelkitError(
                f"A background is a click rate; position {self.positions[slot]} has "
                f"{self.background[slot]:g}."
            )

    @property
    def keys(self) -> tuple[str, ...]:
        """The log columns that tell slots apart, to join on: position, then the context."""
        return ("position", *self.context)

    @property
    def has_background(self) -> bool:
        """Whether some slot draws clicks whatever it shows."""
        return bool(np.any(self.background > 0))

    def slots(self) -> dict[str, IntArray | LabelArray]:
        """``keys`` as columns of (S,): the left side of every table that is joined to a log."""
        return {"position": self.positions, **self.context}

    @property
    def standard_error(self) -> FloatArray:
        """Standard error of log θ, (S,)."""
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
        """Slots with ``propensity``, ``low``, ``high`` as a Polars frame; null where unknown.

        Context columns come first, and ``background`` last where any is above zero.
        """
        import polars as pl

        columns = {"propensity": self.theta, "low": self.low, "high": self.high}
        if self.has_background:
            columns["background"] = self.background
        return pl.DataFrame(
            {
                **self.context,
                "position": self.positions,
                **{name: pl.Series(v, nan_to_null=True) for name, v in columns.items()},
            }
        )
