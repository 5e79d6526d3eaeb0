"""What a pool and the gold so far say, in the form in which a forecast needs it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import narwhals as nw
import numpy as np
import numpy.typing as npt

from labelkit.engine import NativeFrame, collect, lazy
from labelkit.errors import SelectionError
from labelkit.selection.pool import Pool, read_pool
from labelkit.selection.pooling import pooled_weights

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class State:
    """The pool, split into what people have labeled and what they have not.

    ::

        pool        all N examples
        row         (N,) int64: class that the weak labels give
        at          (n,) int64: gold rows, as positions in the pool
        truth       (n,) int64: their gold labels
        weight      (n,) float64: pooled weights, see ``pooled_weights``
        sampled     (n,) bool: drawn with π < 1
    """

    pool: Pool
    row: IntArray
    at: IntArray
    truth: IntArray
    weight: FloatArray
    sampled: BoolArray

    @property
    def k(self) -> int:
        """Number of classes."""
        return int(self.pool.probabilities.shape[1])

    @property
    def unlabeled(self) -> IntArray:
        """Positions that nobody has labeled, in pool order."""
        left = np.ones(len(self.pool), dtype=bool)
        left[self.at] = False
        return np.flatnonzero(left)


def read_state(labels: NativeFrame, gold: NativeFrame | None, *, keys: Sequence[str]) -> State:
    """A pool of weak labels and the gold so far.

    Gold without ``inclusion_probability`` is taken as a simple random sample of the pool.

    Raises
    ------
    SelectionError
        The weak labels are no pool; gold lacks a column, repeats a key, has a key that the pool
        does not know, no label of the classes, or a value that is no probability.
    """
    pool = read_pool(labels, keys=keys)
    k = pool.probabilities.shape[1]
    if "label" in pool.frame.columns:
        row = pool.frame["label"].to_numpy().astype(np.int64)[pool.rows]
    else:
        row = pool.probabilities.argmax(axis=1).astype(np.int64)
    if gold is None:
        none = np.empty(0, dtype=np.int64)
        return State(pool, row, none, none, np.empty(0), np.empty(0, dtype=bool))
    at, table = _gold_rows(pool, gold, keys)
    truth = table["label"].cast(nw.Float64).to_numpy()
    outside = ~((truth >= 0) & (truth < k))
    if outside.any():
        raise SelectionError(
            f"{int(outside.sum()):,} of {len(truth):,} gold labels are outside the classes "
            f"0 … {k - 1} (first: {truth[outside.argmax()]:g} in row {outside.argmax()})."
        )
    if "inclusion_probability" in table.columns:
        pi = table["inclusion_probability"].cast(nw.Float64).to_numpy()
    else:
        pi = np.full(len(table), len(table) / max(len(pool), 1))
    if not ((pi > 0) & (pi <= 1)).all():
        bad = ~((pi > 0) & (pi <= 1))
        raise SelectionError(
            f"{int(bad.sum()):,} of {len(pi):,} gold labels have an inclusion_probability outside "
            f"(0, 1] (first: {pi[bad.argmax()]:g} in row {bad.argmax()})."
        )
    rounds = table["round"].to_numpy() if "round" in table.columns else None
    weight = pooled_weights(pi, rounds).weight
    return State(pool, row, at, truth.astype(np.int64), weight, pi < 1)


def _gold_rows(
    pool: Pool, gold: NativeFrame, keys: Sequence[str]
) -> tuple[IntArray, nw.DataFrame[Any]]:
    import polars as pl

    source = lazy(gold)
    names = source.collect_schema().names()
    missing = [c for c in (*keys, "label") if c not in names]
    if missing:
        raise SelectionError(
            f"The gold has no column {', '.join(map(repr, missing))} (columns: {', '.join(names)})."
        )
    wanted = [*keys, "label", *(c for c in ("inclusion_probability", "round") if c in names)]
    table = collect(source.select(wanted))
    theirs = table.select(list(keys)).to_polars()
    ours = pool.frame.select(list(keys)).to_polars()[pool.rows.tolist()].with_row_index("__at__")
    theirs = theirs.with_columns(pl.col(pl.Categorical, pl.Enum).cast(pl.String))
    ours = ours.with_columns(pl.col(pl.Categorical, pl.Enum).cast(pl.String))
    if theirs.is_duplicated().any():
        example = theirs.filter(theirs.is_duplicated()).row(0, named=True)
        raise SelectionError(
            f"{int(theirs.is_duplicated().sum()):,} of {len(theirs):,} gold labels share their key "
            f"with another (for example {example})."
        )
    try:
        cast = theirs.cast({key: ours.schema[key] for key in keys})
    except pl.exceptions.PolarsError as error:
        raise SelectionError(f"Gold labels have other keys than the weak labels: {error}") from None
    found = cast.join(ours, on=list(keys), how="left", maintain_order="left")["__at__"]
    if found.null_count():
        example = cast.row(found.is_null().arg_max() or 0, named=True)
        raise SelectionError(
            f"{found.null_count():,} of {len(found):,} gold labels have a key that is not in the "
            f"weak labels (first: {example})."
        )
    return found.to_numpy().astype(np.int64), table
