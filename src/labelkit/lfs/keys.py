"""Every example once: keys that identify what they are said to identify."""

from __future__ import annotations

from collections.abc import Sequence

import narwhals as nw

from labelkit.engine import Frame, lazy
from labelkit.errors import LFError


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
    """Whether hashes alone tell it, several times faster than a group-by; Polars only."""
    if not isinstance(votes, nw.DataFrame) or not votes.implementation.is_polars():
        return False
    native = votes.to_native()
    return bool(native.select(keys).hash_rows().n_unique() == len(native))
