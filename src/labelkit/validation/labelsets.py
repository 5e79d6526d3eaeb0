"""Label sets: weak labels, and the baselines that they are compared with, on the same rows."""

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
from labelkit.validation.gold import find_rows, key_table

if TYPE_CHECKING:
    import polars as pl

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

# A rate of 0 from three impressions would cost infinite log loss at the first relevant item. This
# is kind to the naive reading, and said in the report.
NAIVE_CLIP = 0.01


@dataclass(frozen=True)
class LabelSet:
    """What one source says about N examples, in the row order of the weak labels.

    ::

        name           "weak labels", or the baseline's name
        known          (N,) bool: False where the source says nothing
        label          (N,) int64 classes
        probabilities  (N, k) float64, or None where the source has none
        score          (N,) float64, higher is more relevant; or None
        clip           probabilities are kept in [clip, 1 − clip] for log loss
        note           one sentence on how the source was read; may be empty
    """

    name: str
    known: BoolArray
    label: IntArray
    probabilities: FloatArray | None
    score: FloatArray | None
    clip: float
    note: str

    def __len__(self) -> int:
        return len(self.label)


def read_weak_labels(
    labels: NativeFrame, *, keys: Sequence[str], columns: Sequence[str] = ()
) -> tuple[pl.DataFrame, LabelSet, dict[str, FloatArray]]:
    """Weak labels: keys, the label set, and further numeric ``columns`` by name (NaN for null).

    Raises
    ------
    GoldError
        A column is missing, or a value is no probability or class.
    """
    source = nan_to_null(lazy(labels))
    names = source.collect_schema().names()
    p_columns = [f"p_{c}" for c in sorted(int(n[2:]) for n in names if re.fullmatch(r"p_\d+", n))]
    missing = [c for c in (*keys, *columns) if c not in names]
    if missing or len(p_columns) < 2:
        lacking = ", ".join(map(repr, missing)) or "'p_0', 'p_1', …"
        raise GoldError(f"The weak labels have no column {lacking} (columns: {', '.join(names)}).")
    carried = [c for c in ("label",) if c in names]
    frame = collect(source.select(list(dict.fromkeys([*keys, *carried, *p_columns, *columns]))))
    table = key_table(frame, keys)
    p = np.column_stack([_floats(frame[c]) for c in p_columns])
    _refuse_improbable(p, table)
    label = _floats(frame["label"]) if carried else p.argmax(axis=1).astype(np.float64)
    outside = ~((label >= 0) & (label < p.shape[1]))
    if outside.any():
        row = int(outside.argmax())
        raise GoldError(
            f"{int(outside.sum()):,} of {len(p):,} weak labels are outside the classes "
            f"0 … {p.shape[1] - 1} (first: {label[row]:g} at {table.row(row, named=True)})."
        )
    known = np.ones(len(p), dtype=bool)
    clip = float(np.finfo(np.float64).eps)
    weak = LabelSet("weak labels", known, label.astype(np.int64), p, ranking_score(p), clip, "")
    return table, weak, {c: _floats(frame[c]) for c in columns}


def ranking_score(p: FloatArray) -> FloatArray:
    """Expected class Σ_c c·p_c: P(class 1) for two classes, the expected grade for more."""
    return np.asarray(p @ np.arange(p.shape[1], dtype=np.float64))


def read_baseline(
    name: str, frame: NativeFrame, table: pl.DataFrame, *, keys: Sequence[str], cardinality: int
) -> LabelSet:
    """A baseline from a frame with keys and ``p_0`` …, ``p_1``, ``score`` or ``label``.

    Raises
    ------
    GoldError
        It has none of those columns, or a key twice.
    """
    source = nan_to_null(lazy(frame))
    names = source.collect_schema().names()
    classes = [f"p_{c}" for c in range(cardinality)]
    if cardinality == 2 and "p_0" not in names:
        classes = ["p_1"]
    has_p = all(c in names for c in classes)
    wanted = [*(classes if has_p else []), *(c for c in ("score", "label") if c in names)]
    lacking = [c for c in keys if c not in names]
    if lacking or not wanted:
        what = f"key column {', '.join(map(repr, lacking))}" if lacking else "score, p_1 or label"
        raise GoldError(f"Baseline {name!r} has no {what} (columns: {', '.join(names)}).")
    eager = collect(source.select([*keys, *wanted]))
    who = f"baseline {name!r}"
    at = find_rows(key_table(eager, keys), table, keys, who="the weak labels", where=who)
    column = {c: np.where(at >= 0, _floats(eager[c])[at], np.nan) for c in wanted}
    if has_p:
        p = np.column_stack([column[c] for c in classes])
        p = np.column_stack([1 - p[:, 0], p[:, 0]]) if len(classes) == 1 else p
        clip = float(np.finfo(np.float64).eps)
        return _assemble(name, column.get("label"), p, ranking_score(p), clip, "")
    if "score" in wanted:
        return scored(name, column["score"], cardinality, label=column.get("label"))
    return _assemble(name, column["label"], None, column["label"], 0.0, "")


def scored(
    name: str, score: FloatArray, cardinality: int, *, label: FloatArray | None = None
) -> LabelSet:
    """A score read naively: above 0 means class 1, and a score in [0, 1] is a probability."""
    p, note = None, "score > 0 read as class 1"
    seen = score[~np.isnan(score)]
    if cardinality == 2 and ((seen >= 0) & (seen <= 1)).all():
        p = np.column_stack([1 - score, score])
        note += f", score clipped to [{NAIVE_CLIP}, {1 - NAIVE_CLIP}] read as its probability"
    if label is None:
        label = np.where(np.isnan(score), np.nan, score > 0)
    return _assemble(name, label, p, score, NAIVE_CLIP, note)


def _assemble(
    name: str,
    label: FloatArray | None,
    p: FloatArray | None,
    score: FloatArray | None,
    clip: float,
    note: str,
) -> LabelSet:
    if label is None:
        if p is None:
            raise GoldError(f"Baseline {name!r} has neither labels nor probabilities.")
        missing = np.isnan(p).any(axis=1)
        label = np.where(missing, np.nan, np.nan_to_num(p).argmax(axis=1))
    known = ~np.isnan(label)
    for values in (score, p.sum(axis=1) if p is not None else None):
        if values is not None:
            known &= ~np.isnan(values)
    return LabelSet(
        name, known, np.nan_to_num(label, nan=-1).astype(np.int64), p, score, clip, note
    )


def _floats(series: nw.Series[Any]) -> FloatArray:
    if not (series.dtype.is_numeric() or series.dtype == nw.Boolean):
        raise GoldError(f"Column {series.name!r} is {series.dtype}, not numeric.")
    # Engines disagree on what a null becomes in NumPy; as a float it is NaN on each of them.
    values = series.cast(nw.Float64).to_numpy()
    return np.asarray(values, dtype=np.float64)


def _refuse_improbable(p: FloatArray, table: pl.DataFrame) -> None:
    bad = ~((p >= -1e-6) & (p <= 1 + 1e-6)).all(axis=1)  # NaN compares false: bad
    bad |= ~(np.abs(p.sum(axis=1) - 1) <= 1e-6 * p.shape[1])
    if bad.any():
        row = int(bad.argmax())
        raise GoldError(
            f"{int(bad.sum()):,} of {len(p):,} weak labels have no probabilities that sum to 1 "
            f"(first: {table.row(row, named=True)}: {', '.join(f'{x:g}' for x in p[row])})."
        )
