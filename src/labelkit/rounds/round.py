"""``Round``: planned → pushed → collecting → adjudicating → closed, each step safe to repeat.

Every step is a short transaction or a call to the platform, never both at once: a process that is
killed leaves either something that the ledger knows, or something that the platform can be asked
for, and the platform is always asked before anything is sent (``sending`` says how).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from labelkit.errors import RoundError
from labelkit.rounds.platform import AnnotationPlatform, DisplayField, ProjectSpec
from labelkit.rounds.results import Progress, PullResult, PushResult, RoundStatus, RoundTask

if TYPE_CHECKING:
    import sqlalchemy as sa

    from labelkit.rounds.database import Database

BATCH_SIZE = 500
"""Tasks a call: large enough to be fast, small enough to lose little when a call fails."""

_MAX_PROBLEMS = 5


@dataclass(frozen=True)
class Round:
    """One round of human labeling; made by ``Ledger.open_round`` and ``Ledger.round``.

    Parameters
    ----------
    name : unique name of the round in its ledger
    uid : stable mark of the round on the platform, the same in every process and ledger
    platform : where people answer
    """

    name: str
    uid: str
    platform: AnnotationPlatform
    _id: int = field(repr=False)
    _database: Database = field(repr=False)

    @property
    def project(self) -> str | None:
        """The platform's project id, None before the first push."""
        project: str | None = self._row().project
        return project

    @property
    def spec(self) -> ProjectSpec:
        """What the platform is told of the round as a whole."""
        return _project_spec(self._row())

    def push(
        self,
        *,
        batch_size: int = BATCH_SIZE,
        recreate: bool = False,
        wait_s: float = 600.0,
        progress: Progress | None = None,
    ) -> PushResult:
        """Put the round's tasks on the platform: those that it does not have yet, and only those.

        Parameters
        ----------
        batch_size : tasks a call
        recreate : the project was deleted on the platform; make a new one, and keep the answers
            that the ledger already has
        wait_s : how long to wait while another process pushes this round, in seconds
        progress : called with (tasks done, tasks in all) after every call

        Raises
        ------
        RoundError
            The round is adjudicating or closed.
        RoundBusy
            Another process has pushed this round all the time, or has taken over from this one.
        PlatformError
            The platform is unreachable or refuses; push again to go on where it stopped.
        """
        from labelkit.rounds import lease, states
        from labelkit.rounds.sending import Sender

        row = self._row()
        states.check(row, "push")
        with lease.hold(self._database, f"the push of round {self.name!r}", wait_s=wait_s) as held:
            sender = Sender(self._database, self.platform, self._id, held, batch_size, progress)
            return sender.push(_project_spec(row), recreate=recreate)

    def pull(self, *, progress: Progress | None = None) -> PullResult:
        """Bring what people answered, changed or withdrew since the last pull into the ledger.

        Raises
        ------
        RoundError
            The round was never pushed, or is closed.
        PlatformError
            The platform is unreachable or refuses; pull again to go on where it stopped.
        """
        from labelkit.rounds import states, store
        from labelkit.rounds.intake import take
        from labelkit.rounds.sending import remove_copies

        row = self._row()
        states.check(row, "pull")
        project = row.project
        remove_copies(self._database, self.platform, self._id)
        # Taken before the first page: what changes while we read comes again with the next pull.
        mark = self.platform.cursor(project)
        counts: Counter[str] = Counter()
        problems: list[str] = []
        for page in self.platform.answers(project, since=row.cursor):
            with self._database.write() as connection:
                problems += take(connection, self._locked(connection, project), page, counts)
            _report(progress, counts["tasks"], 0)

        with self._database.write() as connection:
            row = self._locked(connection, project)
            # Looking is not an event: a pull that brings nothing leaves the ledger as it was.
            if counts["new"] + counts["changed"] + counts["withdrawn"]:
                detail = {name: counts[name] for name in ("new", "changed", "withdrawn")}
                store.log_event(connection, self._id, "pulled", detail)
                if row.state == "pushed":
                    states.move(connection, row, "collecting", {})
            if mark != row.cursor:
                store.set_round(connection, self._id, cursor=mark)
            status = store.status(connection, store.get_round(connection, self._id))
        return PullResult(
            round=self.name,
            n_new_annotations=counts["new"],
            n_changed_annotations=counts["changed"],
            n_withdrawn_annotations=counts["withdrawn"],
            n_skipped=counts["skipped"],
            n_unreadable=counts["unreadable"],
            n_foreign=counts["foreign"],
            n_answered_tasks=status.n_answered_tasks,
            n_tasks=status.n_tasks,
            problems=tuple(problems[:_MAX_PROBLEMS]),
        )

    def adjudicate(self) -> RoundStatus:
        """Begin to settle what people disagree on: answers still come in, tasks go out no more.

        Raises
        ------
        RoundError
            The round was never pushed, or is closed.
        """
        from labelkit.rounds import states, store

        with self._database.write() as connection:
            row = store.get_round(connection, self._id, lock=True)
            if row.state != "adjudicating":
                states.move(connection, row, "adjudicating", {})
            return store.status(connection, store.get_round(connection, self._id))

    def decide(
        self,
        labels: Mapping[tuple[object, ...], int],
        *,
        adjudicator: str,
        reason: str | None = None,
        decided_in: Round | None = None,
    ) -> int:
        """Settle examples of this round: what an adjudicator says is gold, whatever the majority.

        A decision is never overwritten; the latest of an example counts, and the same one given
        again is none.

        Parameters
        ----------
        labels : key values of an example → its class, 0 … k-1
        adjudicator : who decided
        reason : why, for the record
        decided_in : the follow-up round in which it was decided

        Returns
        -------
        How many decisions are new.

        Raises
        ------
        RoundError
            The round is not adjudicating, or an example or a label is none of the round's.
        """
        from labelkit.rounds import decisions, states, store

        with self._database.write() as connection:
            row = store.get_round(connection, self._id, lock=True)
            states.check(row, "decide")
            return decisions.record(
                connection,
                row,
                labels,
                adjudicator=adjudicator,
                reason=reason,
                decided_in_id=None if decided_in is None else decided_in._id,
            )

    def close(self) -> RoundStatus:
        """End the round: its gold is written down for good, and neither push nor pull touch it.

        Raises
        ------
        RoundError
            The round was never pushed.
        """
        from labelkit.rounds import decisions, states, store

        with self._database.write() as connection:
            row = store.get_round(connection, self._id, lock=True)
            if row.state != "closed":
                n_gold = decisions.write_gold(connection, row)
                states.move(connection, row, "closed", {"n_gold": n_gold})
            return store.status(connection, store.get_round(connection, self._id))

    def status(self) -> RoundStatus:
        """Where the round stands, by the ledger."""
        from labelkit.rounds import store

        with self._database.read() as connection:
            return store.status(connection, store.get_round(connection, self._id))

    def tasks(self) -> tuple[RoundTask, ...]:
        """The round's tasks, in the order in which people see them."""
        from labelkit.rounds import store

        with self._database.read() as connection:
            return tuple(store.round_tasks(connection, store.get_round(connection, self._id)))

    def _row(self) -> sa.Row[Any]:
        from labelkit.rounds import store

        with self._database.read() as connection:
            return store.get_round(connection, self._id)

    def _locked(self, connection: sa.Connection, project: str | None) -> sa.Row[Any]:
        """The round's row, locked, if it may still take answers in from ``project``."""
        from labelkit.rounds import states, store

        row = store.get_round(connection, self._id, lock=True)
        states.check(row, "pull")
        if row.project != project:
            raise RoundError(
                f"Round {self.name!r} has moved from project {project} to {row.project} while it "
                "was pulled. Pull again."
            )
        return row


def _project_spec(row: sa.Row[Any]) -> ProjectSpec:
    return ProjectSpec(
        uid=row.uid,
        title=row.name,
        label_names=tuple(row.label_names),
        fields=tuple(DisplayField(**shown) for shown in row.fields),
        instructions=row.instructions,
    )


def _report(progress: Progress | None, done: int, total: int) -> None:
    if progress is not None:
        progress(done, total)
