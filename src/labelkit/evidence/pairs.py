"""Clicks as preferences between items of one page (Joachims 2002; Joachims et al. 2005).

A click says little of an item alone, and more of it against what the user passed over to reach
it: such pairs are free of position bias in one direction, since the loser was looked at too.
"""

from __future__ import annotations

from typing import Any, Literal, get_args

import narwhals as nw

from labelkit.engine import NativeFrame, collect, to_native_like
from labelkit.errors import LogError
from labelkit.evidence.pages import last_clicks
from labelkit.logs import InteractionLog
from labelkit.logs.schema import page_columns

PairKind = Literal[
    "click_over_skip_above",
    "last_click_over_skip_above",
    "click_over_skip_previous",
    "click_over_no_click_next",
]


def preference_pairs(
    log: InteractionLog, *, kind: PairKind = "click_over_skip_above"
) -> NativeFrame:
    """Which item was preferred to which, how often.

    Parameters
    ----------
    kind : which pairs of a page count
        - "click_over_skip_above": a clicked item over each unclicked one above it
        - "last_click_over_skip_above": the same for the last click of the page alone; with a
          ``click_time`` the latest click, else the lowest
        - "click_over_skip_previous": a clicked item over the unclicked one right above it
        - "click_over_no_click_next": a clicked item over the unclicked one right below it

    Returns
    -------
    frame of the kind that the log was read from: ``query``, ``winner``, ``loser``, ``n`` (pages),
    sorted.

    Raises
    ------
    LogError
        The kind is unknown, or the log has neither page nor session.

    Notes
    -----
    In the eye-tracking study of Joachims et al. (2005) such pairs agreed with explicit judgments
    in 78–81 % (last click over skip above 81, click over skip above 79, over skip previous 79,
    over no-click next 79) of cases. Pairs with an item above favour items ranked low: a loser
    must have been ranked above, so that flipping every ranking explains them as well. Do not
    train a ranker on them without the inverse (Radlinski & Joachims 2005), or on randomised pages.
    """
    if kind not in get_args(PairKind):
        raise LogError(f"kind is one of {', '.join(get_args(PairKind))}; got {kind!r}.")
    if not {"page", "session"} & set(log.columns):
        raise LogError(
            "Preferences are between items of one page, and the log does not say which rows are "
            "of one: map 'page' or 'session'."
        )
    by = list(page_columns(log.columns))
    if kind == "last_click_over_skip_above":
        winners = last_clicks(log)
    else:
        winners = log.frame.filter(nw.col("clicked") == 1)
    winners = winners.select(*by, winner="item", at="position")
    losers = log.frame.filter(nw.col("clicked") == 0).select(*by, loser="item", below="position")
    if kind == "click_over_skip_previous":
        losers = losers.with_columns(at=nw.col("below") + 1).drop("below")
        pairs = losers.join(winners, on=[*by, "at"], how="inner")
    elif kind == "click_over_no_click_next":
        losers = losers.with_columns(at=nw.col("below") - 1).drop("below")
        pairs = losers.join(winners, on=[*by, "at"], how="inner")
    else:
        pairs = losers.join(winners, on=by, how="inner").filter(nw.col("below") < nw.col("at"))
    # A page that lists an item twice prefers nothing to itself.
    pairs = pairs.filter(nw.col("winner") != nw.col("loser"))
    counted = pairs.group_by("query", "winner", "loser").agg(nw.len().alias("n"))
    frame: nw.DataFrame[Any] = collect(counted.with_columns(nw.col("n").cast(nw.Int64)))
    return to_native_like(frame.sort("query", "winner", "loser"), log.native)
