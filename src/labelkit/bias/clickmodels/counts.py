"""``PageCounts``: what click models are fitted from, by one group-by of the log's engine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import narwhals as nw
import numpy as np
import numpy.typing as npt

from labelkit.errors import LogError

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

CELL = ("query", "item", "position", "previous")
SUMS = ("impressions", "clicks", "reached", "last")


@dataclass(frozen=True)
class PageCounts:
    """Sums per (example, position, position of the previous click on the page), sparse, sorted.

    ::

        example      (c,) int64  index of the (query, item) pair, 0 … n_examples-1
        position     (c,) int64 ≥ 1
        previous     (c,) int64  position of the nearest click above on the same page, 0 if none
        impressions  (c,) int64
        clicks       (c,) int64  clicked impressions
        reached      (c,) int64  impressions at or above the last click of their page, or on a
                                 page without a click
        last         (c,) int64  clicks that were the last, the lowest, of their page

    Counts of two logs over the same index add up (``+``) to those of both.
    """

    example: IntArray
    position: IntArray
    previous: IntArray
    impressions: IntArray
    clicks: IntArray
    reached: IntArray
    last: IntArray

    def __post_init__(self) -> None:
        if len({len(values) for values in self._arrays}) > 1:
            raise LogError("PageCounts needs arrays of one length.")
        if np.any(self.clicks > self.impressions) or np.any(self.last > self.clicks):
            raise LogError("PageCounts needs last ≤ clicks ≤ impressions in every cell.")

    @classmethod
    def from_arrays(cls, *arrays: npt.ArrayLike) -> PageCounts:
        """Counts from arrays in the order of the fields, rows in any order; equal cells add up."""
        example, position, previous, *sums = (np.asarray(a, dtype=np.int64) for a in arrays)
        order = np.lexsort((previous, position, example))
        keys = [values[order] for values in (example, position, previous)]
        new = np.ones(len(order), dtype=bool)
        new[1:] = np.any([values[1:] != values[:-1] for values in keys], axis=0)
        start = np.flatnonzero(new)
        added = (np.add.reduceat(v[order], start) if len(start) else v[order] for v in sums)
        return cls(*(values[start] for values in keys), *added)

    def __add__(self, other: PageCounts) -> PageCounts:
        pairs = zip(self._arrays, other._arrays, strict=True)
        return PageCounts.from_arrays(*(np.concatenate(pair) for pair in pairs))

    def __len__(self) -> int:
        return len(self.example)

    @property
    def _arrays(self) -> tuple[IntArray, ...]:
        keys = self.example, self.position, self.previous
        return *keys, self.impressions, self.clicks, self.reached, self.last

    @property
    def n_examples(self) -> int:
        return int(self.example.max(initial=-1)) + 1

    @property
    def depth(self) -> int:
        """The lowest position that occurs."""
        return int(self.position.max(initial=0))

    def by_example(self, values: npt.NDArray[Any]) -> FloatArray:
        """Sums over an example's cells, (n_examples,)."""
        return np.bincount(self.example, values, self.n_examples).astype(np.float64)

    def by_position(self, values: npt.NDArray[Any]) -> FloatArray:
        """Sums over a position's cells, (depth + 1,); entry 0 is unused."""
        return np.bincount(self.position, values, self.depth + 1).astype(np.float64)


def count_pages(impressions: nw.LazyFrame[Any], depth: int) -> nw.LazyFrame[Any]:
    """The group-by behind ``PageCounts``, lazy.

    Parameters
    ----------
    impressions : ``query``, ``item``, ``position``, ``clicked`` (0/1), ``bit`` (2^(position−1))
        and ``mask``, the sum of the bits of the page's clicks
    depth : the lowest position

    Returns
    -------
    lazy frame with the columns ``CELL`` and ``SUMS``
    """
    mask, bit = nw.col("mask"), nw.col("bit")
    # Whole-number arithmetic only: exact, and the same, on every engine.
    above = mask % bit
    previous = nw.lit(0).cast(nw.Int64)
    for k in range(1, depth):
        previous = previous + (above >= 2 ** (k - 1)).cast(nw.Int64)
    marked = impressions.select(
        "query",
        "item",
        "position",
        previous.alias("previous"),
        nw.lit(1).cast(nw.Int64).alias("impressions"),
        nw.col("clicked").alias("clicks"),
        ((mask == 0) | (mask >= bit)).cast(nw.Int64).alias("reached"),
        ((nw.col("clicked") == 1) & (mask < 2 * bit)).cast(nw.Int64).alias("last"),
    )
    return marked.group_by(*CELL).agg(*(nw.col(name).sum() for name in SUMS))


def index_examples(table: nw.DataFrame[Any]) -> tuple[PageCounts, nw.DataFrame[Any]]:
    """Counts over an index of examples, and that index: ``query``, ``item``, ``example``."""
    table = table.sort(*CELL)
    new = (nw.col("query") != nw.col("query").shift(1)).fill_null(True) | (
        nw.col("item") != nw.col("item").shift(1)
    ).fill_null(True)
    is_new = table.select(new=new)["new"].to_numpy().astype(bool)
    example = np.cumsum(is_new) - 1
    numbers = [table[name].to_numpy().astype(np.int64) for name in (*CELL[2:], *SUMS)]
    counts = PageCounts(example, *numbers)
    series = nw.new_series("example", example, nw.Int64, backend=table.implementation)
    index = table.select("query", "item").with_columns(series)
    keep = nw.new_series("__new__", is_new, nw.Boolean, backend=table.implementation)
    return counts, index.with_columns(keep).filter(nw.col("__new__")).drop("__new__")
