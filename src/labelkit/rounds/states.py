"""How a round moves on, and the moves that there are.

Imports SQLAlchemy, so it is itself imported only when a round is moved.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from labelkit.errors import RoundError
from labelkit.rounds import store
from labelkit.rounds.results import RoundState

MOVES: Mapping[RoundState, tuple[RoundState, ...]] = {
    "planned": ("pushed",),
    "pushed": ("collecting", "adjudicating", "closed"),
    "collecting": ("adjudicating", "closed"),
    "adjudicating": ("closed",),
    "closed": (),
}
"""State → the states that may follow it."""

_ALLOWED: Mapping[str, tuple[RoundState, ...]] = {
    "push": ("planned", "pushed", "collecting"),
    "pull": ("pushed", "collecting", "adjudicating"),
    "decide": ("adjudicating",),
}
_WHY: Mapping[str, str] = {
    "planned": "is not on the platform yet: push it first",
    "pushed": "is not adjudicating yet: begin with adjudicate()",
    "collecting": "is not adjudicating yet: begin with adjudicate()",
    "adjudicating": "is adjudicating, and asks nobody anything new. Open a new round instead",
    "closed": "is closed: it cannot {step}. Open a new round instead",
}


def check(row: sa.Row[Any], step: str) -> None:
    """Refuse a step that the round's state does not allow.

    Raises
    ------
    RoundError
        The round is in another state; the message says what to do.
    """
    if row.state not in _ALLOWED[step]:
        raise RoundError(f"Round {row.name!r} {_WHY[row.state].format(step=step)}.")


def move(
    connection: sa.Connection, row: sa.Row[Any], to: RoundState, detail: Mapping[str, object]
) -> None:
    """Take a round, locked by the caller, to its next state, and write that into the event log.

    Raises
    ------
    RoundError
        There is no such move.
    """
    if to not in MOVES[row.state]:
        hint = "it was never pushed" if row.state == "planned" else f"it is {row.state}"
        raise RoundError(f"Round {row.name!r} cannot become {to!r}: {hint}.")
    store.set_round(connection, row.id, state=to)
    store.log_event(connection, row.id, to, detail)
