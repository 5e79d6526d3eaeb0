"""``Pages``: result pages row by row, in reading order, for likelihoods on held-out data."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from labelkit.errors import LogError

IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Pages:
    """Impressions sorted by page and position.

    ::

        page      (n,) int64 ascending
        query     (n,) int64 index of the query
        example   (n,) int64 index in the counts that models are fitted from; -1 if not in them
        position  (n,) int64 ≥ 1, ascending within a page
        clicked   (n,) bool
    """

    page: IntArray
    query: IntArray
    example: IntArray
    position: IntArray
    clicked: BoolArray

    def __post_init__(self) -> None:
        same = self.page[1:] == self.page[:-1]
        rises = self.position[1:] > self.position[:-1]
        if np.any(self.page[1:] < self.page[:-1]) or np.any(same & ~rises):
            raise LogError("Pages must be sorted by page and position, each position once a page.")

    def __len__(self) -> int:
        return len(self.page)

    @cached_property
    def first(self) -> BoolArray:
        """(n,) whether a row opens its page."""
        first = np.ones(len(self), dtype=bool)
        first[1:] = self.page[1:] != self.page[:-1]
        return first

    @cached_property
    def stretch_start(self) -> IntArray:
        """(n,) row at which the stretch without a click above this row begins: the page's first
        row, or the row below the nearest click above."""
        opens = self.first.copy()
        opens[1:] |= self.clicked[:-1]
        return np.flatnonzero(opens)[np.cumsum(opens) - 1] if len(self) else np.zeros(0, np.int64)

    @cached_property
    def click_above(self) -> IntArray:
        """(n,) row of the nearest click above on the same page; -1 if none."""
        start = self.stretch_start
        return np.where(self.first[start], -1, start - 1)

    @cached_property
    def previous(self) -> IntArray:
        """(n,) position of the nearest click above on the same page; 0 if none."""
        row = self.click_above
        return np.where(row < 0, 0, self.position[row])
