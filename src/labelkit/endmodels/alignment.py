"""Rows of one table found in another by key."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import narwhals as nw
import numpy as np
import numpy.typing as npt

from labelkit.errors import EndModelError

if TYPE_CHECKING:
    import polars as pl

IntArray = npt.NDArray[np.int64]


def key_table(frame: nw.DataFrame[Any], keys: Sequence[str], who: str) -> pl.DataFrame:
    """The key columns of ``frame`` in Polars, each row told from the others.

    Raises
    ------
    EndModelError
        A key column is missing or has gaps, or a key stands twice.
    """
    import polars as pl

    missing = [key for key in keys if key not in frame.columns]
    if missing:
        raise EndModelError(
            f"{who} have no key column {', '.join(map(repr, missing))} (columns: "
            f"{', '.join(frame.columns)}). Name the key columns with keys=(...)."
        )
    table = frame.select(list(keys)).to_polars()
    # A categorical of one table is not joined with text of another.
    table = table.with_columns(pl.col(pl.Categorical, pl.Enum).cast(pl.String))
    for key in keys:
        nulls = table[key].is_null()
        if nulls.any():
            raise EndModelError(
                f"{who}: key column {key!r} has {int(nulls.sum()):,} of {len(table):,} rows "
                f"without a value (first: row {nulls.arg_max()})."
            )
    twice = table.is_duplicated()
    if twice.any():
        raise EndModelError(
            f"{who}: {int(twice.sum()):,} of {len(table):,} rows share their key with another "
            f"(first: {table.filter(twice).row(0, named=True)})."
        )
    return table


def rows_in(wanted: pl.DataFrame, table: pl.DataFrame, who: str) -> IntArray:
    """For each row of ``wanted`` the row of ``table`` with the same key, (n,).

    Raises
    ------
    EndModelError
        A key has another type there, or some are not there at all.
    """
    import polars as pl

    for key in wanted.columns:
        ours, theirs = wanted.schema[key], table.schema[key]
        if ours != theirs and not (ours.is_integer() and theirs.is_integer()):
            raise EndModelError(
                f"Key column {key!r} is {ours} in the labels and {theirs} in the {who}: no row "
                f"would be found. Cast one of the two."
            )
        table = table.with_columns(table[key].cast(ours))
    found = wanted.join(
        table.with_row_index("__row__"), on=wanted.columns, how="left", maintain_order="left"
    )["__row__"]
    lacking = found.is_null()
    if lacking.any():
        example = wanted.filter(lacking).row(0, named=True)
        raise EndModelError(
            f"{int(lacking.sum()):,} of {len(wanted):,} labeled examples are not in the {who} "
            f"(first: {example})."
        )
    return found.cast(pl.Int64).to_numpy()
