"""Which pages people are shown: sessions, their queries, rankers, shuffles and swaps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from labelkit.logs.simulator.catalogue import Catalogue
from labelkit.logs.simulator.rankers import order_items
from labelkit.logs.simulator.rows import BoolArray, FloatArray, IntArray
from labelkit.logs.simulator.truth import Truth


@dataclass(frozen=True)
class Pages:
    """Pages in the order in which they are shown, those of a session side by side.

    Parameters
    ----------
    shown : (n, K) rows of the catalogue, -1 past a page's last item
    ranker : (n,) number of the ranker
    session : (n,) number of the session, from 0
    shuffled : (n,) whether the page is in random order
    partner : (n, K) position that a result was paired with in a swap, else 0; None without swaps
    """

    shown: npt.NDArray[np.int32]
    ranker: IntArray
    session: IntArray
    shuffled: BoolArray
    partner: npt.NDArray[np.int8] | None


@dataclass(frozen=True)
class Shelf:
    """Everything about pages that is drawn once.

    Parameters
    ----------
    orders : (n_rankers, n_queries, K) rows of the catalogue, -1 past a query's last
    traffic : (n_queries,) cumulative share of queries
    """

    truth: Truth
    orders: npt.NDArray[np.int32]
    traffic: FloatArray

    @classmethod
    def of(cls, truth: Truth, catalogue: Catalogue) -> Shelf:
        """Let each ranker order each query."""
        rng = np.random.default_rng([truth.seed, 0])
        depth = truth.clicks.n_positions
        orders = np.stack([order_items(catalogue, r, depth, rng) for r in truth.rankers])
        return cls(truth, orders, np.cumsum(catalogue.popularity))

    def draw(self, rng: np.random.Generator, n_rows: int, session: int) -> Pages:
        """Pages of at least ``n_rows`` impressions, in sessions numbered from ``session``."""
        lengths = (self.orders[0] >= 0).sum(axis=1)
        mean = float(lengths @ np.diff(self.traffic, prepend=0.0) / self.traffic[-1])
        shares = np.cumsum([ranker.share for ranker in self.truth.rankers])
        shown: list[npt.NDArray[np.int32]] = []
        rankers: list[IntArray] = []
        sessions: list[IntArray] = []
        missing, next_session = n_rows, session
        while missing > 0:
            number = self._draw_sessions(rng, missing / mean, next_session)
            query = np.searchsorted(
                self.traffic, rng.random(len(number)) * self.traffic[-1], side="right"
            )
            if self.truth.sessions is not None and self.truth.sessions.repeat > 0:
                query = self._repeat(rng, query, number)
            who = np.searchsorted(shares, rng.random(len(number)) * shares[-1], side="right")
            shown.append(self.orders[who, query])
            rankers.append(who)
            sessions.append(number)
            missing -= int(lengths[query].sum())
            next_session = int(number[-1]) + 1
        pages = np.concatenate(shown)
        shuffled = rng.random(len(pages)) < self.truth.randomised_share
        if shuffled.any():
            # Random keys order the items; the empty slots of a short page stay at its end.
            keys = rng.random(pages[shuffled].shape) + 2.0 * (pages[shuffled] < 0)
            pages[shuffled] = np.take_along_axis(pages[shuffled], keys.argsort(axis=1), axis=1)
        swaps = self.truth.swaps
        partner = None if swaps is None else swaps.trade(pages, ~shuffled, rng)
        return Pages(pages, np.concatenate(rankers), np.concatenate(sessions), shuffled, partner)

    def _draw_sessions(self, rng: np.random.Generator, n_pages: float, first: int) -> IntArray:
        """About ``n_pages`` pages: the session of each."""
        people, bots = self.truth.sessions, self.truth.bots
        usual = 1.0 if people is None else people.pages
        mean = usual if bots is None else (1 - bots.share) * usual + bots.share * bots.pages
        # Two in a hundred more than needed, so that a second helping is rare.
        session = first + np.arange(int(n_pages / mean * 1.02) + 8)
        if people is None and bots is None:
            return session
        expected = np.full(len(session), usual)
        if bots is not None:
            expected[self.truth.is_bot(session)] = bots.pages
        return np.repeat(session, rng.geometric(1.0 / expected))

    def _repeat(self, rng: np.random.Generator, query: IntArray, session: IntArray) -> IntArray:
        """The queries of pages, where some pages of a session ask again what the last one did."""
        people = self.truth.sessions
        again = rng.random(len(query)) < (0.0 if people is None else people.repeat)
        again &= session == np.concatenate([[-1], session[:-1]])
        if self.truth.bots is not None:
            again &= ~self.truth.is_bot(session)
        asked = np.maximum.accumulate(np.where(again, 0, np.arange(len(query))))
        return np.asarray(query[asked])
