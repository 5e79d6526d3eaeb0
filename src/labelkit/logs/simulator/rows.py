"""What a click model is shown, and what it must be able to say: ``PageRows`` and ``PageClicks``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class PageRows:
    """Impressions as a click model sees them: the rows of a page side by side, from the top.

    Parameters
    ----------
    page : (n,) number of the page, never falling
    slot : (n,) position − 1; 0, 1, 2, … within a page
    gamma : (n,) attractiveness in [0, 1]
    satisfaction : (n,) P(satisfied | clicked) in [0, 1]; None where the catalogue has none
    patience : (n,) how deep this person looks today, uniform in [0, 1), the same for all pages of
        a session; NaN where each impression is decided on its own; None where all are
    """

    page: IntArray
    slot: IntArray
    gamma: FloatArray
    satisfaction: FloatArray | None = None
    patience: FloatArray | None = None

    def __len__(self) -> int:
        return len(self.page)

    def where(self, mask: BoolArray | slice) -> PageRows:
        """The rows of whole pages."""
        kept: dict[str, Any] = {}  # by field, each of its own type
        for field in fields(self):
            value = getattr(self, field.name)
            kept[field.name] = None if value is None else value[mask]
        return PageRows(**kept)

    def from_the_top(self) -> Iterator[tuple[int, IntArray, IntArray]]:
        """For each slot k in order: k, the pages that have it (0-based), and their rows there."""
        starts = np.flatnonzero(self.slot == 0)
        lengths = np.diff(starts, append=len(self))
        for k in range(int(lengths.max(initial=0))):
            pages = np.flatnonzero(lengths > k)
            yield k, pages, starts[pages] + k


class PageClicks(Protocol):
    """A click model: draws clicks, and knows how probable each was before anything was seen."""

    @property
    def n_positions(self) -> int:
        """Length K of a page."""

    def draw(self, rng: np.random.Generator, rows: PageRows) -> BoolArray:
        """(n,) which impressions are clicked."""

    def probability(self, rows: PageRows) -> FloatArray:
        """(n,) P(click), given the page but none of its clicks."""

    def steeper(self, power: float) -> PageClicks:
        """The same model with every examination probability raised to ``power``."""
