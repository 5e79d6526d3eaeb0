"""Columns that a log may have besides who saw what and clicked."""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt
import polars as pl

from labelkit.errors import LogError
from labelkit.logs.simulator.clock import SPAN_US, moments
from labelkit.logs.simulator.impressions import Impressions
from labelkit.logs.simulator.rows import BoolArray, FloatArray, IntArray
from labelkit.logs.simulator.traffic import mixed
from labelkit.logs.simulator.truth import Truth, is_position_based, position_based

Extra = Literal[
    "user",
    "device",
    "dwell",
    "conversion",
    "propensity",
    "randomised",
    "page",
    "click_time",
    "conversion_time",
]
EXTRAS: tuple[str, ...] = get_args(Extra)

# P(conversion | click) on an item of attractiveness 1.
CONVERSION = 0.3

# Mean seconds that each result takes on the way down a page.
PER_RESULT_S = 2.0

# Bots read nothing: their dwell is this part of a person's on an item of no attractiveness.
BOT_DWELL = 0.02


def check_extras(extras: Collection[str], truth: Truth) -> frozenset[str]:
    """The extras as a set, without what no such log can have."""
    unknown = set(extras) - set(EXTRAS)
    if unknown:
        raise LogError(f"Unknown extras {sorted(unknown)}; there are {EXTRAS}.")
    odd = [model for model in truth.models if not is_position_based(model)]
    if "propensity" in extras and odd:
        raise LogError(
            f"A log of a {type(odd[0]).__name__} has no propensity to log: what is examined "
            "depends on the clicks above."
        )
    return frozenset(extras)


def extra_columns(
    rng: np.random.Generator, truth: Truth, extras: frozenset[str], drawn: Impressions
) -> list[pl.Series]:
    """The extras of a stretch of the log, and those that its settings bring with them."""
    columns: list[pl.Series] = []
    which = drawn.session - drawn.session.min()
    n_sessions = int(which.max()) + 1
    bots = truth.is_bot(drawn.session) if truth.bots else None
    if "page" in extras or truth.sessions or truth.bots:
        columns.append(pl.Series("page", drawn.page))
    if "user" in extras:
        columns.append(pl.Series("user", _users(rng, truth, drawn.session, which, n_sessions)))
    if drawn.device is not None:
        kind = pl.Enum([device.name for device in truth.devices])
        columns.append(pl.Series("device", list(kind.categories), dtype=kind).gather(drawn.device))
    elif "device" in extras:
        devices = pl.Series(["desktop", "mobile"], dtype=pl.Enum(["desktop", "mobile"]))
        columns.append(devices.gather(rng.integers(0, 2, n_sessions)[which]).alias("device"))
    clicked_at = drawn.elapsed
    if "click_time" in extras:
        clicked_at = clicked_at + _seconds_down_the_page(rng, drawn)
        columns.append(pl.Series("click_time", moments(clicked_at, drawn.clicked)))
    if "dwell" in extras:
        seconds = rng.lognormal(np.log(10.0) + 2.0 * drawn.gamma, 1.0)
        if bots is not None:
            seconds = np.where(bots, BOT_DWELL * seconds / np.exp(2.0 * drawn.gamma), seconds)
        # NaN, not null, would be a number to some engines.
        columns.append(pl.Series("dwell", np.where(drawn.clicked, seconds, np.nan)).fill_nan(None))
    if extras & {"conversion", "conversion_time"}:
        bought = drawn.clicked & (rng.random(len(drawn)) < CONVERSION * drawn.gamma)
        if bots is not None:
            bought &= ~bots
        if "conversion_time" in extras:
            bought, when = _conversions(rng, truth, bought, clicked_at)
            columns.append(pl.Series("conversion_time", when))
        columns.append(pl.Series("conversion", bought.astype(np.int8)))
    if "propensity" in extras:
        columns.append(pl.Series("propensity", _examination(truth, drawn)))
    if "randomised" in extras or truth.swaps:
        flagged: BoolArray = drawn.shuffled
        if drawn.partner is not None:
            flagged = flagged | (drawn.partner > 0)
        columns.append(pl.Series("randomised", flagged.astype(np.int8)))
    if drawn.partner is not None:
        columns.append(pl.Series("swapped_with", drawn.partner))
    return columns


def _seconds_down_the_page(rng: np.random.Generator, drawn: Impressions) -> IntArray:
    """(n,) microseconds from the page to its click at this row; more further down."""
    taken = np.cumsum(rng.exponential(PER_RESULT_S * 1e6, len(drawn)).astype(np.int64))
    starts = np.flatnonzero(drawn.slot == 0)
    before = np.concatenate([[0], taken])[starts]
    return np.asarray(taken - np.repeat(before, np.diff(starts, append=len(drawn))))


def _conversions(
    rng: np.random.Generator, truth: Truth, bought: BoolArray, clicked_at: IntArray
) -> tuple[BoolArray, npt.NDArray[np.datetime64]]:
    """Which conversions came before the log's end, and when; the others have not come yet."""
    delay = rng.exponential(truth.conversion_delay_s * 1e6, len(bought)).astype(np.int64)
    when = clicked_at + delay
    seen = bought & (when < SPAN_US)
    return seen, moments(when, seen)


def _users(
    rng: np.random.Generator,
    truth: Truth,
    session: IntArray,
    which: IntArray,
    n_sessions: int,
) -> IntArray:
    # About ten pages a user, whatever the size of the log.
    n_users = max(1, truth.n_impressions // (10 * truth.clicks.n_positions))
    users = rng.integers(0, n_users, n_sessions)[which]
    if truth.bots is None:
        return users
    # Bots are users of their own, in the same share as among sessions.
    n_bots = max(1, round(n_users * truth.bots.share))
    own = n_users + (mixed(session, truth.seed + 1) % np.uint64(n_bots)).astype(np.int64)
    return np.where(truth.is_bot(session), own, users)


def _examination(truth: Truth, drawn: Impressions) -> FloatArray:
    theta = np.empty(len(drawn))
    for model, mask in truth.groups(drawn.device, drawn.window):
        theta[mask] = position_based(model).examination[drawn.slot[mask]]
    return theta
