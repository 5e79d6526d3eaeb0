"""Putting a round's tasks on the platform, exactly once, whoever is killed meanwhile.

The platform takes no keys with an import, so "exactly once" is made of four things:

1. One process sends at a time: it holds a lease in the ledger (``lease``).
2. Before a batch leaves, it is written down (``sends``), in the transaction that checks the lease.
   So whatever may still arrive, from a process that was killed, or was stuck and has lost its
   lease, is among the open sends.
3. Who comes next asks the platform what it has, sends what is not in doubt, and gives what is in
   doubt time to arrive. Only what has not arrived then is sent again.
4. What arrives later still makes a copy: the platform then holds more tasks than the ledger, which
   every push, pull and close compares, and the copy that nobody has touched is removed.

Imports SQLAlchemy, so it is itself imported only when something is sent.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from labelkit.errors import PlatformError
from labelkit.rounds import sends, states, store
from labelkit.rounds.lease import Lease
from labelkit.rounds.platform import AnnotationPlatform, ProjectSpec, RemovesCopies
from labelkit.rounds.results import Progress, PushResult

if TYPE_CHECKING:
    from labelkit.rounds.database import Database

SETTLE_S = 10.0
"""How long after it left a batch in doubt is looked for before it is sent again, in seconds."""

_PAUSE_S = (0.25, 2.0)


@dataclass
class Sender:
    """One push of one round, under a lease.

    Parameters
    ----------
    round_id : the round's row in the ledger
    batch_size : tasks a call
    progress : called with (tasks on the platform, tasks in all), or None
    """

    database: Database
    platform: AnnotationPlatform
    round_id: int
    lease: Lease
    batch_size: int
    progress: Progress | None = None
    _n_sent: int = 0

    def push(self, spec: ProjectSpec, *, recreate: bool) -> PushResult:
        """See ``Round.push``."""
        row = self._row()
        states.check(row, "push")
        project = self.platform.ensure_project(spec, project=None if recreate else row.project)
        if project != row.project:
            self._enter(project)
        self._ask(project)
        row = self._row()
        n_there = row.n_on_platform
        self._report(row)
        with self.database.read() as connection:
            doubtful = sends.still_open(connection, self.round_id)
        self._send_all(project, spec, without={id_ for send in doubtful for id_ in send.missing})
        if doubtful:
            self._settle(project)
            self._send_all(project, spec, without=set())
        n_removed = remove_copies(self.database, self.platform, self.round_id)
        row = self._row()
        if row.state == "planned":
            with self._writing() as connection:
                row = store.get_round(connection, self.round_id, lock=True)
                states.move(connection, row, "pushed", {"n_tasks": row.n_tasks})
        return PushResult(row.name, project, row.n_tasks, self._n_sent, n_there, n_removed)

    def _enter(self, project: str) -> None:
        """The round lives in this project from now on."""
        with self._writing() as connection:
            store.get_round(connection, self.round_id, lock=True)
            store.forget_places(connection, self.round_id)
            sends.void(connection, self.round_id)
            store.set_round(connection, self.round_id, project=project, cursor=None)
            store.log_event(connection, self.round_id, "project", {"project": project})

    def _ask(self, project: str) -> None:
        """Ask the platform what it has, and note it; what has arrived is in doubt no more."""
        there = self.platform.existing_keys(project)
        with self.database.read() as connection:
            row = store.get_round(connection, self.round_id)
            places = store.misplaced(connection, row, there)
            n_open = len(sends.still_open(connection, self.round_id))
        if not places and not n_open:
            return
        with self._writing() as connection:
            store.get_round(connection, self.round_id, lock=True)
            store.place_tasks(connection, self.round_id, places)
            open_sends = sends.still_open(connection, self.round_id)
            arrived = [send.id for send in open_sends if not send.missing]
            if arrived:
                sends.end(connection, arrived, "found")

    def _settle(self, project: str) -> None:
        """Wait until what is in doubt has arrived, or has had its time."""
        pause_s = _PAUSE_S[0]
        while True:
            with self.database.read() as connection:
                doubtful = sends.still_open(connection, self.round_id)
                now = self.database.now(connection)
            if not doubtful:
                return
            end = max(send.started_at for send in doubtful) + timedelta(seconds=SETTLE_S)
            if now >= end:
                # We have asked after that moment: what is not there has not come.
                self._ask(project)
                with self._writing() as connection:
                    lost = [send.id for send in sends.still_open(connection, self.round_id)]
                    sends.end(connection, lost, "lost")
                return
            time.sleep(min(pause_s, max(0.0, (end - now).total_seconds())))
            pause_s = min(2 * pause_s, _PAUSE_S[1])
            self._ask(project)

    def _send_all(self, project: str, spec: ProjectSpec, *, without: set[int]) -> None:
        """Send what the platform does not have, except the tasks that are in doubt."""
        after = -1
        while True:
            with self.database.read() as connection:
                row = store.get_round(connection, self.round_id)
                found = store.unsent_tasks(
                    connection, row, after=after, limit=self.batch_size + len(without)
                )
            batch = [task for task in found if task.id not in without][: self.batch_size]
            if not batch:
                return
            after = batch[-1].push_order
            self._send(project, spec, batch)

    def _send(self, project: str, spec: ProjectSpec, batch: list[store.UnsentTask]) -> None:
        with self._writing() as connection:
            number = sends.begin(
                connection,
                self.round_id,
                project=project,
                task_ids=[task.id for task in batch],
                now=self.database.now(connection),
            )
        created = self.platform.push(project, spec, [task.spec for task in batch])
        lost = [task.spec.key for task in batch if task.spec.key not in created]
        if lost:
            raise PlatformError(
                f"The platform took a batch but does not show {len(lost)} of its {len(batch)} "
                f"tasks (first: {lost[0]}). Push again: what is there is not sent twice."
            )
        with self._writing() as connection:
            store.get_round(connection, self.round_id, lock=True)
            places: dict[int, str | None] = {task.id: created[task.spec.key] for task in batch}
            store.place_tasks(connection, self.round_id, places)
            sends.end(connection, [number], "done")
            store.log_event(connection, self.round_id, "sent", {"n_tasks": len(batch)})
        self._n_sent += len(batch)
        self._report(self._row())

    @contextmanager
    def _writing(self) -> Iterator[sa.Connection]:
        """A transaction that happens only while the lease is ours."""
        with self.database.write() as connection:
            self.lease.check(connection)
            yield connection

    def _row(self) -> sa.Row[Any]:
        with self.database.read() as connection:
            return store.get_round(connection, self.round_id)

    def _report(self, row: sa.Row[Any]) -> None:
        if self.progress is not None:
            self.progress(row.n_on_platform, row.n_tasks)


def remove_copies(database: Database, platform: AnnotationPlatform, round_id: int) -> int:
    """Have the platform remove what stands on it twice, if it holds more than the ledger knows of.

    Returns
    -------
    How many tasks of any round were removed.
    """
    if not isinstance(platform, RemovesCopies):
        return 0
    with database.read() as connection:
        row = store.get_round(connection, round_id)
        expected = store.n_in_project(connection, row)
    n_tasks = platform.n_tasks(row.project)
    # Tasks that somebody made by hand are looked through once, and not at every pull.
    if n_tasks <= expected or n_tasks == row.n_looked_through:
        return 0
    kept = platform.remove_copies(row.project)
    n_removed = sum(n for _, n in kept.values())
    with database.write() as connection:
        row = store.get_round(connection, round_id, lock=True)
        prefix = store.task_key(row.uid, "")
        keys = [key.removeprefix(prefix) for key in kept if key.startswith(prefix)]
        ids = store.task_rows(connection, round_id, keys)
        places: dict[int, str | None] = {
            id_: kept[store.task_key(row.uid, key)][0] for key, id_ in ids.items()
        }
        store.place_tasks(connection, round_id, places)
        store.set_round(connection, round_id, n_looked_through=n_tasks - n_removed)
        if n_removed:
            store.log_event(connection, round_id, "copies removed", {"n_tasks": n_removed})
    return n_removed
