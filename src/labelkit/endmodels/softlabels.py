"""Soft labels to train on, from the table of weak labels or from an array of probabilities."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import narwhals as nw
import numpy as np
import numpy.typing as npt

from labelkit.endmodels.alignment import key_table
from labelkit.engine import NativeFrame, collect, lazy
from labelkit.errors import EndModelError

if TYPE_CHECKING:
    import polars as pl

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

_TOLERANCE = 1e-6  # probabilities may have travelled through float32


@dataclass(frozen=True)
class SoftLabels:
    """P(class | votes) of n examples, in the order in which they were given.

    ::

        proba    (n, k) float64, rows summing to 1
        covered  (n,) bool: whether any LF voted, as far as the source says; else all True
        keys     Polars frame of the key columns (n rows), None for an array
        native   the table that they were read from, None for an array
    """

    proba: FloatArray
    covered: BoolArray
    keys: pl.DataFrame | None = None
    native: NativeFrame = None

    def __len__(self) -> int:
        return len(self.proba)

    @property
    def margin(self) -> FloatArray:
        """How far the most probable class is ahead of the next, (n,) in [0, 1]."""
        two_best = np.partition(self.proba, -2, axis=1)[:, -2:]
        apart: FloatArray = two_best[:, 1] - two_best[:, 0]
        return apart


def soft_labels(
    labels: NativeFrame | npt.ArrayLike, *, keys: Sequence[str] = ("query", "item")
) -> SoftLabels:
    """Read soft labels.

    Parameters
    ----------
    labels : the table that ``LabelModel.label`` makes (keys, ``p_0`` …, perhaps ``covered``) in
        any engine; or an array of probabilities (n, k); or of classes 0 … k-1 (n,), which become
        one-hot rows
    keys : key columns of the table; ignored for an array

    Raises
    ------
    EndModelError
        Keys or probabilities cannot be used; the message counts the rows and shows one.
    """
    if isinstance(labels, np.ndarray | list | tuple):
        proba = _of_array(np.asarray(labels))
        return SoftLabels(proba, np.ones(len(proba), dtype=bool))
    source = lazy(labels)
    columns = source.collect_schema().names()
    p_columns = _probability_columns(columns)
    told = [name for name in ("covered",) if name in columns]
    table = collect(source.select(*[c for c in keys if c in columns], *p_columns, *told))
    key_columns = key_table(table, keys, "The weak labels")
    proba = np.column_stack([_numbers(table, name) for name in p_columns])
    covered = np.ones(len(proba), dtype=bool)
    if told:
        covered = table["covered"].to_numpy().astype(bool)
    return SoftLabels(_checked(proba, key_columns), covered, key_columns, labels)


def _of_array(array: npt.NDArray[Any]) -> FloatArray:
    if array.ndim == 1 and np.issubdtype(array.dtype, np.number) and len(array):
        whole = np.rint(array).astype(np.int64)
        bad = (whole != array) | (whole < 0)
        if bad.any():
            first = int(bad.argmax())
            raise EndModelError(
                f"{int(bad.sum()):,} of {len(array):,} labels are no class 0, 1, … (first: "
                f"{array[first]} in row {first}). Leave examples without a label out."
            )
        one_hot: FloatArray = np.eye(max(int(whole.max()) + 1, 2))[whole]
        return one_hot
    if array.ndim != 2 or array.shape[1] < 2 or not np.issubdtype(array.dtype, np.number):
        raise EndModelError(
            f"Labels are a table with p_0, p_1, …, an array (n, k ≥ 2) of probabilities, or one of "
            f"classes (n,); got an array of shape {array.shape} and type {array.dtype}."
        )
    return _checked(array.astype(np.float64), None)


def _probability_columns(columns: Sequence[str]) -> list[str]:
    found = sorted(int(c[2:]) for c in columns if re.fullmatch(r"p_\d+", c))
    if len(found) < 2 or found != list(range(len(found))):
        has = ", ".join(f"p_{c}" for c in found) or "none"
        raise EndModelError(
            f"Training needs the probability columns p_0, p_1, … of weak labels; found: {has} "
            f"(columns: {', '.join(columns)}). LabelModel(...).fit(votes).label(votes) makes them."
        )
    return [f"p_{c}" for c in found]


def _numbers(table: nw.DataFrame[Any], name: str) -> FloatArray:
    return table[name].cast(nw.Float64).to_numpy().astype(np.float64)


def _checked(proba: FloatArray, keys: pl.DataFrame | None) -> FloatArray:
    if not len(proba):
        raise EndModelError("There are no labels: the table is empty.")
    # NaN compares false, and so is bad.
    bad = ~((proba >= -_TOLERANCE) & (proba <= 1 + _TOLERANCE)).all(axis=1)
    total = proba.sum(axis=1)
    bad |= ~(np.abs(total - 1) <= _TOLERANCE * proba.shape[1])
    if bad.any():
        row = int(bad.argmax())
        where = f"row {row}" if keys is None else str(keys.row(row, named=True))
        raise EndModelError(
            f"{int(bad.sum()):,} of {len(proba):,} labels have no {proba.shape[1]} probabilities "
            f"that sum to 1 (first: {where}: {', '.join(f'{p:g}' for p in proba[row])})."
        )
    clipped = proba.clip(0, 1)
    normalised: FloatArray = clipped / clipped.sum(axis=1, keepdims=True)
    # A division may move a row that summed to 1 in its last bit; such rows stay as they came.
    return np.where(total[:, None] == 1, clipped, normalised)
