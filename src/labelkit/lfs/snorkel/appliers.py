"""Snorkel's appliers: data points in, the label matrix out, exceptions as they were raised."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import narwhals as nw
import numpy as np

from labelkit.engine import to_polars_lazy
from labelkit.errors import LFError
from labelkit.lfs.function import RowFunction, as_lf
from labelkit.lfs.patterns import ABSTAIN, Int64Array
from labelkit.lfs.processes import pack, unpack
from labelkit.lfs.rows import OnError, Outcome, vote_on_rows
from labelkit.lfs.running import Progress, run_python_functions

if TYPE_CHECKING:
    import pandas as pd

# Snorkel asks for no label set; int8 holds these.
_CARDINALITY = 127
_BATCH = 10_000


class ApplierMetadata(NamedTuple):
    """What happened beside the votes."""

    faults: dict[str, int]


Applied: TypeAlias = "Int64Array | tuple[Int64Array, ApplierMetadata]"


class BaseLFApplier:
    """What the appliers share: labeling functions of one row, with names of their own.

    Raises
    ------
    ValueError
        Two functions share a name.
    """

    def __init__(self, lfs: Sequence[object]) -> None:
        functions = [as_lf(lf) for lf in lfs]
        others = [lf.name for lf in functions if not isinstance(lf, RowFunction)]
        if others:
            raise LFError(
                f"{', '.join(others)}: not a function of one row; labelkit.apply runs it."
            )
        self._lfs = [lf for lf in functions if isinstance(lf, RowFunction)]
        repeated = [name for name, n in Counter(lf.name for lf in functions).items() if n > 1]
        if repeated:
            raise ValueError(f"Operator names not unique: {repeated}")
        self._lf_names = [lf.name for lf in functions]

    def __repr__(self) -> str:
        return f"{type(self).__name__}, LFs: {self._lf_names}"


class LFApplier(BaseLFApplier):
    """Labeling functions on a sequence of data points of any kind, or on the rows of an array."""

    def apply(
        self,
        data_points: Any,  # anything with a length whose slices can be gone through
        progress_bar: bool = True,
        fault_tolerant: bool = False,
        return_meta: bool = False,
    ) -> Applied:
        """The label matrix (n, m), with `ApplierMetadata` if asked for.

        Raises
        ------
        Exception
            What a function raised, unless ``fault_tolerant``: then it abstains there.
        """
        n = len(data_points)
        L = np.full((n, len(self._lfs)), ABSTAIN, dtype=np.int64)
        faults: Counter[str] = Counter()
        with _progress(progress_bar) as told:
            for start in range(0, n, _BATCH):
                rows = data_points[start : start + _BATCH]
                for j, lf in enumerate(self._lfs):
                    outcome = _voted(lf, rows, fault_tolerant)
                    L[start : start + len(rows), j] = outcome.votes
                    if outcome.n_errors:
                        faults[lf.name] += outcome.n_errors
                told(start + len(rows), n)
        return (L, ApplierMetadata(dict(faults))) if return_meta else L


class PandasLFApplier(BaseLFApplier):
    """Labeling functions on the rows of a pandas frame, seen as ``x.column`` and ``x["column"]``.

    A row is a plain object, not a pandas Series, which is what makes it fast: it has no ``index``
    and no methods, and a column must have a name that is a string.
    """

    def apply(
        self,
        df: pd.DataFrame,
        progress_bar: bool = True,
        fault_tolerant: bool = False,
        return_meta: bool = False,
    ) -> Applied:
        """The label matrix (n, m), with `ApplierMetadata` if asked for.

        Raises
        ------
        Exception
            What a function raised, unless ``fault_tolerant``: then it abstains there.
        """
        L, meta = self._apply(df, progress_bar, fault_tolerant, n_jobs=1)
        return (L, meta) if return_meta else L

    def _apply(
        self, df: pd.DataFrame, progress_bar: bool, fault_tolerant: bool, n_jobs: int
    ) -> tuple[Int64Array, ApplierMetadata]:
        examples = to_polars_lazy(nw.from_native(df)).collect()
        with _progress(progress_bar) as told, _as_raised():
            votes, failures = run_python_functions(
                self._lfs,
                examples,
                keys=(),
                cardinality=_CARDINALITY,
                on_error="abstain" if fault_tolerant else "raise",
                progress=told,
                n_jobs=n_jobs,
                warn=False,
            )
        L = np.column_stack(votes).astype(np.int64)
        return L, ApplierMetadata({failure.lf: failure.count for failure in failures})


class PandasParallelLFApplier(PandasLFApplier):
    """`PandasLFApplier` in several processes."""

    def apply(  # type: ignore[override]
        self,
        df: pd.DataFrame,
        n_parallel: int = 2,
        scheduler: str = "processes",
        fault_tolerant: bool = False,
    ) -> Int64Array:
        """The label matrix (n, m).

        Raises
        ------
        ValueError
            ``n_parallel`` is below 2.
        """
        if n_parallel < 2:
            raise ValueError("n_parallel should be >= 2")
        return self._apply(df, False, fault_tolerant, n_jobs=n_parallel)[0]


class SparkLFApplier(BaseLFApplier):
    """Labeling functions on a PySpark RDD of rows. `labelkit.apply` takes a Spark DataFrame."""

    def apply(self, data_points: Any, fault_tolerant: bool = False) -> Int64Array:
        """The label matrix (n, m), in the order of the RDD.

        Raises
        ------
        Exception
            Spark's own, with what a function raised in its text, unless ``fault_tolerant``.
        """
        packed, names = pack(self._lfs), self._lf_names

        def votes(rows: Iterator[Any]) -> Iterator[list[int]]:
            points = list(rows)
            columns = [_voted(lf, points, fault_tolerant).votes for lf in unpack(packed)]
            yield from np.column_stack(columns).tolist()

        return np.array(data_points.mapPartitions(votes).collect(), dtype=np.int64).reshape(
            -1, len(names)
        )


def _voted(lf: RowFunction, rows: Sequence[Any], fault_tolerant: bool) -> Outcome:
    on_error: OnError = "abstain" if fault_tolerant else "raise"
    outcome = vote_on_rows(lf, rows, cardinality=_CARDINALITY, on_error=on_error)
    fault = outcome.fault
    if fault is not None and not (fault_tolerant and fault.raised):
        raise fault.error or LFError(f"{lf.at} {fault.what} row {fault.row}{fault.after}")
    return outcome


@contextmanager
def _as_raised() -> Iterator[None]:
    """Raise what a function raised, as Snorkel does, rather than the error that explains it."""
    try:
        yield
    except LFError as error:
        if isinstance(error.__cause__, Exception):
            raise error.__cause__ from None
        raise


@contextmanager
def _progress(shown: bool) -> Iterator[Callable[[int, int], None]]:
    """A bar on standard error, if wanted."""
    if not shown:
        yield lambda done, n: None
        return
    from rich.console import Console
    from rich.progress import Progress as Bar

    with Bar(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("labeling functions", total=None)
        told: Progress = lambda done, n: bar.update(task, completed=done, total=n)  # noqa: E731
        yield told
