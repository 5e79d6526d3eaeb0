"""From pages to clicked impressions: when each page was shown, and what was clicked on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from labelkit.logs.simulator.clock import SPAN_S, window_of
from labelkit.logs.simulator.pages import Pages, Shelf
from labelkit.logs.simulator.rows import BoolArray, FloatArray, IntArray, PageRows
from labelkit.logs.simulator.truth import Truth


@dataclass(frozen=True)
class Impressions:
    """Rows of a log as arrays, (n,) each, the rows of a page and of a session side by side.

    Parameters
    ----------
    session, page : numbers from 0; the same where a session is a page
    slot : position − 1
    row : row of the catalogue
    gamma : attractiveness when it was shown
    clicked : what is simulated
    elapsed : microseconds since the log's start, the same for all of a page
    ranker : number of the ranker
    shuffled : whether the page is in random order
    partner : position paired with in a swap, 0 outside; None without swaps
    device, window : numbers of the device and the window; None without them
    """

    session: IntArray
    page: IntArray
    slot: IntArray
    row: npt.NDArray[np.int32]
    gamma: FloatArray
    clicked: BoolArray
    elapsed: IntArray
    ranker: IntArray
    shuffled: BoolArray
    partner: npt.NDArray[np.int8] | None
    device: IntArray | None
    window: IntArray | None

    def __len__(self) -> int:
        return len(self.session)

    def at(self, rows: BoolArray | IntArray | slice) -> Impressions:
        """Some of the rows."""
        taken: dict[str, Any] = {}  # by field, each of its own type
        for field in fields(self):
            value = getattr(self, field.name)
            taken[field.name] = None if value is None else value[rows]
        return Impressions(**taken)

    @classmethod
    def concat(cls, parts: Sequence[Impressions]) -> Impressions:
        """The rows of several parts, one after the other."""
        if len(parts) == 1:
            return parts[0]
        joined: dict[str, Any] = {}
        for field in fields(cls):
            values = [getattr(part, field.name) for part in parts]
            joined[field.name] = None if values[0] is None else np.concatenate(values)
        return cls(**joined)


@dataclass(frozen=True)
class Stretch:
    """A stretch of the log: rows ``first`` to ``first + n_rows``, and the time that goes by."""

    first: int
    n_rows: int


def draw_impressions(
    rng: np.random.Generator, shelf: Shelf, stretch: Stretch, *, session: int, page: int
) -> Impressions:
    """The impressions of a stretch, in sessions and pages numbered from ``session``, ``page``."""
    parts: list[Impressions] = []
    missing = stretch.n_rows
    while missing > 0:
        part = _draw_part(rng, shelf, stretch, missing, session, page)
        parts.append(part)
        missing -= len(part)
        session, page = int(part.session[-1]) + 1, int(part.page[-1]) + 1
    together = Impressions.concat(parts)
    if len(parts) == 1:
        return together
    # Content people left early, and others came for their rows, each part over the whole stretch.
    # Sessions go into the order of their first page.
    begins = np.flatnonzero(np.diff(together.session, prepend=-1))
    lengths = np.diff(begins, append=len(together))
    start = np.repeat(together.elapsed[begins], lengths)
    return together.at(np.lexsort((together.session, start)))


def _draw_part(
    rng: np.random.Generator,
    shelf: Shelf,
    stretch: Stretch,
    n_rows: int,
    session: int,
    page: int,
) -> Impressions:
    truth = shelf.truth
    pages = shelf.draw(rng, n_rows, session)
    at_page, slot = np.nonzero(pages.shown >= 0)
    at_page, slot = at_page[:n_rows], slot[:n_rows]
    row = pages.shown[at_page, slot]
    # Sessions begin evenly over the stretch's share of four weeks.
    start = np.flatnonzero(slot == 0)
    n_pages = len(start)
    device = _devices(rng, truth, pages.session[:n_pages])
    elapsed = _page_times(rng, truth, pages.session[:n_pages], start, stretch, n_rows)
    window = None if truth.drift is None else window_of(elapsed, truth.n_windows)[at_page]
    at_device = None if device is None else device[at_page]
    gamma = truth.gamma(row, window)
    drawn = Impressions(
        session=pages.session[at_page],
        page=page + at_page,
        slot=slot,
        row=row,
        gamma=gamma,
        clicked=_draw_clicks(rng, truth, pages, at_page, slot, row, gamma, at_device, window),
        elapsed=elapsed[at_page],
        ranker=pages.ranker[at_page],
        shuffled=pages.shuffled[at_page],
        partner=None if pages.partner is None else pages.partner[at_page, slot],
        device=at_device,
        window=window,
    )
    if truth.sessions is None or truth.sessions.ends_content == 0:
        return drawn
    return drawn.at(_until_content(rng, truth, drawn))


def _devices(rng: np.random.Generator, truth: Truth, session: IntArray) -> IntArray | None:
    """(n_pages,) number of the device: one for a session."""
    if not truth.devices:
        return None
    shares = np.cumsum([device.share for device in truth.devices])
    which = session - session[0]
    drawn = rng.random(int(which[-1]) + 1) * shares[-1]
    return np.asarray(np.searchsorted(shares, drawn, side="right")[which])


def _page_times(
    rng: np.random.Generator,
    truth: Truth,
    session: IntArray,
    start: IntArray,
    stretch: Stretch,
    n_rows: int,
) -> IntArray:
    """(n_pages,) microseconds since the log's start."""
    scale = stretch.n_rows / n_rows
    spacing = SPAN_S / truth.n_impressions
    seconds = (stretch.first + start * scale) * spacing
    if truth.sessions is not None or truth.bots is not None:
        later = session == np.concatenate([[-1], session[:-1]])
        begins = np.flatnonzero(~later)
        lengths = np.diff(begins, append=len(session))
        mean = np.full(len(session), 1.0 if truth.sessions is None else truth.sessions.gap_s)
        if truth.bots is not None:
            mean[truth.is_bot(session)] = truth.bots.gap_s
        gaps = np.cumsum(np.where(later, rng.exponential(mean), 0.0))
        seconds = np.repeat(seconds[begins] - gaps[begins], lengths) + gaps
    return (seconds * 1e6).astype(np.int64)


def _draw_clicks(
    rng: np.random.Generator,
    truth: Truth,
    pages: Pages,
    at_page: IntArray,
    slot: IntArray,
    row: npt.NDArray[np.int32],
    gamma: FloatArray,
    device: IntArray | None,
    window: IntArray | None,
) -> BoolArray:
    patience = None
    if truth.sessions is not None and truth.sessions.steady > 0:
        which = pages.session[at_page] - pages.session[0]
        n_sessions = int(which[-1]) + 1
        steady = rng.random(n_sessions) < truth.sessions.steady
        patience = np.where(steady, rng.random(n_sessions), np.nan)[which]
    rows = PageRows(at_page, slot, gamma, truth.satisfaction(row), patience)
    clicked = np.zeros(len(rows), dtype=bool)
    for model, mask in truth.groups(device, window):
        clicked[mask] = model.draw(rng, rows.where(mask))
    if truth.bots is not None:
        bots = truth.is_bot(pages.session[at_page])
        clicked[bots] = rng.random(int(bots.sum())) < truth.bots.click_rate
    return clicked


def _until_content(rng: np.random.Generator, truth: Truth, drawn: Impressions) -> BoolArray:
    """(n,) which impressions were shown: a session may end with its first page with a click."""
    people = truth.sessions
    starts = np.flatnonzero(drawn.slot == 0)
    session = drawn.session[starts]
    clicked = np.add.reduceat(drawn.clicked.astype(np.int64), starts) > 0
    ends = clicked & (rng.random(len(starts)) < (0.0 if people is None else people.ends_content))
    ends &= ~truth.is_bot(session)
    ended: IntArray = np.cumsum(ends) - ends
    begins = np.flatnonzero(np.diff(session, prepend=-1))
    before: IntArray = np.repeat(ended[begins], np.diff(begins, append=len(session)))
    return np.repeat(ended == before, np.diff(starts, append=len(drawn)))
