"""Answers that were paid for, kept under a hash of everything that they depend on."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from labelkit.lfs.models.cache import open_database
from labelkit.lfs.models.replies import Reply
from labelkit.lfs.models.spending import NANO, TABLE, CappedPurse

# The prompt itself is not kept: its hash finds the answer, and the texts may be private.
_TABLES = (
    """
CREATE TABLE IF NOT EXISTS answers (
    key BLOB PRIMARY KEY, content TEXT NOT NULL, refused INTEGER NOT NULL, finish TEXT NOT NULL,
    served_by TEXT NOT NULL, tokens_in INTEGER, tokens_out INTEGER,
    nano INTEGER NOT NULL, at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP
);
"""
    + TABLE
)
_COLUMNS = "content, refused, finish, served_by, tokens_in, tokens_out"
# Below SQLite's limit on the parameters of one statement, on its oldest builds too.
_LOOKUP = 900


class AnswerStore:
    """One SQLite file of answers, for the threads of one process; other processes may share it."""

    def __init__(self, database: sqlite3.Connection, cap: int | None) -> None:
        self._database = database
        self._lock = threading.Lock()
        self.purse = CappedPurse(database, self._lock, cap)

    def look_up(self, keys: Sequence[bytes]) -> dict[bytes, Reply]:
        """The answers that are there."""
        found: dict[bytes, Reply] = {}
        for start in range(0, len(keys), _LOOKUP):
            part = keys[start : start + _LOOKUP]
            marks = ", ".join("?" * len(part))
            # Only question marks are pasted into the statement.
            query = f"SELECT key, {_COLUMNS} FROM answers WHERE key IN ({marks})"  # noqa: S608
            with self._lock:
                rows = self._database.execute(query, part).fetchall()
            for key, content, refused, finish, served_by, tokens_in, tokens_out in rows:
                found[key] = Reply(content, bool(refused), finish, served_by, tokens_in, tokens_out)
        return found

    def keep(self, key: bytes, reply: Reply, *, reserved: int, nano: int) -> None:
        """Store an answer and what it cost, both or neither."""
        row = (
            key,
            reply.content,
            int(reply.refused),
            reply.finish,
            reply.served_by,
            reply.tokens_in,
            reply.tokens_out,
            nano,
        )
        with self._lock:
            self._database.execute("BEGIN IMMEDIATE")
            self._database.execute(
                f"INSERT OR IGNORE INTO answers (key, {_COLUMNS}, nano) "  # noqa: S608 - constants
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                row,
            )
            self.purse.settle_within(reserved, nano)
            self._database.execute("COMMIT")


@contextmanager
def open_answers(path: Path, cap: int | None = None) -> Iterator[AnswerStore]:
    """The answers in a file, which is made if it is not there."""
    with open_database(path, _TABLES) as database:
        yield AnswerStore(database, cap)


def spent(path: Path | str) -> float:
    """What the answers of a cache file have cost, calls without answer that may be billed included.

    In the currency of the prices that were given; calls without prices count nothing.
    """
    with open_database(Path(path), _TABLES) as database:
        (nano,) = database.execute("SELECT nano FROM spent").fetchone()
        return float(nano / NANO)
