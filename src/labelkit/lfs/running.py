"""Running what needs Python: row and batch functions over batches, with faults and progress."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from labelkit.errors import LFError, RowFunctionWarning
from labelkit.lfs.batches import BatchFunction
from labelkit.lfs.function import RowFunction
from labelkit.lfs.patterns import ABSTAIN, Int8Array
from labelkit.lfs.processes import n_processes, vote_in_processes
from labelkit.lfs.rows import Fault, OnError, Outcome, raised, rows_of, vote_on_rows
from labelkit.lfs.votes import LFFailure

if TYPE_CHECKING:
    import polars as pl

PythonLF: TypeAlias = RowFunction | BatchFunction
Progress = Callable[[int, int], None]

BATCH = 10_000
# So many rows tell what the rest will cost before the waiting begins.
_PROBE = 1_000
_WORTH_SAYING_S = 0.1


class _Tally:
    """What happened so far to one function."""

    def __init__(self, lf: PythonLF, n: int) -> None:
        self.lf = lf
        self.votes: Int8Array = np.full(n, ABSTAIN, dtype=np.int8)
        self.seconds = 0.0
        self.n_errors = 0
        self.first_key: tuple[object, ...] = ()
        self.first_traceback = ""

    def add(self, outcome: Outcome, start: int, keyed: _Keyed, on_error: OnError) -> None:
        """Take over the votes of the batch that begins at row ``start``; raise what must stop."""
        self.votes[start : start + len(outcome.votes)] = outcome.votes
        self.seconds += outcome.seconds
        fault = outcome.fault
        if fault is None:
            return
        if on_error == "raise" or not fault.raised:
            place = keyed.at(start, fault, len(outcome.votes))
            raise LFError(f"{self.lf.at} {fault.what} {place}{fault.after}") from fault.error
        if not self.n_errors:
            self.first_key = keyed.key(start + (fault.row or 0))
            self.first_traceback = fault.traceback
        self.n_errors += outcome.n_errors


class _Keyed:
    """How rows are named in errors."""

    def __init__(self, examples: pl.DataFrame, keys: Sequence[str]) -> None:
        self.examples = examples
        self.keys = keys

    def key(self, i: int) -> tuple[object, ...]:
        return self.examples.select(self.keys).row(i) if self.keys else (i,)

    def at(self, start: int, fault: Fault, n: int) -> str:
        if fault.row is None:
            return f"rows {start:,} to {start + n - 1:,}"
        i = start + fault.row
        if not self.keys:
            return f"row {i}"
        named = zip(self.keys, self.key(i), strict=True)
        return f"row {i} ({', '.join(f'{name} {value!r}' for name, value in named)})"


def run_python_functions(
    lfs: Sequence[PythonLF],
    examples: pl.DataFrame,
    *,
    keys: Sequence[str],
    cardinality: int,
    on_error: OnError = "raise",
    progress: Progress | None = None,
    n_jobs: int = 1,
    batch_size: int = BATCH,
    warn: bool = True,
) -> tuple[list[Int8Array], tuple[LFFailure, ...]]:
    """Votes of row and batch functions, one int8 array (n,) each, and what went wrong in them.

    Parameters
    ----------
    on_error : ``"raise"`` stops at the first exception; ``"abstain"`` abstains there and counts
    progress : called with (rows done, rows in all) after every batch
    n_jobs : processes for row functions, -1 for one per core. Batch functions stay in this
        process, where their models, connections and caches are
    batch_size : rows of a batch, the first of which is smaller
    warn : say what running row by row costs

    Raises
    ------
    LFError
        A function raised, gave something that is no label, or a label outside 0 … k-1; with the
        function, the key of the row and the exception. The same one whatever ``n_jobs``.
    """
    if batch_size < 1:
        raise LFError(f"batch_size is a number of rows, 1 or more; got {batch_size}.")
    processes = n_processes(n_jobs)
    n, keyed = len(examples), _Keyed(examples, keys)
    tallies = [_Tally(lf, n) for lf in lfs]
    row_lfs = [lf for lf in lfs if isinstance(lf, RowFunction)]
    done = 0
    for batch, by_row in _batches(row_lfs, examples, cardinality, on_error, processes, batch_size):
        outcomes = iter(by_row)
        for tally in tallies:
            outcome = (
                next(outcomes)
                if isinstance(tally.lf, RowFunction)
                else vote_on_batch(tally.lf, batch)
            )
            tally.add(outcome, done, keyed, on_error)
        if done == 0 and row_lfs and warn:
            _warn([tally for tally in tallies if tally.lf in row_lfs], len(batch), n, processes)
        done += len(batch)
        if progress is not None:
            progress(done, n)
    failures = tuple(
        LFFailure(t.lf.name, t.n_errors, t.first_key, t.first_traceback)
        for t in tallies
        if t.n_errors
    )
    return [tally.votes for tally in tallies], failures


def vote_on_batch(lf: BatchFunction, batch: pl.DataFrame) -> Outcome:
    """Votes of a batch function; all abstain if it raises what is not an `LFError`."""
    began = time.perf_counter()
    try:
        outcome = Outcome(lf(batch))
    except LFError:
        raise
    except Exception as error:
        abstained = np.full(len(batch), ABSTAIN, dtype=np.int8)
        outcome = Outcome(abstained, n_errors=len(batch), fault=raised(error, None))
    outcome.seconds = time.perf_counter() - began
    return outcome


def _batches(
    row_lfs: Sequence[RowFunction],
    examples: pl.DataFrame,
    cardinality: int,
    on_error: OnError,
    processes: int,
    batch_size: int,
) -> Iterator[tuple[pl.DataFrame, list[Outcome]]]:
    """Batches in order, each with what the row functions made of it."""

    def here(batch: pl.DataFrame) -> list[Outcome]:
        rows = rows_of(batch) if row_lfs else []
        outcomes = []
        for lf in row_lfs:
            outcomes.append(vote_on_rows(lf, rows, cardinality=cardinality, on_error=on_error))
            if stops(outcomes[-1], on_error):
                break
        return outcomes

    probe = min(_PROBE, batch_size)
    if len(examples):
        first = examples.head(probe)
        yield first, here(first)
    rest: Iterable[pl.DataFrame] = (
        examples.slice(start, batch_size) for start in range(probe, len(examples), batch_size)
    )
    if processes == 1 or not row_lfs or len(examples) <= probe:
        for batch in rest:
            yield batch, here(batch)
    else:
        yield from vote_in_processes(
            row_lfs, rest, cardinality=cardinality, on_error=on_error, processes=processes
        )


def stops(outcome: Outcome, on_error: OnError) -> bool:
    """Whether a batch ends here, so that the functions after this one need not run."""
    return outcome.fault is not None and (on_error == "raise" or not outcome.fault.raised)


def _warn(tallies: list[_Tally], size: int, n: int, processes: int) -> None:
    """Say what running row by row costs, measured on the first batch."""
    speeds = ", ".join(
        f"{tally.lf.name} ({size / max(tally.seconds, 1e-9):,.0f} rows/s)" for tally in tallies
    )
    total = sum(tally.seconds for tally in tallies) * n / size / processes
    cost = f"about {total:,.1f} s" if total >= _WORTH_SAYING_S else "little"
    among = f" in {processes} processes" if processes > 1 else ""
    warnings.warn(
        f"{len(tallies)} labeling function{'s' if len(tallies) > 1 else ''} run row by row in "
        f"Python: {speeds}. That costs {cost}{among} for these {n:,} rows. Written with "
        "vote(...) and col(...), they would run in the engine, at millions of rows a second.",
        RowFunctionWarning,
        stacklevel=5,
    )
