"""From a table of answers, of any engine, to numbered answers; every bad row is named first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from labelkit.engine import NativeFrame, lazy, nan_to_null, to_polars_lazy
from labelkit.errors import GoldError, LabelkitError, LabelModelError
from labelkit.labelmodels.crowds.answers import Answers, IntArray
from labelkit.labelmodels.crowds.hierarchy import Known

if TYPE_CHECKING:
    import polars as pl

# Above this, a float no longer tells whole numbers apart: a hash stored as one is damaged.
EXACT = 2**53


@dataclass(frozen=True)
class CrowdTable:
    """Numbered answers and what the numbers stand for.

    Parameters
    ----------
    answers, known : the answers, and the items among them whose class is known
    items, workers : (n,) and (m,) keys in rising order, under the user's column names
    classes : (k,) values that a label can have, in rising order
    n_rows : rows of the table
    n_skipped : rows without an answer (null, or -1 among whole numbers), left out
    n_repeated : rows in which a worker answered an item once more; they share one vote
    n_gold_unanswered : gold items that nobody answered, left out
    """

    answers: Answers
    known: Known
    items: pl.Series
    workers: pl.Series
    classes: pl.Series
    n_rows: int
    n_skipped: int
    n_repeated: int
    n_gold_unanswered: int


def read_crowd(
    frame: NativeFrame,
    *,
    item: str,
    worker: str,
    label: str,
    gold: NativeFrame | None = None,
    cardinality: int | None = None,
) -> CrowdTable:
    """Read answers in long form, and gold with the columns ``item`` and ``label``.

    Raises
    ------
    LabelModelError
        A column is missing, a key is null or a damaged hash, or there are more classes than
        ``cardinality``.
    GoldError
        The same of gold, or an item has two different gold labels.
    """
    import polars as pl

    rows = _columns(frame, {"item": item, "worker": worker, "label": label}, LabelModelError)
    n_rows = len(rows)
    answered = rows.filter(_is_answer(rows["label"]))
    if answered.is_empty():
        raise LabelModelError(f"None of the {n_rows:,} rows has an answer in column {label!r}.")
    known_rows = None
    if gold is not None:
        known_rows = _columns(gold, {"item": item, "label": label}, GoldError)
        known_rows = _one_label_each(known_rows.filter(_is_answer(known_rows["label"])), item)
        _same_kind(answered, known_rows, {"item": item, "label": label})
    classes = _classes(answered, known_rows, label, cardinality)
    items = answered["item"].unique().sort().alias(item)
    workers = answered["worker"].unique().sort().alias(worker)
    numbered = {
        "item": _number(answered["item"], items),
        "worker": _number(answered["worker"], workers),
        "label": _number(answered["label"], classes),
    }
    answers = Answers.of(
        **numbered, n_items=len(items), n_workers=len(workers), cardinality=len(classes)
    )
    pairs = pl.DataFrame(numbered).select("item", "worker").unique().height
    known, unanswered = Known.none(), 0
    if known_rows is not None:
        there = known_rows.filter(known_rows["item"].is_in(items.implode()))
        unanswered = len(known_rows) - len(there)
        known = Known(_number(there["item"], items), _number(there["label"], classes))
    return CrowdTable(
        answers,
        known,
        items,
        workers,
        classes,
        n_rows,
        n_rows - len(answered),
        len(answered) - pairs,
        unanswered,
    )


def _columns(frame: NativeFrame, named: dict[str, str], error: type[LabelkitError]) -> pl.DataFrame:
    """The named columns under labelkit's names; keys checked to be there and to be exact."""
    import polars as pl

    table = nan_to_null(lazy(frame))
    there = table.collect_schema().names()
    missing = [name for name in named.values() if name not in there]
    if missing:
        raise error(
            f"column {missing[0]!r} is not in the table; it has {', '.join(map(repr, there))}. "
            "Name yours with item=…, worker=…, label=…."
        )
    if len(set(named.values())) < len(named):
        raise error("item, worker and label must be different columns.")
    rows = to_polars_lazy(table).select(
        pl.col(column).alias(name) for name, column in named.items()
    )
    found = rows.collect(engine="streaming")
    return found.with_columns(
        _exact(found[name], column, error, may_be_null=name == "label")
        for name, column in named.items()
    )


def _exact(
    values: pl.Series, column: str, error: type[LabelkitError], *, may_be_null: bool
) -> pl.Series:
    """Keys that can be told apart: no nulls, and no floats that are not whole numbers."""
    import polars as pl

    if not may_be_null and values.null_count():
        first = int(values.is_null().arg_true()[0]) + 1
        raise error(
            f"column {column!r} has {values.null_count():,} of {len(values):,} rows without a "
            f"value (first: row {first:,}). Every answer needs an item and a worker."
        )
    if values.dtype.is_float():
        bad = ((values != values.round()) | (values.abs() >= EXACT)).fill_null(False)
        if bad.any():
            first = int(bad.arg_true()[0])
            raise error(
                f"column {column!r} has {bad.sum():,} of {len(values):,} rows with numbers that a "
                f"float cannot hold exactly (first: row {first + 1:,}: {values[first]!r}), so that "
                "two of them may have become one. Read the column as text."
            )
        return values.cast(pl.Int64)
    if values.dtype in (pl.Categorical, pl.Enum):
        return values.cast(pl.String)
    return values.cast(pl.Int64) if values.dtype.is_integer() else values


def _is_answer(labels: pl.Series) -> pl.Series:
    there = labels.is_not_null()
    return there & (labels != -1) if labels.dtype.is_integer() else there


def _one_label_each(gold: pl.DataFrame, item: str) -> pl.DataFrame:
    import polars as pl

    once = gold.unique(maintain_order=True)
    twice = once.filter(pl.col("item").is_duplicated())
    if len(twice):
        raise GoldError(
            f"{twice['item'].n_unique():,} of {once['item'].n_unique():,} gold items have two "
            f"different labels (first: {item} {twice['item'][0]!r}). Gold must be of one mind."
        )
    return once


def _same_kind(answers: pl.DataFrame, gold: pl.DataFrame, named: dict[str, str]) -> None:
    for name, column in named.items():
        if answers[name].dtype != gold[name].dtype:
            raise GoldError(
                f"column {column!r} is {answers[name].dtype} in the answers and "
                f"{gold[name].dtype} in gold: they would never meet. Make them one type."
            )


def _classes(
    answers: pl.DataFrame, gold: pl.DataFrame | None, label: str, cardinality: int | None
) -> pl.Series:
    """The values of labels, in rising order; 0 … k-1 where ``cardinality`` names such."""
    import polars as pl

    if cardinality is not None and cardinality < 2:
        raise LabelModelError(f"cardinality is {cardinality}; there are 2 classes or more.")
    values = answers["label"]
    if gold is not None:
        values = pl.concat([values, gold["label"]])
    found = values.unique().sort().alias(label)
    k = len(found) if cardinality is None else cardinality
    numbered = found.dtype.is_integer() and found[0] >= 0 and found[-1] < k
    if cardinality is not None and numbered:
        return pl.Series(label, np.arange(k))
    if len(found) != k or k < 2:
        shown = ", ".join(map(repr, found.head(8).to_list())) + (" …" if len(found) > 8 else "")
        raise LabelModelError(
            f"column {label!r} holds {len(found)} different labels ({shown}) where "
            f"{'2 or more' if cardinality is None else cardinality} classes are expected. Set "
            "cardinality if classes 0 … k-1 are not all there."
        )
    return found


def _number(values: pl.Series, order: pl.Series) -> IntArray:
    """Place (n,) of each value in ``order``, which holds them all."""
    import polars as pl

    places = pl.DataFrame({"value": order, "place": np.arange(len(order))})
    joined = pl.DataFrame({"value": values}).join(
        places, on="value", how="left", maintain_order="left"
    )
    return np.asarray(joined["place"].to_numpy(), np.int64)
