"""A cache of votes that are dear: those of row and batch functions, on one table of examples.

Votes of expressions are not kept. They cost less than the hash of the columns that they read, so
that a cache could only slow them down. A key is the hash of everything that decides the votes:
the function (`fingerprint`), the examples column by column, the number of classes, and the versions
of labelkit and Polars. Files are written aside and renamed, so that processes may share a cache;
one that is damaged or gone is a vote to be made again.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import narwhals as nw

from labelkit.errors import LFError
from labelkit.files import atomic, write_text
from labelkit.lfs.applier import OnMissing, apply, check_lfs
from labelkit.lfs.fingerprint import fingerprint
from labelkit.lfs.function import AnyLF, LabelingFunction, RowFunction
from labelkit.lfs.votes import Votes

if TYPE_CHECKING:
    import polars as pl

FORMAT = 1
MAX_BYTES = 512 * 2**20
# Left behind by a process that was killed while it wrote.
_STALE_S = 3600


@dataclass(frozen=True)
class VoteCache:
    """Votes on disk, the least recently used of which go when there are too many.

    Parameters
    ----------
    directory : made when the first votes are kept; git is told to leave it alone
    max_bytes : of all files together
    """

    directory: Path
    max_bytes: int = MAX_BYTES

    def get(self, key: str, n: int) -> pl.Series | None:
        """The n votes kept under ``key`` (int8), if they are there and whole."""
        import polars as pl

        path = self._path(key)
        try:
            found = pl.read_parquet(path, memory_map=False)["votes"]
            os.utime(path)  # it was of use just now
        except Exception:  # gone, damaged, or of another format: the votes are made again
            return None
        return found if len(found) == n and found.dtype == pl.Int8 else None

    def put(self, key: str, votes: pl.Series) -> None:
        """Keep votes; a disk that is full or read-only is no reason to stop."""
        path = self._path(key)
        try:
            ignore = self.directory / ".gitignore"
            if not ignore.is_file():
                write_text(ignore, "*\n")
            with atomic(path) as aside:
                votes.rename("votes").to_frame().write_parquet(aside)
            self._make_room()
        except OSError:
            return

    def _path(self, key: str) -> Path:
        return self.directory / f"{key}.parquet"

    def _make_room(self) -> None:
        files = []
        for path in self.directory.glob("*.parquet"):
            try:
                fact = path.stat()
            except FileNotFoundError:  # another process made room
                continue
            if ".tmp" in path.suffixes and time.time() - fact.st_mtime < _STALE_S:
                continue
            files.append((".tmp" not in path.suffixes, fact.st_mtime_ns, fact.st_size, path))
        total = sum(size for *_, size, _ in files)
        for kept, _, size, path in sorted(files):
            if kept and total <= self.max_bytes:
                break
            path.unlink(missing_ok=True)
            total -= size


def apply_cached(
    lfs: Sequence[object],
    examples: pl.DataFrame,
    cache: VoteCache | None,
    *,
    keys: Sequence[str] = ("query", "item"),
    cardinality: int = 2,
    on_missing: OnMissing = "error",
    **options: Any,  # whatever else `apply` takes
) -> tuple[Votes, tuple[str, ...]]:
    """`apply`, with the votes of row and batch functions from a cache where they are there.

    Returns
    -------
    The votes, exactly as `apply` gives them, and the names of the functions that were not asked.
    """
    schema = nw.from_native(examples).collect_schema()
    settings: dict[str, Any] = {"keys": keys, "cardinality": cardinality}
    dear = [lf for lf in lfs if not isinstance(lf, LabelingFunction)]
    if cache is None or not dear:
        return apply(lfs, examples, on_missing=on_missing, **settings, **options), ()
    functions = check_lfs(lfs, schema, on_missing=on_missing, **settings)
    names = _keys_of(functions, examples, keys, cardinality)
    found = {}
    for name, key in names.items():
        votes = cache.get(key, len(examples))
        if votes is not None:
            found[name] = votes.rename(name)
    fresh = [lf for lf in functions if lf.name not in found]
    if not fresh:
        # Keys are among what was hashed, and were checked when these votes were made.
        made = _votes_of(examples, keys, cardinality)
    else:
        made = apply(fresh, examples, **settings, **options)
    table = nw.to_native(made.frame)
    for lf in fresh:
        failed = any(failure.lf == lf.name for failure in made.errors)
        final = getattr(lf, "is_final", None)
        if lf.name in names and not failed and (final is None or final()):
            cache.put(names[lf.name], table[lf.name])
    if not found:
        return made, ()
    order = [*keys, *(lf.name for lf in functions)]
    whole = table.with_columns(*found.values()).select(order)
    joined = replace(made, frame=nw.from_native(whole), lf_names=tuple(lf.name for lf in functions))
    return joined, tuple(name for name in joined.lf_names if name in found)


def _votes_of(examples: pl.DataFrame, keys: Sequence[str], cardinality: int) -> Votes:
    frame = nw.from_native(examples.select(keys))
    return Votes(frame, tuple(keys), (), cardinality, examples.clear())


def _keys_of(
    functions: Sequence[AnyLF], examples: pl.DataFrame, keys: Sequence[str], cardinality: int
) -> dict[str, str]:
    """Cache keys by name, of those functions of which it can be told what they depend on."""
    import polars as pl

    told = {
        lf.name: mark
        for lf in functions
        if not isinstance(lf, LabelingFunction) and (mark := fingerprint(lf)) is not None
    }
    if not told:
        return {}
    columns = {name: _column_hash(examples[name]) for name in examples.columns}
    found = {}
    for lf in functions:
        if lf.name not in told:
            continue
        # Only Python knows what a row function reads.
        read = None if isinstance(lf, RowFunction) else getattr(lf, "columns", None)
        seen = columns if read is None else {c: columns[c] for c in sorted({*keys, *read})}
        parts = (
            FORMAT,
            version("labelkit"),
            pl.__version__,
            cardinality,
            told[lf.name],
            list(seen.items()),
        )
        found[lf.name] = hashlib.sha256(repr(parts).encode()).hexdigest()
    return found


def _column_hash(column: pl.Series) -> str:
    """A hash of a column's type, values and their order, whatever its chunks."""
    hashed = hashlib.sha256(f"{column.dtype!r}\0{len(column)}\0".encode())
    try:
        # Row hashes of 64 bits, hashed again: nothing of a gap's garbage gets in.
        hashed.update(column.rechunk().hash(seed=0).to_numpy().tobytes())
        # Gaps hash to a number of their own, which a value might share.
        hashed.update(column.is_null().to_numpy().tobytes())
    except Exception as error:
        raise LFError(f"Column {column.name!r} cannot be hashed for the vote cache.") from error
    return hashed.hexdigest()
