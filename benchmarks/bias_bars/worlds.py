"""Logs of the position-based model, drawn cell by cell: as many as 500 in a minute.

Under the model clicks at different positions are independent, so the clicks of a cell are binomial
in its impressions: a log of ten million impressions costs what its cells cost. ``Draw.pages``
lays the same clicks out page by page, for rivals that want rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from labelkit.demo import data
from labelkit.logs import PositionCounts

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

GOOD = (0.8, 0.6, 0.4)


@dataclass(frozen=True)
class World:
    """What is shown, how attractive it is, how likely it is looked at.

    ::

        shown     (R, Q, K) example that ranker r shows for query q at position k + 1
        gamma     (E,) attractiveness of each example
        traffic   (R, Q) share of the pages, sum 1
        theta     (K,) examination
    """

    shown: IntArray
    gamma: FloatArray
    traffic: FloatArray
    theta: FloatArray

    @classmethod
    def synthetic(
        cls,
        seed: int,
        *,
        n_queries: int = 1_000,
        n_items: int = 20,
        n_positions: int = 10,
        rankers: Sequence[float] = GOOD,
        zipf: float = 1.0,
        eta: float = 1.0,
    ) -> World:
        """γ ~ Beta(1, 4); rankers order by quality · z(γ) + noise, fixed per query, as simulate."""
        rng = np.random.default_rng([seed, 1])
        gamma = rng.beta(1.0, 4.0, (n_queries, n_items))
        z = (gamma - gamma.mean()) / gamma.std()
        first = np.arange(n_queries)[:, None] * n_items
        shown = np.stack(
            [
                np.argsort(-(quality * z + rng.standard_normal(gamma.shape)), axis=1)[
                    :, :n_positions
                ]
                + first
                for quality in rankers
            ]
        )
        popularity = np.arange(1, n_queries + 1, dtype=np.float64) ** -zipf
        traffic = np.tile(popularity / popularity.sum(), (len(rankers), 1)) / len(rankers)
        theta = np.arange(1, n_positions + 1, dtype=np.float64) ** -eta
        return cls(shown, gamma.ravel(), traffic, theta)

    @classmethod
    def of_grades(cls, seed: int, *, eta: float = 1.0, n_positions: int = 10) -> World:
        """Real grades (the shipped ranking data) as ``Catalogue.of`` maps them; queries alike.

        Queries with fewer items than positions are left out: a page is full here.
        """
        graded = data.load().select(*data.KEYS, grade=data.GRADE)
        graded = graded.filter(pl.len().over("query") >= n_positions).sort("query")
        gamma = 0.1 + 0.9 * (2.0 ** graded["grade"].to_numpy() - 1) / 15
        z = (gamma - gamma.mean()) / gamma.std()
        query = graded["query"].rle_id().to_numpy().astype(np.int64)
        first = np.flatnonzero(np.diff(query, prepend=-1))
        rng = np.random.default_rng([seed, 1])
        shown = []
        for quality in GOOD:
            order = np.lexsort((-(quality * z + rng.standard_normal(len(z))), query))
            shown.append(order[first[:, None] + np.arange(n_positions)])
        traffic = np.full((len(GOOD), len(first)), 1 / (len(GOOD) * len(first)))
        theta = np.arange(1, n_positions + 1, dtype=np.float64) ** -eta
        return cls(np.stack(shown), gamma, traffic, theta)

    def draw(self, n_impressions: int, seed: int) -> Draw:
        rng = np.random.default_rng([seed, 2])
        n_pages = round(n_impressions / len(self.theta))
        pages = rng.multinomial(n_pages, self.traffic.ravel()).reshape(self.traffic.shape)
        rate = self.gamma[self.shown] * self.theta
        return Draw(self, pages, rng.binomial(pages[:, :, None], rate))


@dataclass(frozen=True)
class Draw:
    """A log of a world: pages (R, Q) and clicks (R, Q, K)."""

    world: World
    page_counts: IntArray
    clicks: IntArray

    @property
    def counts(self) -> PositionCounts:
        """The statistic that a group-by of the log would give."""
        _, n_queries, n_positions = self.clicks.shape
        impressions = np.broadcast_to(self.page_counts[:, :, None], self.clicks.shape)
        cell = impressions > 0
        query = np.broadcast_to(np.arange(n_queries)[None, :, None], self.clicks.shape)[cell]
        position = np.broadcast_to(np.arange(1, n_positions + 1), self.clicks.shape)[cell]
        return PositionCounts.from_arrays(
            query, self.world.shown[cell], position, impressions[cell], self.clicks[cell]
        )

    def pages(self, seed: int) -> tuple[IntArray, IntArray]:
        """Examples and clicks of every page, each (n_pages, K), in random order."""
        rng = np.random.default_rng([seed, 3])
        ranker, query = np.nonzero(self.page_counts)
        n = self.page_counts[ranker, query]
        group = np.repeat(np.arange(len(n)), n)
        start = np.repeat(np.cumsum(n) - n, n)
        place = np.arange(len(group)) - start
        clicked = np.empty((len(group), self.clicks.shape[2]), dtype=np.int64)
        for k in range(clicked.shape[1]):
            # Which of a cell's pages were clicked is a matter of lot: the first c of a shuffle.
            order = np.lexsort((rng.random(len(group)), group))
            clicked[order, k] = place < self.clicks[ranker, query, k][group]
        shuffle = rng.permutation(len(group))
        shown = self.world.shown[ranker, query][group]
        return shown[shuffle], clicked[shuffle]
