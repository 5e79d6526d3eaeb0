"""Every example once: keys that identify what they are said to identify."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import narwhals as nw

from labelkit.engine import Frame, lazy
from labelkit.errors import LFError

if TYPE_CHECKING:
    import polars as pl

# A table whose beginning is not sorted need not be looked through.
_SAMPLE = 10_000


def check_keys(votes: Frame, keys: Sequence[str]) -> None:
    """Whether each key stands once: a join that multiplied rows multiplies weights everywhere.

    A lazy frame is asked in its engine, and only the first repeated key leaves it.

    Raises
    ------
    LFError
        Keys repeat; with their number and the first of them.
    """
    if not keys or _clearly_unique(votes, keys):
        return
    repeated = (
        lazy(votes)
        .select(keys)
        .group_by(keys, drop_null_keys=False)
        .agg(nw.len().alias("__rows__"))
        .filter(nw.col("__rows__") > 1)
    )
    n = int(repeated.select(nw.len()).collect().item())
    if not n:
        return
    first = repeated.sort(*keys).head(1).collect().rows(named=True)[0]
    example = ", ".join(f"{key} {first[key]!r}" for key in keys)
    raise LFError(
        f"{n:,} examples stand more than once (first: {example}, {first['__rows__']} "
        f"rows). An example is identified by {tuple(keys)}: did a join multiply rows?"
    )


def _clearly_unique(votes: Frame, keys: Sequence[str]) -> bool:
    """Whether it can be told without a group-by, several times faster; Polars only."""
    if not isinstance(votes, nw.DataFrame) or not votes.implementation.is_polars():
        return False
    native = votes.to_native()
    if _rises(native.head(_SAMPLE), keys) and _rises(native, keys):
        return True
    return bool(native.select(keys).hash_rows().n_unique() == len(native))


def _rises(table: pl.DataFrame, keys: Sequence[str]) -> bool:
    """Whether each row's key is above the one before: a sorted table, as a group-by often gives.

    A missing key is above nothing here, so a table that has one is not told to rise.
    """
    import polars as pl

    if not all(_ordered(table.schema[key]) for key in keys):
        return False
    later, ties = pl.lit(False), pl.lit(True)
    for key in keys:
        now, before = pl.col(key).slice(1), pl.col(key).slice(0, pl.len() - 1)
        later, ties = later | (ties & (now > before)), ties & (now == before)
    risen = table.lazy().select(later.fill_null(False).all()).collect()
    return len(table) < 2 or bool(risen.item())


def _ordered(dtype: pl.DataType) -> bool:
    return dtype.is_integer() or dtype.is_temporal()
