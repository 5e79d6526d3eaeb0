"""What an estimator is given, and what it hands back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from labelkit.bias.identifiability import Identifiability, check
from labelkit.bias.poisson import ClickedCells, PoissonFit, fit_poisson
from labelkit.bias.propensities import Diagnosis, LabelArray
from labelkit.bias.uncertainty import effective_df
from labelkit.engine import NativeFrame
from labelkit.errors import LabelkitError
from labelkit.logs import InteractionLog, PositionCounts

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class FitTask:
    """A log and the settings of ``PositionBias``, with what several estimators share.

    ``log`` is None where only counts were given.
    """

    counts: PositionCounts
    log: InteractionLog | None
    method: str
    smoothing: float = 1.0
    n_bootstrap: int = 200
    seed: int = 0
    cluster: str = "query"
    context: tuple[str, ...] = ()
    design: str = "auto"
    curve: Mapping[int, float] | None = None
    gold: NativeFrame | None = None

    def using(self, method: str) -> FitTask:
        """The same task by another method; what was computed for the choice is kept."""
        task = replace(self, method=method)
        kept = ["cells", "clusters"]
        if self.chained == task.chained:
            kept += ["graph", "poisson"]
        task.__dict__.update({k: v for k, v in self.__dict__.items() if k in kept})
        return task

    def require_log(self) -> InteractionLog:
        """The log, for what counts alone cannot tell."""
        if self.log is None:
            raise LabelkitError(
                f"method={self.method!r} needs the log itself, not only its counts."
            )
        return self.log

    @cached_property
    def cells(self) -> ClickedCells:
        """The cells that carry information."""
        return ClickedCells.of(self.counts)

    @cached_property
    def graph(self) -> Identifiability:
        """Which positions can be compared; raises ``NotIdentifiable`` where too few can."""
        return check(self.counts, self.cells, neighbours=self.chained)

    @property
    def chained(self) -> bool:
        """Whether only neighbouring positions are compared."""
        return self.method == "adjacent"

    @property
    def reference(self) -> int:
        """Index of the position whose θ is 1: the first that is identified."""
        return int(np.argmax(self.graph.identified))

    @cached_property
    def poisson(self) -> PoissonFit:
        reference = self.reference
        return fit_poisson(self.cells, smoothing=self.smoothing, reference=reference)

    @cached_property
    def clusters(self) -> tuple[IntArray, float]:
        """Query of each informative example, 0 … G-1, and the degrees of freedom they leave."""
        _, query = np.unique(self.cells.query, return_inverse=True)
        return query, effective_df(np.bincount(query, self.cells.totals).astype(np.float64))


@dataclass(frozen=True)
class Estimate:
    """A curve as an estimator leaves it; fields as in ``Propensities``.

    ``positions`` is None where slots are the positions of the log.
    """

    theta: FloatArray
    covariance: FloatArray
    df: float
    interval: str
    diagnostics: tuple[Diagnosis, ...] = ()
    positions: IntArray | None = None
    context: Mapping[str, LabelArray] = field(default_factory=dict)
    background: FloatArray = field(default_factory=lambda: np.zeros(0))


def known(theta: FloatArray, interval: str) -> Estimate:
    """A curve without uncertainty."""
    size = len(theta)
    return Estimate(theta, np.zeros((size, size)), np.inf, interval)
