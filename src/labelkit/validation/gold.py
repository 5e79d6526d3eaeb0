"""Gold labels, checked before anything is measured with them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import narwhals as nw
import numpy as np
import numpy.typing as npt

from labelkit.engine import NativeFrame, collect, lazy, nan_to_null
from labelkit.errors import GoldError

if TYPE_CHECKING:
    import polars as pl

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Gold:
    """What people said about some examples, and how those examples were drawn.

    ::

        keys         Polars frame of the key columns, (n,) rows, no key twice
        label        (n,) int64 classes 0 … k-1
        relevance    (n,) float64 grades ≥ 0 for NDCG; the label where no grades are given
        probability  (n,) float64 in (0, 1], inclusion probabilities; None when the gold has none
        round        (n,) int64, rounds numbered in time (names in natural order); None without any
    """

    keys: pl.DataFrame
    label: IntArray
    relevance: FloatArray
    probability: FloatArray | None
    round: IntArray | None

    def __len__(self) -> int:
        return len(self.label)


def read_gold(gold: NativeFrame, *, keys: Sequence[str], cardinality: int) -> Gold:
    """Gold labels from a native frame.

    ``label`` holds classes; without it, ``relevance`` ≥ 1 is class 1. ``relevance`` (grades for
    NDCG), ``inclusion_probability`` and ``round`` are used where present.

    Raises
    ------
    GoldError
        No rows; a missing column; a value that is null, no class, or no probability; a key twice.
    """
    source = nan_to_null(lazy(gold))
    columns = source.collect_schema().names()
    missing = [c for c in keys if c not in columns]
    if missing:
        raise GoldError(
            f"The gold labels have no key column {', '.join(map(repr, missing))} "
            f"(columns: {', '.join(columns)}). Name the key columns with keys=(...)."
        )
    if "label" not in columns and "relevance" not in columns:
        raise GoldError(
            f"The gold labels have neither 'label' (classes 0 … {cardinality - 1}) nor 'relevance' "
            f"(grades): columns are {', '.join(columns)}."
        )
    wanted = ["label", "relevance", "inclusion_probability", "round"]
    frame = collect(source.select([*keys, *(c for c in wanted if c in columns)]))
    if not len(frame):
        raise GoldError("The gold labels are empty: nothing was labeled yet.")
    table = key_table(frame, keys)
    _refuse_repeated(frame, table, keys)

    relevance = label = None
    if "relevance" in columns:
        relevance = _numbers(frame, "relevance", table)
        _refuse(relevance < 0, relevance, "relevance", table, "below 0: grades count from 0")
        label = (relevance >= 1).astype(np.int64)
    if "label" in columns:
        raw = _numbers(frame, "label", table)
        outside = (raw < 0) | (raw >= cardinality) | (raw != np.floor(raw))
        hint = f"outside the classes 0 … {cardinality - 1}"
        if cardinality == 2:
            hint += ". Put grades in a column 'relevance'; grade ≥ 1 then counts as class 1"
        _refuse(outside, raw, "label", table, hint)
        label = raw.astype(np.int64)
    if label is None:  # one of the two is there: checked above
        raise GoldError("The gold labels have neither 'label' nor 'relevance'.")
    if relevance is None:
        relevance = label.astype(np.float64)

    probability = None
    if "inclusion_probability" in columns:
        probability = _numbers(frame, "inclusion_probability", table)
        bad = (probability <= 0) | (probability > 1)
        _refuse(bad, probability, "inclusion_probability", table, "outside (0, 1]")
    number = None
    if "round" in columns:
        rounds = frame["round"]
        if rounds.is_null().any():
            raise GoldError("Column 'round' of the gold labels has rows without a value.")
        names = rounds.to_list()
        place = {name: at for at, name in enumerate(sorted(set(names), key=_natural))}
        number = np.array([place[name] for name in names], dtype=np.int64)
    return Gold(table, label, relevance, probability, number)


def key_table(frame: nw.DataFrame[Any], keys: Sequence[str]) -> pl.DataFrame:
    """The key columns in Polars, categories as text."""
    import polars as pl

    table = frame.select(list(keys)).to_polars()
    return table.with_columns(pl.col(pl.Categorical, pl.Enum).cast(pl.String))


def find_rows(
    table: pl.DataFrame, wanted: pl.DataFrame, keys: Sequence[str], *, who: str, where: str
) -> IntArray:
    """Row in ``table`` of each key of ``wanted``; -1 where it has none.

    Raises
    ------
    GoldError
        A key column has another type in one of the two, or ``table`` has a wanted key twice.
    """
    import polars as pl

    for key in keys:
        ours, theirs = table.schema[key], wanted.schema[key]
        if ours != theirs and not (ours.is_integer() and theirs.is_integer()):
            raise GoldError(
                f"Key column {key!r} is {theirs} in {who} and {ours} in {where}: no key would be "
                f"found. Cast one of the two."
            )
        if ours != theirs:
            wanted = wanted.with_columns(pl.col(key).cast(ours))
    left = wanted.with_row_index("__row__")
    joined = left.join(table.with_row_index("__at__"), on=list(keys), how="left")
    if len(joined) > len(wanted):
        counted = joined.group_by("__row__").len().filter(pl.col("len") > 1)
        example = wanted.row(int(counted["__row__"][0]), named=True)
        raise GoldError(f"{where.capitalize()} hold the key {example} more than once.")
    found = joined.sort("__row__")["__at__"]
    return found.cast(pl.Int64).fill_null(-1).to_numpy()


def _natural(name: object) -> list[tuple[int, int, str]]:
    """Sort key under which "round-2" comes before "round-10", and 2 before 10."""
    parts = re.split(r"(\d+)", str(name))
    return [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in parts if part]


def _numbers(frame: nw.DataFrame[Any], column: str, table: pl.DataFrame) -> FloatArray:
    series = frame[column]
    if not (series.dtype.is_numeric() or series.dtype == nw.Boolean):
        raise GoldError(f"Column {column!r} of the gold labels is {series.dtype}, not numeric.")
    nulls = series.is_null()
    if nulls.any():
        missing = np.asarray(nulls.to_numpy()).astype(bool)
        raise GoldError(
            f"Column {column!r} of the gold labels has {int(missing.sum()):,} of {len(series):,} "
            f"rows without a value (first: {table.row(int(missing.argmax()), named=True)}). "
            f"Leave out examples that nobody decided."
        )
    return np.asarray(series.cast(nw.Float64).to_numpy(), dtype=np.float64)


def _refuse(
    bad: npt.NDArray[np.bool_], values: FloatArray, column: str, table: pl.DataFrame, why: str
) -> None:
    if bad.any():
        row = int(bad.argmax())
        raise GoldError(
            f"Column {column!r} of the gold labels has {int(bad.sum()):,} of {len(values):,} "
            f"values {why} (first: {values[row]:g} at {table.row(row, named=True)})."
        )


def _refuse_repeated(frame: nw.DataFrame[Any], table: pl.DataFrame, keys: Sequence[str]) -> None:
    import polars as pl

    column = "label" if "label" in frame.columns else "relevance"
    values = frame.select(column).to_polars()[column].rename("__value__")
    groups = (
        table.with_columns(values)
        .group_by(list(keys))
        .agg(pl.len().alias("__n__"), pl.col("__value__").n_unique().alias("__values__"))
        .filter(pl.col("__n__") > 1)
        .sort(list(keys))
    )
    if len(groups):
        conflicts = groups.filter(pl.col("__values__") > 1)
        shown = (conflicts if len(conflicts) else groups).select(list(keys)).row(0, named=True)
        raise GoldError(
            f"{len(groups):,} examples have more than one gold label, {len(conflicts):,} of them "
            f"with different answers (for example {shown}). Adjudicate them: one row an example."
        )
