"""Where a log comes from: files, folders, globs, or a frame that some engine already holds."""

from __future__ import annotations

import glob
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeAlias

import narwhals as nw

from labelkit.engine import NativeFrame, lazy
from labelkit.errors import LogError

FORMATS = {
    ".parquet": "parquet",
    ".pq": "parquet",
    ".csv": "csv",
    ".tsv": "tsv",
    ".ndjson": "ndjson",
    ".jsonl": "ndjson",
}
COMPRESSED = {".gz", ".zst"}

Paths: TypeAlias = "str | Path | Sequence[str | Path]"


def find_files(source: Paths) -> tuple[Path, ...]:
    """Expand paths, folders (recursively) and globs to files, in sorted order."""
    patterns = [source] if isinstance(source, str | Path) else list(source)
    files: list[Path] = []
    for pattern in patterns:
        path = Path(pattern)
        if path.is_dir():
            found = [file for file in path.rglob("*") if _format(file) and file.is_file()]
            if not found:
                raise LogError(
                    f"The folder '{path}' holds no log file. Known endings: {', '.join(FORMATS)}."
                )
        elif path.is_file():
            found = [path]
        else:
            found = [Path(name) for name in glob.glob(str(pattern), recursive=True)]
            if not found:
                raise LogError(f"No file matches '{pattern}' (looked from '{Path.cwd().name}/').")
        files += sorted(found)
    return tuple(files)


def scan_files(files: Sequence[Path], engine: str) -> nw.LazyFrame[Any]:
    """A lazy frame over the files; nothing is read yet but their schema."""
    formats = {_format(file) for file in files}
    if len(formats) != 1 or None in formats:
        names = ", ".join(sorted(str(kind) for kind in formats))
        raise LogError(
            f"A log is read from files of one known format; found: {names}. "
            f"Known endings: {', '.join(FORMATS)}, and .gz behind a text format."
        )
    (kind,) = formats
    # Engines take a path for a glob; these are files, whatever characters their names have.
    paths = [glob.escape(str(file)) for file in files]
    try:
        if engine == "polars":
            return lazy(_scan_polars(kind or "", paths))
        if engine == "duckdb":
            return lazy(_scan_duckdb(kind or "", paths))
    except Exception as error:
        raise LogError(f"Cannot read '{files[0]}' as {kind}: {error}") from error
    raise LogError(f"Unknown engine {engine!r} for files: choose 'polars' or 'duckdb'.")


def from_frame(frame: NativeFrame) -> nw.LazyFrame[Any]:
    """A lazy view of an in-memory or engine frame that Narwhals knows."""
    try:
        return lazy(frame)
    except TypeError as error:
        raise LogError(
            f"Cannot read a log from a {type(frame).__name__}. Pass a path, a list of paths, or a "
            "pandas, Polars, PyArrow or DuckDB table."
        ) from error


def _format(path: Path) -> str | None:
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes and suffixes[-1] in COMPRESSED:
        suffixes.pop()
    return FORMATS.get(suffixes[-1]) if suffixes else None


def _scan_polars(kind: str, paths: list[str]) -> NativeFrame:
    import polars as pl

    if kind == "parquet":
        return pl.scan_parquet(paths)
    if kind == "ndjson":
        return pl.scan_ndjson(paths, infer_schema_length=10_000)
    separator = "\t" if kind == "tsv" else ","
    return pl.scan_csv(paths, separator=separator, try_parse_dates=True, infer_schema_length=10_000)


def _scan_duckdb(kind: str, paths: list[str]) -> NativeFrame:
    import duckdb

    if kind == "parquet":
        return duckdb.read_parquet(paths)
    if kind == "ndjson":
        return duckdb.read_json(paths, format="newline_delimited")
    return duckdb.read_csv(paths)
