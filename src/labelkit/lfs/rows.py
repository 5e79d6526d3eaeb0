"""Row functions: the one place where labelkit goes through a table row by row, in Python."""

from __future__ import annotations

import time
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from labelkit.errors import LFError, RowFunctionWarning
from labelkit.lfs.function import RowFunction
from labelkit.lfs.patterns import ABSTAIN, Int8Array
from labelkit.lfs.votes import LFFailure

if TYPE_CHECKING:
    import polars as pl

OnError = Literal["raise", "abstain"]
Progress = Callable[[int, int], None]

_BATCH = 10_000
# So many rows tell what the rest will cost before the waiting begins.
_PROBE = 1_000
_WORTH_SAYING_S = 0.1


class Row(SimpleNamespace):
    """One example, as ``x.column`` and ``x["column"]``.

    A missing number is NaN, as in a pandas row; any other missing value is None. It is a
    ``SimpleNamespace`` so that Snorkel's preprocessors can copy, change and memoise it.
    """

    def __getitem__(self, column: str) -> Any:
        return self.__dict__[column]

    def __contains__(self, column: str) -> bool:
        return column in self.__dict__


@dataclass
class _Tally:
    """What happened so far to one row function."""

    lf: RowFunction
    votes: Int8Array
    seconds: float = 0.0
    n_errors: int = 0
    first_key: tuple[object, ...] = ()
    first_traceback: str = ""


def run_row_functions(
    lfs: Sequence[RowFunction],
    examples: pl.DataFrame,
    *,
    keys: Sequence[str],
    cardinality: int,
    on_error: OnError = "raise",
    progress: Progress | None = None,
) -> tuple[list[Int8Array], tuple[LFFailure, ...]]:
    """Votes of row functions, one int8 array (n,) each, and what went wrong in them.

    Parameters
    ----------
    on_error : ``"raise"`` stops at the first exception; ``"abstain"`` abstains there and counts
    progress : called with (rows done, rows in all) after every batch

    Raises
    ------
    LFError
        A function raised, gave something that is no label, or a label outside 0 … k-1; with the
        function, the key of the row and the exception.
    """
    n = len(examples)
    tallies = [_Tally(lf, np.full(n, ABSTAIN, dtype=np.int8)) for lf in lfs]
    start = 0
    for size in _batch_sizes(n):
        rows = _rows(examples.slice(start, size))
        for tally in tallies:
            began = time.perf_counter()
            _run(tally, rows, start, examples, keys, cardinality, on_error)
            tally.seconds += time.perf_counter() - began
        if start == 0:
            _warn(tallies, size, n)
        start += size
        if progress is not None:
            progress(start, n)
    failures = tuple(
        LFFailure(t.lf.name, t.n_errors, t.first_key, t.first_traceback)
        for t in tallies
        if t.n_errors
    )
    return [tally.votes for tally in tallies], failures


def _batch_sizes(n: int) -> Iterator[int]:
    first = min(_PROBE, n)
    if first:
        yield first
    for start in range(first, n, _BATCH):
        yield min(_BATCH, n - start)


def _rows(batch: pl.DataFrame) -> list[Row]:
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


def _run(
    tally: _Tally,
    rows: list[Row],
    start: int,
    examples: pl.DataFrame,
    keys: Sequence[str],
    cardinality: int,
    on_error: OnError,
) -> None:
    function = tally.lf.function
    for i, row in enumerate(rows, start):
        try:
            label = function(row)
        except Exception as error:
            if on_error == "raise":
                place = _at(i, examples, keys)
                raise LFError(
                    f"{tally.lf.at} raised {type(error).__name__}: {error} on {place}."
                    ' on_error="abstain" counts such rows instead.'
                ) from error
            if not tally.n_errors:
                tally.first_key = _key(i, examples, keys)
                tally.first_traceback = traceback.format_exc()
            tally.n_errors += 1
            continue
        # A wrong label is a mistake in the function, not in the data: it always stops.
        if isinstance(label, bool) or not isinstance(label, int | np.integer):
            raise LFError(
                f"{tally.lf.at} gave {label!r} on {_at(i, examples, keys)}: a label is a whole "
                "number, or ABSTAIN (-1)."
            )
        if not ABSTAIN <= label < cardinality:
            raise LFError(
                f"{tally.lf.at} voted {label} on {_at(i, examples, keys)}, outside the "
                f"{cardinality} classes 0 … {cardinality - 1}."
            )
        tally.votes[i] = label


def _key(i: int, examples: pl.DataFrame, keys: Sequence[str]) -> tuple[object, ...]:
    return examples.select(keys).row(i) if keys else (i,)


def _at(i: int, examples: pl.DataFrame, keys: Sequence[str]) -> str:
    if not keys:
        return f"row {i}"
    named = zip(keys, _key(i, examples, keys), strict=True)
    return f"row {i} ({', '.join(f'{name} {value!r}' for name, value in named)})"


def _warn(tallies: list[_Tally], size: int, n: int) -> None:
    """Say what running row by row costs, measured on the first batch."""
    speeds = ", ".join(
        f"{tally.lf.name} ({size / max(tally.seconds, 1e-9):,.0f} rows/s)" for tally in tallies
    )
    total = sum(tally.seconds for tally in tallies) * n / size
    cost = f"about {total:,.1f} s" if total >= _WORTH_SAYING_S else "little"
    warnings.warn(
        f"{len(tallies)} labeling function{'s' if len(tallies) > 1 else ''} run row by row in "
        f"Python: {speeds}. That costs {cost} for these {n:,} rows. Written with vote(...) and "
        "col(...), they would run in the engine, at millions of rows a second.",
        RowFunctionWarning,
        stacklevel=5,
    )
