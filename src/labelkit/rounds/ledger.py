"""``Ledger``: the way in. It holds every round, task and answer in a database."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from labelkit.engine import NativeFrame
from labelkit.errors import RoundError
from labelkit.rounds.gold import gold_frame
from labelkit.rounds.keys import key_table
from labelkit.rounds.plan import RoundPlan, plan_round
from labelkit.rounds.platform import AnnotationPlatform
from labelkit.rounds.results import RoundStatus
from labelkit.rounds.round import Round
from labelkit.selection import Batch, Design

if TYPE_CHECKING:
    import polars as pl
    import sqlalchemy as sa

_DEFAULT_KEYS = ("query", "item")
_DEFAULT_LABELS = ("irrelevant", "relevant")


class Ledger:
    """All rounds of human labeling of a project, in SQLite or PostgreSQL.

    A ledger that an earlier labelkit wrote is brought up to date when it is opened: one process
    does it, in one transaction, and a SQLite file is copied beside itself first.

    Parameters
    ----------
    url : SQLAlchemy database URL: ``"sqlite:///rounds.db"`` by default, made if it is not there, or
        ``"postgresql://user@host/database"`` for a team

    Raises
    ------
    RoundError
        The database cannot be opened, or was written by a later version of labelkit.

    Examples
    --------
    >>> ledger = Ledger("sqlite://")  # in memory, gone with the process
    >>> ledger.rounds()
    ()
    """

    def __init__(self, url: str = "sqlite:///rounds.db") -> None:
        from labelkit.rounds.database import Database, hidden

        self._database = Database(url)
        self._shown_url = hidden(url)

    def __repr__(self) -> str:
        return f"Ledger({self._shown_url!r})"

    def __enter__(self) -> Ledger:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the database's connections."""
        self._database.close()

    def open_round(
        self,
        batch: Batch | NativeFrame,
        *,
        platform: AnnotationPlatform,
        items: NativeFrame | None = None,
        label_names: Sequence[str] = _DEFAULT_LABELS,
        instructions: str | None = None,
        name: str | None = None,
        keys: Sequence[str] | None = None,
        model_version: str | None = None,
        preannotate: bool = True,
    ) -> Round:
        """Write a batch into the ledger as a planned round; nothing is sent yet.

        The same batch opened again (same examples, probabilities, labels and texts) is the same
        round, so a script may be run twice.

        Parameters
        ----------
        batch : a ``Batch`` of ``select``, or any frame with its columns
        platform : where people will answer
        items : frame with some or all key columns, and what to show of each example; without it
            people see the keys alone
        label_names : names of the classes 0 … k-1, in that order, as people read them
        instructions : plain text for annotators
        name : unique name; ``round-1``, ``round-2``, … unless given
        keys : key columns; those of the batch unless given
        model_version : what the batch's soft labels came from; shown with pre-annotations
        preannotate : show the soft label as a pre-annotation (never in the audit sample)

        Raises
        ------
        RoundError
            The batch, items or label names cannot make a round, or ``name`` is taken by another.
        """
        from labelkit.rounds import store
        from labelkit.rounds.tables import rounds

        design = batch.design if isinstance(batch, Batch) else None
        plan = plan_round(
            batch.frame if isinstance(batch, Batch) else batch,
            items,
            keys=tuple(keys or (design.keys if design else _DEFAULT_KEYS)),
            label_names=label_names,
        )
        same = rounds.c.fingerprint == plan.fingerprint
        with self._database.write() as connection:
            # Of two processes that open one batch, the second finds the round of the first.
            store.lock_rounds(connection)
            found = store.find_round(connection, same if name is None else rounds.c.name == name)
            if found is None:
                name = name or _free_name(connection)
                found = _insert(
                    connection,
                    plan,
                    name=name,
                    design=design,
                    platform=platform.kind,
                    instructions=instructions,
                    model_version=model_version,
                    preannotate=preannotate,
                )
        if found.fingerprint != plan.fingerprint:
            raise RoundError(
                f"Round {name!r} exists already and asks other examples, labels or texts. Give the "
                f"new round another name, or reopen the old one with ledger.round({name!r}, …)."
            )
        return self._round(found, platform)

    def round(self, name: str, *, platform: AnnotationPlatform) -> Round:
        """A round that was opened before, in this process or another.

        Raises
        ------
        RoundError
            There is no such round, or it lives on another kind of platform.
        """
        from labelkit.rounds import store
        from labelkit.rounds.tables import rounds

        with self._database.read() as connection:
            found = store.find_round(connection, rounds.c.name == name)
        if found is None:
            names = ", ".join(repr(status.name) for status in self.rounds()) or "none yet"
            raise RoundError(f"There is no round {name!r} in {self._shown_url} (rounds: {names}).")
        return self._round(found, platform)

    def rounds(self) -> tuple[RoundStatus, ...]:
        """Where every round stands, in the order in which they were opened."""
        import sqlalchemy as sa

        from labelkit.rounds import store
        from labelkit.rounds.tables import rounds

        with self._database.read() as connection:
            rows = connection.execute(sa.select(rounds).order_by(rounds.c.id)).all()
            return tuple(store.status(connection, row) for row in rows)

    def gold(self, *, round: str | None = None) -> pl.DataFrame:
        """What people answered, one row per example, ready for ``validate`` and ``fit``.

        Parameters
        ----------
        round : only the answers of this round; by default those of all rounds, open ones too

        Returns
        -------
        Polars frame: the key columns with the types they had in the batch, ``label`` (int),
        ``inclusion_probability``, ``round``, ``annotators`` (how many), ``agreement`` (share of
        them who chose ``label``), ``adjudicated``. Skipped and withdrawn annotations do not count.
        """
        from labelkit.rounds.answers import current_answers
        from labelkit.rounds.decisions import current_decisions

        with self._database.read() as connection:
            answers = current_answers(connection, round=round)
            decisions = current_decisions(connection, round=round)
        return gold_frame(answers, default_keys=_DEFAULT_KEYS, decisions=decisions)

    def gold_sources(self, *, round: str | None = None) -> pl.DataFrame:
        """Where the gold of closed rounds comes from, as it was written down when they closed.

        Returns
        -------
        Polars frame, one row per example: ``round``, ``example`` (key values as JSON), the columns
        of ``gold``, ``method`` ("majority" or "adjudication"), ``answer_ids`` (the annotations that
        were counted), ``adjudicator`` and ``reason`` (null unless adjudicated), ``closed_at``.
        """
        from labelkit.rounds.decisions import gold_sources

        with self._database.read() as connection:
            return gold_sources(connection, round=round)

    def events(self, *, round: str | None = None) -> pl.DataFrame:
        """The event log: ``id``, ``at``, ``round``, ``kind`` and ``detail`` (JSON), oldest first.

        The database itself refuses to change or delete what stands in it.
        """
        from labelkit.rounds.store import event_log

        with self._database.read() as connection:
            return event_log(connection, round=round)

    def annotators(self) -> pl.DataFrame:
        """Everybody who has answered: ``annotator``, ``first_seen_at``, ``n_annotations``."""
        from labelkit.rounds.store import annotator_table

        with self._database.read() as connection:
            return annotator_table(connection)

    def asked(self) -> pl.DataFrame:
        """The key columns of every example that any round asked about, answered or not.

        A next batch excludes them: its inclusion probabilities are those of a first draw.
        """
        import sqlalchemy as sa

        from labelkit.rounds.tables import rounds, tasks

        query = (
            sa.select(rounds.c["keys"].label("key_names"), rounds.c.dtypes, tasks.c.example_key)
            .select_from(tasks.join(rounds, tasks.c.round_id == rounds.c.id))
            .order_by(tasks.c.id)
        )
        with self._database.read() as connection:
            rows = connection.execute(query).all()
        kinds = {(tuple(row.key_names), tuple(row.dtypes)) for row in rows}
        return key_table([row.example_key for row in rows], kinds, default_keys=_DEFAULT_KEYS)

    def model_versions(self) -> tuple[str, ...]:
        """What the batches of all rounds came from: each ``model_version`` once."""
        import sqlalchemy as sa

        from labelkit.rounds.tables import rounds

        version = rounds.c.model_version
        query = sa.select(version).where(version.is_not(None)).distinct().order_by(version)
        with self._database.read() as connection:
            return tuple(connection.scalars(query))

    def seconds_per_label(self) -> float | None:
        """Mean time that an answer took, as the platform timed it; None while none was timed."""
        from labelkit.rounds import effort

        with self._database.read() as connection:
            return effort.seconds_per_label(connection)

    def _round(self, row: sa.Row[Any], platform: AnnotationPlatform) -> Round:
        if row.platform != platform.kind:
            raise RoundError(
                f"Round {row.name!r} was opened on platform {row.platform!r}, not on "
                f"{platform.kind!r}. Give the platform it was opened on, or open a new round."
            )
        return Round(row.name, row.uid, platform, row.id, self._database)


def _free_name(connection: sa.Connection) -> str:
    import sqlalchemy as sa

    from labelkit.rounds.tables import rounds

    taken = set(connection.scalars(sa.select(rounds.c.name)))
    number = len(taken) + 1
    while f"round-{number}" in taken:
        number += 1
    return f"round-{number}"


def _insert(
    connection: sa.Connection,
    plan: RoundPlan,
    *,
    name: str,
    design: Design | None,
    platform: str,
    instructions: str | None,
    model_version: str | None,
    preannotate: bool,
) -> sa.Row[Any]:
    import hashlib

    import sqlalchemy as sa

    from labelkit.rounds import store
    from labelkit.rounds.tables import rounds

    now = store.now()
    row = {
        # From content, not from chance: a ledger that was lost finds its tasks again.
        "uid": hashlib.sha256(f"{plan.fingerprint}/{name}".encode()).hexdigest()[:16],
        "name": name,
        "fingerprint": plan.fingerprint,
        "state": "planned",
        "platform": platform,
        "keys": list(plan.keys),
        "dtypes": list(plan.dtypes),
        "label_names": list(plan.label_names),
        "fields": [asdict(field) for field in plan.fields],
        "instructions": instructions,
        "design": None if design is None else asdict(design),
        "model_version": model_version,
        "created_at": now,
        "updated_at": now,
    }
    connection.execute(sa.insert(rounds), row)
    found = store.find_round(connection, rounds.c.uid == row["uid"])
    if found is None:
        raise RoundError(f"Round {name!r} could not be written.")
    store.insert_tasks(
        connection, found.id, plan.tasks, model_version=model_version, preannotate=preannotate
    )
    store.log_event(connection, found.id, "planned", {"n_tasks": len(plan.tasks)})
    return found
