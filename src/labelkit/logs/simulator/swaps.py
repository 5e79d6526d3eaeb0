"""``Swaps``: two results trade places at random, and the log says which."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from labelkit.errors import LogError
from labelkit.logs.simulator.rows import BoolArray, IntArray


@dataclass(frozen=True)
class Swaps:
    """A swap experiment: a pair of positions is drawn, and a coin says whether they trade items.

    Both results of the pair are flagged in ``randomised``, traded or not, and carry the other's
    position in ``swapped_with``. Given the pair, each of its two items stood at either position
    with probability 1/2, so that *within a pair* click rates compare like with like. Pooled over
    pairs they do not: position 1 is in every pair, the others are in one.

    Parameters
    ----------
    kind : "first" trades position 1 with a random lower one; "adjacent" trades neighbours
    share : share of pages with an experiment, in [0, 1]

    References
    ----------
    Joachims, Swaminathan, Schnabel (2017), section 5, for 1 with k; Radlinski, Joachims (2006),
    *Minimally invasive randomization* (FairPairs), for neighbours.
    """

    kind: Literal["first", "adjacent"] = "first"
    share: float = 0.1

    def __post_init__(self) -> None:
        if self.kind not in ("first", "adjacent") or not 0 <= self.share <= 1:
            raise LogError(
                f"Swaps need kind 'first' or 'adjacent' and share in [0, 1]; got {self}."
            )

    def trade(
        self, pages: npt.NDArray[np.int32], eligible: BoolArray, rng: np.random.Generator
    ) -> npt.NDArray[np.int8]:
        """Trade items on a share of the eligible pages, in place; partners' positions, (n, K).

        Parameters
        ----------
        pages : (n, K) rows of the catalogue, -1 past the last item of a page; changed
        eligible : (n,) pages that may take part

        Returns
        -------
        (n, K) the position that each result was paired with, 0 outside the experiment
        """
        partner = np.zeros(pages.shape, dtype=np.int8)
        lengths: IntArray = (pages >= 0).sum(axis=1)
        chosen = np.flatnonzero(eligible & (lengths > 1) & (rng.random(len(pages)) < self.share))
        drawn = rng.integers(0, lengths[chosen] - 1)
        upper = np.zeros_like(drawn) if self.kind == "first" else drawn
        lower = drawn + 1
        partner[chosen, upper], partner[chosen, lower] = lower + 1, upper + 1
        heads = rng.random(len(chosen)) < 0.5
        page, a, b = chosen[heads], upper[heads], lower[heads]
        pages[page, a], pages[page, b] = pages[page, b], pages[page, a]
        return partner
