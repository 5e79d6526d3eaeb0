"""A lease: of all processes that share a ledger, one at a time does a thing.

A row with the holder's mark and an expiry that a heartbeat moves on. Who was killed stops beating,
and the next takes over; a holder that was only slow finds out at its next ``check``, which stands
in the same transaction as what it wants to write. What a slow holder had under way outside the
ledger, the next must expect (see ``sending``).

Imports SQLAlchemy, so it is itself imported only when a lease is asked for.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from labelkit.errors import RoundBusy, RoundError
from labelkit.rounds import processes, store
from labelkit.rounds.tables import leases

if TYPE_CHECKING:
    from labelkit.rounds.database import Database

LIFETIME_S = 30.0
"""How long a holder may be silent; the heartbeat comes three times as often."""
PATIENCE_S = 600.0
"""How long to wait for a holder that is alive, unless the caller says otherwise."""

_PAUSE_S = (0.05, 1.0)


@dataclass(frozen=True)
class Lease:
    """A lease that was taken.

    Parameters
    ----------
    name : what it is for
    owner : random mark of this holding
    number : how often the lease was taken before, this time included
    inherited : the last holder did not give it back: it was killed, or is stuck
    """

    name: str
    owner: str
    number: int
    inherited: bool

    def check(self, connection: sa.Connection) -> None:
        """Raise ``RoundBusy`` unless we still hold it; true until the transaction ends."""
        query = sa.select(leases.c.owner).where(leases.c.name == self.name).with_for_update()
        if connection.scalar(query) != self.owner:
            raise RoundBusy(
                f"Another process has taken over {self.name}: this one was silent for more than "
                f"{LIFETIME_S:g} s. Nothing is lost; repeat the command to see where it stands."
            )


@contextmanager
def hold(
    database: Database,
    name: str,
    *,
    wait_s: float = PATIENCE_S,
    lifetime_s: float = LIFETIME_S,
) -> Iterator[Lease]:
    """Hold the lease ``name`` during the block.

    Parameters
    ----------
    wait_s : how long to wait while a living process holds it; 0 asks once
    lifetime_s : silence after which a holder counts as gone

    Raises
    ------
    RoundBusy
        Another process held it all the time.
    """
    lease = _taken(database, name, wait_s=wait_s, lifetime_s=lifetime_s)
    ended = threading.Event()
    beating = threading.Thread(
        target=_beat, args=(database, lease, lifetime_s, ended), daemon=True, name=f"lease {name}"
    )
    # A database in memory has one connection, and nobody who could take over.
    if database.is_shared:
        beating.start()
    try:
        yield lease
    finally:
        ended.set()
        if beating.is_alive():
            beating.join()
        with database.write() as connection:
            given_back = sa.update(leases).where(
                leases.c.name == name, leases.c.owner == lease.owner
            )
            connection.execute(given_back.values(owner=None, holder=None, expires_at=None))


def _taken(database: Database, name: str, *, wait_s: float, lifetime_s: float) -> Lease:
    owner = secrets.token_hex(16)
    deadline = time.monotonic() + wait_s
    pause_s = _PAUSE_S[0]
    while True:
        with database.write() as connection:
            found = _row(connection, name)
            now = database.now(connection)
            free = found.owner is None
            if free or found.expires_at <= now or processes.is_dead(found.holder):
                connection.execute(
                    sa.update(leases)
                    .where(leases.c.name == name)
                    .values(
                        owner=owner,
                        holder=processes.here(),
                        number=found.number + 1,
                        acquired_at=now,
                        heartbeat_at=now,
                        expires_at=now + timedelta(seconds=lifetime_s),
                    )
                )
                return Lease(name, owner, found.number + 1, inherited=not free)
        if time.monotonic() >= deadline:
            raise RoundBusy(
                f"{name} is held by {processes.described(found.holder)} since "
                f"{found.acquired_at:%Y-%m-%d %H:%M:%S} UTC. Repeat the command when it is done; "
                "if it is dead, its hold ends by itself."
            )
        time.sleep(pause_s)
        pause_s = min(2 * pause_s, _PAUSE_S[1])


def _row(connection: sa.Connection, name: str) -> sa.Row[Any]:
    """The row of the lease, locked; made if it is not there, whoever else makes it too."""
    connection.execute(store.insert_new(connection, leases, {"name": name, "number": 0}))
    return connection.execute(
        sa.select(leases).where(leases.c.name == name).with_for_update()
    ).one()


def _beat(database: Database, lease: Lease, lifetime_s: float, ended: threading.Event) -> None:
    while not ended.wait(lifetime_s / 3):
        try:
            with database.write() as connection:
                now = database.now(connection)
                beat = sa.update(leases).where(
                    leases.c.name == lease.name, leases.c.owner == lease.owner
                )
                until = now + timedelta(seconds=lifetime_s)
                connection.execute(beat.values(heartbeat_at=now, expires_at=until))
        except RoundError:
            # The database is away for now. If it stays away, the next check says so.
            continue
