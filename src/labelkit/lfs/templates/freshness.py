"""New items, and items that are no longer shown."""

from __future__ import annotations

from datetime import date, datetime

from labelkit.errors import LFError
from labelkit.lfs.ballot import Ballot, vote
from labelkit.lfs.expression import col
from labelkit.lfs.templates.template import template


@template()
def freshness(
    new_since: date | datetime | float | None = None,
    gone_before: date | datetime | float | None = None,
    *,
    born: str = "first_seen",
    seen: str = "last_seen",
    relevant: int = 1,
    irrelevant: int = 0,
) -> Ballot:
    """Where the answer changes with time, what came lately answers better, and what the ranking
    has stopped to show is out of date.

    Votes for items first seen at or after ``new_since`` and against those last seen before
    ``gone_before``; give one or both, as moments of the log and not of today: a rule that looks
    at the clock votes otherwise tomorrow. Where the log counts seconds, so do they. ``born`` may
    be a column of your item table, such as its date of publication. Dong et al. 2010, "Towards
    recency ranking in web search", WSDM; for queries without a temporal side it is noise (Li &
    Croft 2003, "Time-based language models").
    """
    sides = []
    if new_since is not None:
        sides.append(vote(relevant, where=col(born) >= new_since))
    if gone_before is not None:
        sides.append(vote(irrelevant, where=col(seen) < gone_before))
    if not sides:
        raise LFError("give new_since, gone_before, or both.")
    return sides[0] if len(sides) == 1 else sides[0] | sides[1]
