"""Gold labels beside votes: by key, or already in the order of the votes."""

from __future__ import annotations

from typing import Any

import narwhals as nw
import numpy as np

from labelkit.engine import NativeFrame, to_polars_lazy
from labelkit.errors import GoldError
from labelkit.lfs.patterns import ABSTAIN, Int64Array
from labelkit.lfs.votes import Votes


def align_gold(votes: Votes, gold: NativeFrame) -> Int64Array:
    """The gold label of each example, (n,), in the order of ``votes``; -1 where there is none.

    Parameters
    ----------
    gold : frame with the key columns of ``votes`` and ``label``, of any engine; or an array (n,)
        in the order of the votes, -1 where there is no gold

    Raises
    ------
    GoldError
        Columns are missing, labels are outside 0 … k-1, an example has two labels, or no gold
        label belongs to any example.
    """
    if isinstance(gold, np.ndarray | list | tuple):
        return _checked(np.asarray(gold), votes)
    import polars as pl

    frame = nw.from_native(gold)
    missing = [name for name in (*votes.keys, "label") if name not in frame.collect_schema()]
    if missing or not votes.keys:
        wanted = ", ".join((*votes.keys, "label"))
        lacks = f"this one lacks {', '.join(missing)}" if missing else "these votes have no keys"
        raise GoldError(
            f"Gold is a frame with the columns {wanted}, or an array in the order of the votes: "
            f"{lacks}."
        )
    keys = list(votes.keys)
    examples = to_polars_lazy(votes.key_frame).collect()
    table = to_polars_lazy(frame.select([*keys, "label"])).collect().drop_nulls("label")
    # Another engine may have read the same keys as another type of text or number.
    table = table.with_columns(_same_type(table[key], examples[key]) for key in keys)
    repeated = table.filter(pl.struct(keys).is_duplicated())
    if len(repeated):
        raise GoldError(
            f"{repeated.select(keys).n_unique()} examples have more than one gold label (first: "
            f"{_shown(repeated.row(0, named=True), keys)}). Adjudicate before validating."
        )
    joined = examples.join(table, on=keys, how="left", maintain_order="left")
    labels = joined["label"].fill_null(ABSTAIN).to_numpy()
    if len(table) and not (labels != ABSTAIN).any():
        raise GoldError(
            f"None of the {len(table):,} gold labels belongs to an example: are the keys of one "
            f"kind? Gold has {_shown(table.row(0, named=True), keys)}"
            + (
                f", votes have {_shown(examples.row(0, named=True), keys)}."
                if len(examples)
                else "."
            )
        )
    return _checked(labels, votes)


def _checked(labels: Any, votes: Votes) -> Int64Array:
    if labels.shape != (len(votes),):
        raise GoldError(
            f"Gold has shape {labels.shape}, but there are {len(votes):,} examples: give one label "
            "per example (-1 for none), or a frame with the keys."
        )
    whole = np.rint(labels.astype(np.float64))
    bad = (whole != labels) | (whole < ABSTAIN) | (whole >= votes.cardinality)
    if bad.any():
        first = int(np.flatnonzero(bad)[0])
        raise GoldError(
            f"{int(bad.sum()):,} gold labels are outside the {votes.cardinality} classes "
            f"0 … {votes.cardinality - 1} (first: {labels[first]} at row {first})."
        )
    aligned: Int64Array = whole.astype(np.int64)
    return aligned


def _same_type(column: Any, like: Any) -> Any:
    if column.dtype == like.dtype:
        return column
    try:
        return column.cast(like.dtype)
    except Exception as error:
        raise GoldError(
            f"The key {column.name!r} is {column.dtype} in gold and {like.dtype} in the votes."
        ) from error


def _shown(row: dict[str, object], keys: list[str]) -> str:
    return ", ".join(f"{key} {row[key]!r}" for key in keys)
