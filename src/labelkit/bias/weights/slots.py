"""A log laid out on a curve: which slot of the curve each cell of the log stands in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import narwhals as nw
import numpy as np
import numpy.typing as npt

from labelkit.bias.estimator import PositionBias
from labelkit.bias.propensities import Propensities
from labelkit.engine import NativeFrame, collect
from labelkit.errors import LabelkitError, NotFittedError
from labelkit.logs import InteractionLog, PositionCounts
from labelkit.logs.cells import FIXED_POINT, fixed_point

if TYPE_CHECKING:
    import polars as pl

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

# A weight of 100 is one click at a position that one in a hundred looks at.
DEFAULT_CLIP = 100.0


def curve_of(bias: PositionBias | Propensities) -> Propensities:
    """The fitted curve behind either form."""
    if isinstance(bias, Propensities):
        return bias
    if not hasattr(bias, "curve_"):
        raise NotFittedError.of(bias)
    return bias.curve_


def check_clip(clip: float) -> float:
    """``clip`` as it is, or an error: weights are at least 1."""
    if not clip >= 1:
        raise LabelkitError(f"clip bounds weights from above and is at least 1; got {clip}.")
    return float(clip)


def position_weights(curve: Propensities, clip: float = DEFAULT_CLIP) -> FloatArray:
    """Weight min(1/θ, clip) per slot, (S,); 0 where θ is unknown."""
    return np.nan_to_num(np.minimum(1 / curve.theta, check_clip(clip)), nan=0.0)


def slot_index(curve: Propensities, columns: Mapping[str, NativeFrame]) -> IntArray:
    """The slot of each row from its key columns (``curve.keys``), (n,); -1 where there is none.

    Labels are compared as text: an engine may hand back a category as what it names.
    """
    import polars as pl

    position = np.asarray(columns["position"], dtype=np.int64)
    if not curve.context:
        slot = np.searchsorted(curve.positions, position)
        slot = np.minimum(slot, len(curve.positions) - 1)
        return np.where(curve.positions[slot] == position, slot, -1).astype(np.int64)

    def keyed(source: Mapping[str, NativeFrame]) -> pl.DataFrame:
        labels = {name: pl.Series(source[name]).cast(pl.String) for name in curve.context}
        return pl.DataFrame({"position": pl.Series(source["position"]).cast(pl.Int64), **labels})

    slots = keyed(curve.slots()).with_row_index("slot")
    joined = keyed(columns).join(slots, on=list(curve.keys), how="left", maintain_order="left")
    return joined["slot"].cast(pl.Int64).fill_null(-1).to_numpy()


@dataclass(frozen=True)
class SlotCounts:
    """Impressions and clicks per (example, slot), of slots whose propensity is known.

    ::

        query, example  (c,) int64 as in ``PositionCounts`` of the log
        slot            (c,) int64 row of the curve
        n, clicks       (c,) impressions and clicks
        theta, beta     (c,) propensity and background; ``theta`` may vary within a slot where the
                        log carries propensities

    Parameters
    ----------
    n_examples : examples of the log, with and without a known slot
    n_aside : impressions at slots without a propensity
    """

    query: IntArray
    example: IntArray
    slot: IntArray
    n: FloatArray
    clicks: FloatArray
    theta: FloatArray
    beta: FloatArray
    n_examples: int
    n_aside: int

    @classmethod
    def of(cls, log: InteractionLog, curve: Propensities) -> SlotCounts:
        """Lay a log out on a curve: from its cells, or one group-by where it has contexts."""
        if curve.per_impression:
            return cls._logged(log, curve)
        cells = log.cells_by(tuple(curve.context))
        counts = log.counts if not curve.context else PositionCounts.from_cells(cells)
        columns = {name: cells[name].to_native() for name in curve.context}
        slot = slot_index(curve, {"position": counts.position, **columns})
        return cls._known(
            curve,
            query=counts.query,
            example=counts.example,
            slot=slot,
            n=counts.impressions.astype(np.float64),
            clicks=counts.clicks.astype(np.float64),
            theta=np.where(slot >= 0, curve.theta[slot], np.nan),
            n_examples=counts.n_examples,
        )

    @classmethod
    def _logged(cls, log: InteractionLog, curve: Propensities) -> SlotCounts:
        """One row per (query, item, position, logged propensity)."""
        keys = ["query", "item", "position", "p"]
        rows = log.frame.select(
            "query",
            "item",
            "position",
            fixed_point(nw.col("propensity").cast(nw.Float64)).alias("p"),
            nw.col("clicked").cast(nw.Int64).alias("clicks"),
        )
        summed = rows.group_by(*keys).agg(nw.len().alias("n"), nw.col("clicks").sum())
        # Engines sum whole numbers into types of their own (DuckDB into 128 bits).
        cells = collect(summed).with_columns(nw.col("n", "clicks").cast(nw.Int64)).sort(*keys)
        # Examples are numbered as the log numbers them: by query, then item.
        counts = PositionCounts.from_cells(cells, impressions="n", clicks="clicks")
        return cls._known(
            curve,
            query=counts.query,
            example=counts.example,
            slot=slot_index(curve, {"position": counts.position}),
            n=counts.impressions.astype(np.float64),
            clicks=counts.clicks.astype(np.float64),
            theta=cells["p"].to_numpy().astype(np.float64) / FIXED_POINT,
            n_examples=counts.n_examples,
        )

    @classmethod
    def _known(
        cls,
        curve: Propensities,
        *,
        query: IntArray,
        example: IntArray,
        slot: IntArray,
        n: FloatArray,
        clicks: FloatArray,
        theta: FloatArray,
        n_examples: int,
    ) -> SlotCounts:
        known = (slot >= 0) & (theta > 0)
        return cls(
            query=query[known],
            example=example[known],
            slot=slot[known],
            n=n[known],
            clicks=clicks[known],
            theta=theta[known],
            beta=curve.background[slot[known]],
            n_examples=n_examples,
            n_aside=int(n[~known].sum()),
        )

    def by_example(self, values: FloatArray) -> FloatArray:
        """Sums per example, (n_examples,)."""
        return np.bincount(self.example, values, self.n_examples).astype(np.float64)
