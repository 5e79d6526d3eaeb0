"""``PositionCounts``: the sufficient statistic of every position-bias model."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import narwhals as nw
import numpy as np
import numpy.typing as npt

from labelkit.errors import LogError

IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class PositionCounts:
    """Impressions and clicks per (example, position), sparse, sorted by example and position.

    ::

        query        (c,) int64   index of the query, 0 … n_queries-1
        example      (c,) int64   index of the (query, item) pair, 0 … n_examples-1
        position     (c,) int64 ≥ 1
        impressions  (c,) int64 ≥ 0     n_ek
        clicks       (c,) int64 in 0 … impressions     c_ek

    Counts of two logs over the same index add up (``+``) to those of both.
    """

    query: IntArray
    example: IntArray
    position: IntArray
    impressions: IntArray
    clicks: IntArray

    def __post_init__(self) -> None:
        sizes = {len(a) for a in (self.query, self.example, self.position, self.impressions)}
        if sizes != {len(self.clicks)}:
            raise LogError("PositionCounts needs arrays of one length.")
        n_bad = int(np.count_nonzero(self.clicks > self.impressions))
        if n_bad:
            cell = int(np.argmax(self.clicks > self.impressions))
            raise LogError(
                f"{n_bad} cell(s) have more clicks than impressions (first: example "
                f"{self.example[cell]}, position {self.position[cell]}: {self.clicks[cell]} of "
                f"{self.impressions[cell]})."
            )

    @classmethod
    def from_arrays(
        cls,
        query: npt.ArrayLike,
        example: npt.ArrayLike,
        position: npt.ArrayLike,
        impressions: npt.ArrayLike,
        clicks: npt.ArrayLike,
    ) -> PositionCounts:
        """Counts from arrays in any order; rows of the same cell are added up."""
        q, e, k, n, c = (
            np.asarray(a, dtype=np.int64) for a in (query, example, position, impressions, clicks)
        )
        order = np.lexsort((k, e))
        q, e, k, n, c = (a[order] for a in (q, e, k, n, c))
        if not len(e):
            return cls(q, e, k, n, c)
        start = np.flatnonzero(np.concatenate([[True], (e[1:] != e[:-1]) | (k[1:] != k[:-1])]))
        return cls(
            q[start], e[start], k[start], np.add.reduceat(n, start), np.add.reduceat(c, start)
        )

    @classmethod
    def from_cells(
        cls,
        cells: nw.DataFrame[Any],
        *,
        impressions: str = "impressions",
        clicks: str = "clicks",
    ) -> PositionCounts:
        """Counts from a log's sorted cells."""
        new_query = (nw.col("query") != nw.col("query").shift(1)).fill_null(True)
        new_item = (nw.col("item") != nw.col("item").shift(1)).fill_null(True)
        marked = cells.select(
            new_query.alias("q"), (new_query | new_item).alias("e"), "position", impressions, clicks
        )
        return cls(
            np.cumsum(marked["q"].to_numpy().astype(bool)) - 1,
            np.cumsum(marked["e"].to_numpy().astype(bool)) - 1,
            marked["position"].to_numpy().astype(np.int64),
            marked[impressions].to_numpy().astype(np.int64),
            marked[clicks].to_numpy().astype(np.int64),
        )

    def __add__(self, other: PositionCounts) -> PositionCounts:
        pairs = zip(self._arrays, other._arrays, strict=True)
        return PositionCounts.from_arrays(*(np.concatenate(pair) for pair in pairs))

    def __len__(self) -> int:
        return len(self.example)

    @property
    def _arrays(self) -> tuple[IntArray, ...]:
        return self.query, self.example, self.position, self.impressions, self.clicks

    @property
    def n_queries(self) -> int:
        return int(self.query.max(initial=-1)) + 1

    @property
    def n_examples(self) -> int:
        return int(self.example.max(initial=-1)) + 1

    @cached_property
    def positions(self) -> IntArray:
        """The positions that occur, ascending."""
        if len(self) and self.position.min() >= 0 and self.position.max() <= len(self):
            # Counting is quicker than sorting, and positions are small numbers.
            return np.flatnonzero(np.bincount(self.position)).astype(np.int64)
        return np.unique(self.position)

    def where(self, mask: npt.NDArray[np.bool_]) -> PositionCounts:
        """The cells for which ``mask`` holds; indices stay as they are."""
        return PositionCounts(*(a[mask] for a in self._arrays))
