"""The pool of examples in an order that depends on its keys alone, not on rows or engine."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import narwhals as nw
import numpy as np
import numpy.typing as npt

from labelkit.engine import NativeFrame, collect, lazy
from labelkit.errors import SelectionError

if TYPE_CHECKING:
    import polars as pl

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

_TOLERANCE = 1e-6  # probabilities may have travelled through float32


@dataclass(frozen=True)
class Pool:
    """The examples that can be drawn, sorted by key.

    ::

        rows           (N,) int64: position of each example in ``frame``
        probabilities  (N, k) float64, rows summing to 1
        query          (N,) int64: number of the example's first key, for caps per query
        covered        (N,) bool: whether any LF voted, as the weak labels say; else all True
        frame          the collected weak labels: keys, label (if any), p_0 … p_{k-1}
        n_excluded     examples of ``frame`` that cannot be drawn
        payload        (N,) int64: alike where people would see the same; None unless asked
        seen           (N,) bool: whether an excluded example has the same payload
    """

    rows: IntArray
    probabilities: FloatArray
    query: IntArray
    covered: npt.NDArray[np.bool_]
    frame: nw.DataFrame[Any]
    n_excluded: int
    payload: IntArray | None
    seen: npt.NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.rows)


def probability_columns(columns: Sequence[str]) -> list[str]:
    """``p_0`` … ``p_{k-1}`` among ``columns``, in the order of the classes.

    Raises
    ------
    SelectionError
        There are fewer than two, or one in between is missing.
    """
    found = sorted(int(c[2:]) for c in columns if re.fullmatch(r"p_\d+", c))
    if len(found) < 2 or found != list(range(len(found))):
        has = ", ".join(f"p_{c}" for c in found) or "none"
        raise SelectionError(
            f"Selection needs the probability columns p_0, p_1, … of weak labels; found: {has} "
            f"(columns: {', '.join(columns)}). LabelModel(...).fit(votes).label(votes) makes them."
        )
    return [f"p_{c}" for c in found]


def read_pool(
    labels: NativeFrame,
    *,
    keys: Sequence[str],
    exclude: NativeFrame | None = None,
    distinct: Sequence[str] | None = None,
) -> Pool:
    """The weak labels as a pool, without the keys that ``exclude`` names.

    ``distinct`` names the columns in which duplicates are alike.

    Raises
    ------
    SelectionError
        A key or probability column is missing, null or not a probability; a key occurs twice.
    """
    import polars as pl

    source = lazy(labels)
    columns = source.collect_schema().names()
    _require(columns, keys, "The weak labels")
    p_columns = probability_columns(columns)
    carried = [c for c in ("label",) if c in columns]
    told = [c for c in ("covered",) if c in columns]
    shown = list(distinct or ())
    _require(columns, shown, "The weak labels", "distinct")
    wanted = [*keys, *carried, *p_columns, *told, *shown]
    table = collect(source.select(list(dict.fromkeys(wanted))))
    frame = table.select([*keys, *carried, *p_columns])
    covered = np.ones(len(frame), dtype=bool)
    if told:
        covered = table["covered"].to_numpy().astype(bool)

    key_table = keys_of(frame, keys)
    order = key_table.select(pl.arg_sort_by(list(keys))).to_series()
    _refuse_repeated(key_table, order, keys)
    keep = order.to_numpy().astype(np.int64)
    n_excluded = 0
    if exclude is not None:
        drop = _excluded_rows(key_table, exclude, keys)
        n_excluded = int(drop.sum())
        keep = keep[~drop[keep]]

    p = np.column_stack([frame[c].cast(nw.Float64).to_numpy() for c in p_columns])
    p = np.ascontiguousarray(p, dtype=np.float64)
    _refuse_improbable(p, key_table, keys)
    query = key_table[keys[0]].rank("dense").to_numpy().astype(np.int64)
    payload: IntArray | None = None
    seen: npt.NDArray[np.bool_] = np.zeros(len(keep), dtype=bool)
    if shown:
        number = _payload_number(table.select(shown).to_polars())
        payload = number[keep]
        gone = np.ones(len(number), dtype=bool)
        gone[keep] = False
        seen = np.isin(payload, number[gone])
    return Pool(keep, p[keep], query[keep], covered[keep], frame, n_excluded, payload, seen)


def _require(
    columns: Sequence[str], wanted: Sequence[str], who: str, argument: str = "keys"
) -> None:
    missing = [c for c in wanted if c not in columns]
    if missing:
        kind = "key column" if argument == "keys" else "column"
        raise SelectionError(
            f"{who} have no {kind} {', '.join(map(repr, missing))} "
            f"(columns: {', '.join(columns)}). Name the {kind}s with {argument}=(...)."
        )


def _payload_number(table: pl.DataFrame) -> IntArray:
    """A number for each row, alike where all columns are; rows with a null are alone."""
    import polars as pl

    number = np.arange(len(table))
    whole = ~table.select(pl.any_horizontal(pl.all().is_null())).to_series().to_numpy()
    rows = table.with_row_index("__row__").filter(pl.Series(whole))
    if len(rows):
        first = rows.select(pl.col("__row__").first().over(table.columns)).to_series()
        number[whole] = first.to_numpy()
    return number


def keys_of(frame: nw.DataFrame[Any], keys: Sequence[str]) -> pl.DataFrame:
    """The key columns in Polars, whose order of values does not depend on the user's engine."""
    import polars as pl

    table = frame.select(list(keys)).to_polars()
    # A categorical sorts by the order in which its values were first seen, which is row order.
    table = table.with_columns(pl.col(pl.Categorical, pl.Enum).cast(pl.String))
    for key in keys:
        nulls = table[key].is_null()
        if nulls.any():
            raise SelectionError(
                f"Key column {key!r} has {int(nulls.sum()):,} of {len(table):,} rows without a "
                f"value (first: row {nulls.arg_max()})."
            )
    return table


def _refuse_repeated(table: pl.DataFrame, order: pl.Series, keys: Sequence[str]) -> None:
    same = np.ones(max(len(table) - 1, 0), dtype=bool)
    for key in keys:
        ordered = table[key].gather(order)
        same &= (ordered == ordered.shift(1)).to_numpy()[1:].astype(bool)
    if same.any():
        example = table.row(int(order[int(same.argmax())]), named=True)
        raise SelectionError(
            f"{int(same.sum()):,} of {len(table):,} weak labels repeat the key of another "
            f"(for example {example}): an example could be drawn twice, and its inclusion "
            f"probability would be unknown."
        )


def _excluded_rows(
    table: pl.DataFrame, exclude: NativeFrame, keys: Sequence[str]
) -> npt.NDArray[np.bool_]:
    source = lazy(exclude)
    _require(source.collect_schema().names(), keys, "The examples to exclude")
    others = keys_of(collect(source.select(list(keys))), keys).unique()
    for key in keys:
        ours, theirs = table.schema[key], others.schema[key]
        if len(others) and ours != theirs and not (ours.is_integer() and theirs.is_integer()):
            raise SelectionError(
                f"Key column {key!r} is {theirs} in the examples to exclude and {ours} in the weak "
                f"labels: none of them would be found. Cast one of the two."
            )
        others = others.with_columns(others[key].cast(ours))
    drop = np.zeros(len(table), dtype=bool)
    if len(others):
        hit = table.with_row_index("__row__").join(others, on=list(keys), how="semi")
        drop[hit["__row__"].to_numpy()] = True
    return drop


def _refuse_improbable(p: FloatArray, table: pl.DataFrame, keys: Sequence[str]) -> None:
    total = p.sum(axis=1)
    bad = ~((p >= -_TOLERANCE) & (p <= 1 + _TOLERANCE)).all(axis=1)  # NaN compares false: bad
    bad |= ~(np.abs(total - 1) <= _TOLERANCE * p.shape[1])
    if bad.any():
        row = int(bad.argmax())
        raise SelectionError(
            f"{int(bad.sum()):,} of {len(p):,} weak labels have no probabilities in "
            f"p_0 … p_{p.shape[1] - 1} that sum to 1 (for example {table.row(row, named=True)}: "
            f"{', '.join(f'{x:g}' for x in p[row])})."
        )
