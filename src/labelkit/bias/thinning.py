"""Impressions dealt at random into two halves that know nothing of each other.

A cell's clicks are coins, so that which of its impressions fall into a half is a draw without
replacement, and the two halves are independent given θ and γ (data thinning, Neufeld et al. 2024).
What is learned from one half may then be used to weigh or sort the other without bias.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from labelkit.bias.poisson import ClickedCells

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Halves:
    """The first half of every cell.

    ::

        n, clicks  (c,) impressions and clicks in it; 0 where not dealt
        dealt      (c,) whether the cell's example was dealt at all
    """

    n: FloatArray
    clicks: FloatArray
    dealt: npt.NDArray[np.bool_]

    def other(self, cells: ClickedCells) -> Halves:
        """The second half."""
        return Halves(cells.n - self.n, cells.clicks - self.clicks, self.dealt)


def deal(cells: ClickedCells, rng: np.random.Generator, *, fewest: int) -> Halves:
    """Deal the impressions of every example whose rarest cell has at least ``fewest``."""
    n, clicks = cells.n.astype(np.int64), cells.clicks.astype(np.int64)
    rarest = np.minimum.reduceat(n, cells.starts)
    dealt = (rarest >= fewest)[cells.segment]
    # An odd impression goes to either half by lot.
    half = np.where(dealt, n // 2 + rng.integers(0, 2, len(n)) * (n % 2), 0)
    of_clicks = np.zeros(len(n), dtype=np.int64)
    of_clicks[dealt] = rng.hypergeometric(clicks[dealt], (n - clicks)[dealt], half[dealt])
    return Halves(half.astype(np.float64), of_clicks.astype(np.float64), dealt)
