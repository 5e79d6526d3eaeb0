"""Row functions: the one place where labelkit goes through a table row by row, in Python."""

from __future__ import annotations

import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from labelkit.lfs.function import RowFunction
from labelkit.lfs.patterns import ABSTAIN, Int8Array

if TYPE_CHECKING:
    import polars as pl

OnError = Literal["raise", "abstain"]


class Row(SimpleNamespace):
    """One example, as ``x.column`` and ``x["column"]``.

    A missing number is NaN, as in a pandas row; any other missing value is None. It is a
    ``SimpleNamespace`` so that Snorkel's preprocessors can copy, change and memoise it.
    """

    def __getitem__(self, column: str) -> Any:
        return self.__dict__[column]

    def __contains__(self, column: str) -> bool:
        return column in self.__dict__


@dataclass(frozen=True)
class Fault:
    """What went wrong first when a function met a batch.

    Parameters
    ----------
    row : place of the row in the batch, or None if it was the batch as a whole
    what, after : the words around the place, as in "gave None on" row 3 ": a label is …"
    raised : whether the function raised, which ``on_error`` may tolerate; a wrong label is a
        mistake in the function, not in the data, and always stops
    traceback : text of it
    error : the exception, as long as it is still at hand
    """

    row: int | None
    what: str
    after: str
    raised: bool
    traceback: str = ""
    error: BaseException | None = None


@dataclass
class Outcome:
    """What one function made of one batch: votes (n,) int8, time, and faults."""

    votes: Int8Array
    seconds: float = 0.0
    n_errors: int = 0
    fault: Fault | None = None


def rows_of(batch: pl.DataFrame) -> list[Row]:
    """The rows of a table, as row functions see them."""
    import polars as pl
    import polars.selectors as cs

    numbers = batch.with_columns(
        # A whole number with gaps becomes a float with NaN, as it would in pandas.
        pl.col(name).cast(pl.Float64).fill_null(float("nan"))
        for name in batch.select(cs.numeric()).columns
        if batch[name].null_count()
    )
    names = numbers.columns
    rows = []
    for values in numbers.iter_rows():
        row = Row()
        row.__dict__.update(zip(names, values, strict=True))
        rows.append(row)
    return rows


def vote_on_rows(
    lf: RowFunction, rows: Sequence[Any], *, cardinality: int, on_error: OnError
) -> Outcome:
    """Votes of one function on rows of any kind; the rest abstains after what stops it."""
    votes = np.full(len(rows), ABSTAIN, dtype=np.int8)
    outcome = Outcome(votes)
    function = lf.function
    began = time.perf_counter()
    for i, row in enumerate(rows):
        try:
            label = function(row)
        except Exception as error:
            outcome.n_errors += 1
            if outcome.fault is None:
                outcome.fault = raised(error, i)
            if on_error == "raise":
                break
            continue
        if type(label) is not int:
            if isinstance(label, bool) or not isinstance(label, int | np.integer):
                rule = ": a label is a whole number, or ABSTAIN (-1)."
                outcome.fault = Fault(i, f"gave {label!r} on", rule, raised=False)
                break
            label = int(label)
        if not ABSTAIN <= label < cardinality:
            rule = f", outside the {cardinality} classes 0 … {cardinality - 1}."
            outcome.fault = Fault(i, f"voted {label} on", rule, raised=False)
            break
        if label != ABSTAIN:
            votes[i] = label
    outcome.seconds = time.perf_counter() - began
    return outcome


def raised(error: Exception, row: int | None) -> Fault:
    """The fault that an exception is."""
    return Fault(
        row,
        f"raised {type(error).__name__}: {error} on",
        '. on_error="abstain" counts such rows instead.',
        raised=True,
        traceback="".join(traceback.format_exception(error)),
        error=error,
    )
