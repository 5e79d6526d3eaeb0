"""``Round``: planned → pushed → collecting → closed, each step safe to repeat.

Every step is a short transaction or a call to the platform, never both at once: a process that is
killed leaves either something that the ledger knows, or something that the platform can be asked
for, and the platform is always asked before anything is sent.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from labelkit.errors import PlatformError, RoundError
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
        progress: Progress | None = None,
    ) -> PushResult:
        """Put the round's tasks on the platform: those that it does not have yet, and only those.

        Parameters
        ----------
        batch_size : tasks a call
        recreate : the project was deleted on the platform; make a new one, and keep the answers
            that the ledger already has
        progress : called with (tasks done, tasks in all) after every call

        Raises
        ------
        RoundError
            The round is closed.
        PlatformError
            The platform is unreachable or refuses; push again to go on where it stopped.
        """
        from labelkit.rounds import store

        row = self._row()
        self._refuse_closed(row, "push")
        spec = _project_spec(row)
        project = self.platform.ensure_project(spec, project=None if recreate else row.project)
        if project != row.project:
            with self._database.write() as connection:
                store.forget_task_ids(connection, self._id)
                store.set_round(connection, self._id, project=project, cursor=None)
                store.log_event(connection, self._id, "project", {"project": project})

        there = self.platform.existing_keys(project)
        with self._database.write() as connection:
            store.set_task_ids(connection, self._id, self.uid, there)
            specs = store.task_specs(connection, self._id, self.uid)
        missing = [task for task in specs if task.key not in there]
        n_there = len(specs) - len(missing)
        _report(progress, n_there, len(specs))
        for start in range(0, len(missing), batch_size):
            part = missing[start : start + batch_size]
            created = self.platform.push(project, spec, part)
            lost = [task.key for task in part if task.key not in created]
            if lost:
                raise PlatformError(
                    f"The platform took a batch but does not show {len(lost)} of its {len(part)} "
                    f"tasks (first: {lost[0]}). Push again: what is there is not sent twice."
                )
            with self._database.write() as connection:
                store.set_task_ids(connection, self._id, self.uid, created)
                store.log_event(connection, self._id, "sent", {"n_tasks": len(part)})
            _report(progress, n_there + start + len(part), len(specs))

        with self._database.write() as connection:
            if store.get_round(connection, self._id, lock=True).state == "planned":
                store.set_round(connection, self._id, state="pushed")
                store.log_event(connection, self._id, "pushed", {"n_tasks": len(specs)})
        return PushResult(self.name, project, len(specs), len(missing), n_there)

    def pull(self, *, progress: Progress | None = None) -> PullResult:
        """Bring what people answered, changed or withdrew since the last pull into the ledger.

        Raises
        ------
        RoundError
            The round was never pushed, or is closed.
        PlatformError
            The platform is unreachable or refuses; pull again to go on where it stopped.
        """
        from labelkit.rounds import store
        from labelkit.rounds.intake import take

        row = self._row()
        self._refuse_closed(row, "pull")
        if row.project is None or row.state == "planned":
            raise RoundError(f"Round {self.name!r} is not on the platform yet: push it first.")
        # Taken before the first page: what changes while we read comes again with the next pull.
        mark = self.platform.cursor(row.project)
        counts: Counter[str] = Counter()
        problems: list[str] = []
        for page in self.platform.answers(row.project, since=row.cursor):
            with self._database.write() as connection:
                row = store.get_round(connection, self._id, lock=True)
                self._refuse_closed(row, "pull")
                problems += take(connection, row, page, counts)
            _report(progress, counts["tasks"], 0)

        with self._database.write() as connection:
            row = store.get_round(connection, self._id, lock=True)
            status = store.status(connection, row)
            # Looking is not an event: a pull that brings nothing leaves the ledger as it was.
            if counts["new"] + counts["changed"] + counts["withdrawn"]:
                detail = {name: counts[name] for name in ("new", "changed", "withdrawn")}
                store.log_event(connection, self._id, "pulled", detail)
                if row.state == "pushed":
                    store.set_round(connection, self._id, state="collecting")
            if mark != row.cursor:
                store.set_round(connection, self._id, cursor=mark)
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

    def close(self) -> RoundStatus:
        """End the round: its answers are final, and neither push nor pull touch it again."""
        from labelkit.rounds import store

        with self._database.write() as connection:
            row = store.get_round(connection, self._id, lock=True)
            if row.state == "planned":
                raise RoundError(
                    f"Round {self.name!r} was never pushed: there is nothing to close."
                )
            if row.state != "closed":
                store.set_round(connection, self._id, state="closed")
                store.log_event(connection, self._id, "closed", {})
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

    def _refuse_closed(self, row: sa.Row[Any], step: str) -> None:
        if row.state == "closed":
            raise RoundError(
                f"Round {self.name!r} is closed: it cannot {step}. Open a new round instead."
            )


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
