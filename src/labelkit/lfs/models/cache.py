"""``cached``: vectors that were made once are looked up by what they are of."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from labelkit.errors import LFError
from labelkit.lfs.models.encoders import Encoder, check_encoder
from labelkit.lfs.models.place import calling_line

if TYPE_CHECKING:
    from labelkit.lfs.models.encoders import Vectors

_BUSY_TIMEOUT_S = 30.0
# Below SQLite's limit on the parameters of one statement, on its oldest builds too.
_LOOKUP = 900
# So many texts are encoded between two commits: what an interruption costs at most.
_COMMIT = 2_000


@contextmanager
def open_database(path: Path, tables: str) -> Iterator[sqlite3.Connection]:
    """A SQLite file in which every statement is a transaction, made if it is not there.

    Raises
    ------
    LFError
        The file cannot be opened, or is something else.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(
            path, timeout=_BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False
        )
    except (OSError, sqlite3.Error) as error:
        raise LFError(f"The cache {path} cannot be opened: {error}") from None
    with closing(connection):
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.executescript(tables)
        except sqlite3.Error as error:
            raise LFError(
                f"The cache {path} cannot be used: {error}. If it is damaged, move it away."
            ) from None
        yield connection


@dataclass(frozen=True)
class CachedEncoder:
    """An encoder whose vectors are kept in a SQLite file, by encoder version and text."""

    encoder: Encoder
    path: Path = field(repr=False)

    @property
    def version(self) -> str:
        return self.encoder.version

    def __call__(self, texts: list[str]) -> Vectors:
        """(n, d) single-precision vectors; a text is encoded once, ever."""
        keys = [self._key(text) for text in texts]
        text_of = dict(zip(keys, texts, strict=True))
        tables = "CREATE TABLE IF NOT EXISTS vectors (key BLOB PRIMARY KEY, vector BLOB NOT NULL)"
        with open_database(self.path, tables) as database:
            found = _look_up(database, list(text_of))
            new = [key for key in text_of if key not in found]
            for start in range(0, len(new), _COMMIT):
                part = new[start : start + _COMMIT]
                vectors = self._encode([text_of[key] for key in part])
                rows = [(key, vector.tobytes()) for key, vector in zip(part, vectors, strict=True)]
                database.execute("BEGIN IMMEDIATE")
                database.executemany("INSERT OR IGNORE INTO vectors VALUES (?, ?)", rows)
                database.execute("COMMIT")
                # What is stored counts, should another process have been first.
                found |= _look_up(database, part)
        return np.array([np.frombuffer(found[key], dtype="<f4") for key in keys])

    def _key(self, text: str) -> bytes:
        return hashlib.sha256(f"{self.version}\0{text}".encode()).digest()

    def _encode(self, texts: list[str]) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
        vectors = self.encoder(texts)
        if not isinstance(vectors, np.ndarray):
            raise LFError(
                f"{self.version} gives sparse vectors, which are faster made than looked up: "
                "use it without cached."
            )
        if vectors.ndim != 2 or len(vectors) != len(texts):
            raise LFError(
                f"{self.version} gave an array of shape {vectors.shape} for {len(texts)} texts."
            )
        return vectors.astype("<f4")


def cached(encoder: Encoder, path: Path | str = "embeddings.sqlite") -> CachedEncoder:
    """An encoder that encodes every text only once, ever.

    Parameters
    ----------
    encoder : one with dense vectors, such as `MiniLMEncoder` or `EndpointEncoder`
    path : a SQLite file, shared by encoders and processes; relative to the folder of the module
        that calls this

    Notes
    -----
    The key is the SHA-256 of encoder version and text, so a changed model does not find the
    vectors of the old one. A batch is stored whole or not at all.
    """
    _, folder = calling_line()
    return CachedEncoder(check_encoder(encoder), folder / path)


def _look_up(database: sqlite3.Connection, keys: Sequence[bytes]) -> dict[bytes, bytes]:
    found: dict[bytes, bytes] = {}
    for start in range(0, len(keys), _LOOKUP):
        part = keys[start : start + _LOOKUP]
        marks = ", ".join("?" * len(part))
        # Only question marks are pasted into the statement.
        query = f"SELECT key, vector FROM vectors WHERE key IN ({marks})"  # noqa: S608
        found.update(database.execute(query, part).fetchall())
    return found
