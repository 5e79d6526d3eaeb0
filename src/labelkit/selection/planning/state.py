"""What a pool and the gold so far say, in the form in which a forecast needs it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import narwhals as nw
import numpy as np
import numpy.typing as npt

from labelkit.engine import NativeFrame, collect, lazy
from labelkit.errors import SelectionError
from labelkit.selection.pool import Pool, keys_of, read_pool
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
        precision   of the rounds so far, see ``pooled_weights``
    """

    pool: Pool
    row: IntArray
    at: IntArray
    truth: IntArray
    weight: FloatArray
    sampled: BoolArray
    precision: float

    @property
    def k(self) -> int:
        """Number of classes."""
        return int(self.pool.probabilities.shape[1])

    @cached_property
    def size(self) -> FloatArray:
        """(k,) examples in each row of the pool."""
        return np.bincount(self.row, minlength=self.k).astype(np.float64)

    @cached_property
    def soft(self) -> FloatArray:
        """(k, k) mean soft label of the unlabeled examples of each row; no entry is 0."""
        p, row = self.pool.probabilities[self.unlabeled], self.row[self.unlabeled]
        return mean_by_row(p, row, np.full((self.k, self.k), 1 / self.k))

    @cached_property
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
        return State(pool, row, none, none, np.empty(0), np.empty(0, dtype=bool), 0.0)
    at, table = match_labels(pool, gold, keys, who="gold")
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
    pooled = pooled_weights(pi, rounds)
    return State(
        pool, row, at, truth.astype(np.int64), pooled.weight, pi < 1, pooled.precision
    )  # fmt: skip


def mean_by_row(p: FloatArray, row: IntArray, otherwise: FloatArray) -> FloatArray:
    """Mean probabilities in each row, (k, k), positive and summing to 1 in each.

    Parameters
    ----------
    p : (n, k) probabilities
    row : (n,) rows 0 … k-1
    otherwise : (k, k) what stands for rows without an example
    """
    k = len(otherwise)
    n = np.bincount(row, minlength=k)
    total = np.array([np.bincount(row, weights=p[:, c], minlength=k) for c in range(k)]).T + 1e-9
    return np.where(n[:, None] > 0, total / total.sum(axis=1, keepdims=True), otherwise)


def match_labels(
    pool: Pool, answers: NativeFrame, keys: Sequence[str], *, who: str, outside: str = "refuse"
) -> tuple[IntArray, nw.DataFrame[Any]]:
    """Where labeled examples stand in the pool, and their table, row by row alike.

    Parameters
    ----------
    answers : ``keys``, ``label`` and, where present, ``inclusion_probability`` and ``round``
    who : what messages call it
    outside : "refuse" examples that the pool does not know, or "leave out"

    Raises
    ------
    SelectionError
        A column is missing or of another type, a key occurs twice or, unless left out, is unknown.
    """
    import polars as pl

    source = lazy(answers)
    names = source.collect_schema().names()
    missing = [c for c in (*keys, "label") if c not in names]
    if missing:
        raise SelectionError(
            f"The {who} has no column {', '.join(map(repr, missing))} "
            f"(columns: {', '.join(names)})."
        )
    wanted = [*keys, "label", *(c for c in ("inclusion_probability", "round") if c in names)]
    table = collect(source.select(wanted))
    empty = table["label"].is_null()
    if empty.any():
        raise SelectionError(
            f"Column 'label' of the {who} has {int(empty.sum()):,} of {len(table):,} rows without "
            f"a value."
        )
    theirs, ours = keys_of(table, keys), keys_of(pool.frame, keys)
    twice = theirs.is_duplicated()
    if twice.any():
        raise SelectionError(
            f"{int(twice.sum()):,} of {len(theirs):,} rows of the {who} share their key with "
            f"another (for example {theirs.row(twice.arg_max() or 0, named=True)})."
        )
    try:
        cast = theirs.cast({key: ours.schema[key] for key in keys})
    except pl.exceptions.PolarsError as error:
        raise SelectionError(f"The {who} has other keys than the weak labels: {error}") from None
    place = ours[pool.rows].with_row_index("__at__")
    found = cast.join(place, on=list(keys), how="left", maintain_order="left")["__at__"]
    unknown = found.is_null()
    if unknown.any() and outside == "refuse":
        raise SelectionError(
            f"{found.null_count():,} of {len(found):,} rows of the {who} have a key that is not in "
            f"the weak labels (first: {cast.row(unknown.arg_max() or 0, named=True)})."
        )
    kept = np.flatnonzero(~unknown.to_numpy())
    return found.drop_nulls().to_numpy().astype(np.int64), table[kept.tolist()]
