"""Votes on Spark: expressions stay in its query, and what needs Python goes to its executors.

Regular expressions go there too: Java's dialect is not Rust's, and one dialect is promised. On the
executors, Polars sees one Arrow batch at a time, so labelkit must be installed there.
"""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import narwhals as nw

from labelkit.engine import Frame
from labelkit.errors import LFError, RowFunctionWarning
from labelkit.lfs.function import AnyLF, LabelingFunction, RowFunction
from labelkit.lfs.kinds import Schema
from labelkit.lfs.processes import pack, unpack
from labelkit.lfs.rows import OnError, Outcome, rows_of, vote_on_rows
from labelkit.lfs.stages import Joined, asks_polars, nodes, prepare
from labelkit.lfs.votes import LFFailure

if TYPE_CHECKING:
    import polars as pl
    import pyarrow as pa

_LF_ERROR = "labelkit.errors.LFError: "


def is_spark(frame: Frame) -> bool:
    """Whether the frame is one of PySpark's, classic or over Spark Connect."""
    kind = frame.implementation
    return kind.is_pyspark() or kind.is_pyspark_connect()


def can_stay(lfs: Sequence[AnyLF], frame: nw.LazyFrame[Any]) -> bool:
    """Whether Spark can run them all.

    An executor sees one batch at a time, so what only Polars can do must not look at other
    examples or tables; and batch functions stay where their models, budgets and caches are.
    """
    schema = frame.collect_schema()
    for lf in lfs:
        if isinstance(lf, RowFunction):
            continue
        if not isinstance(lf, LabelingFunction):
            return False
        if asks_polars([lf.ballot], frame) and _looks_around(lf, schema):
            return False
    return True


def vote_on_spark(
    lfs: Sequence[AnyLF],
    frame: nw.LazyFrame[Any],
    *,
    keys: Sequence[str],
    cardinality: int,
    on_error: OnError,
) -> tuple[Frame, tuple[LFFailure, ...]]:
    """Keys and votes: lazy if all are expressions, collected if a function runs row by row.

    Raises
    ------
    LFError
        A row function raised or gave something that is no label.
    """
    within = [
        lf for lf in lfs if isinstance(lf, LabelingFunction) and not asks_polars([lf.ballot], frame)
    ]
    ready = prepare(frame, [lf.ballot for lf in within])
    ready_schema = ready.collect_schema()
    inside = {lf.name: lf.to_expr(ready_schema) for lf in within}
    if len(inside) == len(lfs):
        return ready.select(*keys, *inside.values()), ()
    outside = [lf for lf in lfs if lf.name not in inside]
    row_lfs = [lf for lf in outside if isinstance(lf, RowFunction)]
    read = list(frame.collect_schema())
    if not row_lfs:
        wanted = frozenset(keys).union(*(lf.columns for lf in outside))  # type: ignore[union-attr]
        read = [name for name in read if name in wanted]
    held = {name: f"__vote_{j}__" for j, name in enumerate(inside)}
    table = ready.select(*read, *(expr.alias(held[name]) for name, expr in inside.items()))
    voter = _Voter(
        pack(outside), tuple(lf.name for lf in lfs), tuple(keys), held, cardinality, on_error
    )
    native = table.to_native()
    voted = nw.from_native(native.mapInArrow(voter, voter.schema(native.schema, row_lfs)))
    if not row_lfs:
        return voted, ()
    _warn(row_lfs)
    return _collected(voted, lfs, row_lfs, keys)


@dataclasses.dataclass(frozen=True)
class _Voter:
    """What an executor runs: Arrow batches of the columns that are read → keys and votes."""

    packed: bytes
    names: tuple[str, ...]
    keys: tuple[str, ...]
    held: dict[str, str]
    cardinality: int
    on_error: OnError

    def schema(self, given: Any, row_lfs: Sequence[RowFunction]) -> Any:
        from pyspark.sql import types as T

        fields = [given[key] for key in self.keys]
        fields += [T.StructField(name, T.ByteType()) for name in self.names]
        for lf in row_lfs:
            fields.append(T.StructField(_errors(lf.name), T.LongType()))
            fields.append(T.StructField(_trace(lf.name), T.StringType()))
        return T.StructType(fields)

    def __call__(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        import polars as pl
        import pyarrow as pa

        lfs = unpack(self.packed)
        for batch in batches:
            table = pl.DataFrame(pl.from_arrow(batch))
            votes, extra = self._vote(lfs, table)
            columns = {key: batch.column(key) for key in self.keys}
            columns |= {name: votes[name].to_arrow() for name in self.names}
            columns |= extra
            yield pa.RecordBatch.from_pydict(columns)

    def _vote(
        self, lfs: Sequence[AnyLF], table: pl.DataFrame
    ) -> tuple[dict[str, pl.Series], dict[str, pa.Array]]:
        import polars as pl
        import pyarrow as pa

        votes = {name: table[column] for name, column in self.held.items()}
        examples = table.drop(self.held.values())
        row_lfs = [lf for lf in lfs if isinstance(lf, RowFunction)]
        engine_lfs = [lf for lf in lfs if isinstance(lf, LabelingFunction)]
        if engine_lfs:
            ready = prepare(nw.from_native(examples).lazy(), [lf.ballot for lf in engine_lfs])
            schema = ready.collect_schema()
            made = ready.select(lf.to_expr(schema) for lf in engine_lfs).collect().to_native()
            votes |= {lf.name: made[lf.name] for lf in engine_lfs}
        rows = rows_of(examples) if row_lfs else []
        extra: dict[str, pa.Array] = {}
        for lf in row_lfs:
            outcome = vote_on_rows(lf, rows, cardinality=self.cardinality, on_error=self.on_error)
            votes[lf.name] = pl.Series(lf.name, outcome.votes)
            counts, traces = self._faults(lf, outcome, examples)
            extra[_errors(lf.name)] = pa.array(counts, pa.int64())
            extra[_trace(lf.name)] = pa.array(traces, pa.string())
        return votes, extra

    def _faults(
        self, lf: RowFunction, outcome: Outcome, examples: pl.DataFrame
    ) -> tuple[list[int | None], list[str | None]]:
        """The faults of a batch beside its first faulty row; what must stop is raised."""
        counts: list[int | None] = [None] * len(examples)
        traces: list[str | None] = [None] * len(examples)
        fault = outcome.fault
        if fault is None or fault.row is None:
            return counts, traces
        if self.on_error == "raise" or not fault.raised:
            place = "a row"
            if self.keys:
                found = examples.select(self.keys).row(fault.row, named=True)
                place = ", ".join(f"{key} {value!r}" for key, value in found.items())
            text = f"{lf.at} {fault.what} {place}{fault.after}"
            raise LFError(text.replace("\n", " "))
        counts[fault.row] = outcome.n_errors
        traces[fault.row] = fault.traceback
        return counts, traces


def _collected(
    voted: nw.LazyFrame[Any],
    lfs: Sequence[AnyLF],
    row_lfs: Sequence[RowFunction],
    keys: Sequence[str],
) -> tuple[nw.DataFrame[Any], tuple[LFFailure, ...]]:
    """The votes in Polars: each run of the query would run the functions again."""
    import polars as pl

    try:
        table: pl.DataFrame = voted.collect("polars").to_native()
    except Exception as error:
        _, found, message = str(error).rpartition(_LF_ERROR)
        if not found:
            raise
        raise LFError(message.splitlines()[0].strip()) from error
    failures = []
    for lf in row_lfs:
        faulty = table.filter(pl.col(_errors(lf.name)).is_not_null())
        if len(faulty):
            first = faulty.select(keys).row(0) if keys else ()
            count, trace = int(faulty[_errors(lf.name)].sum()), str(faulty[_trace(lf.name)][0])
            failures.append(LFFailure(lf.name, count, first, trace))
    return nw.from_native(table.select(*keys, *(lf.name for lf in lfs))), tuple(failures)


def _errors(name: str) -> str:
    return f"__errors_{name}__"


def _trace(name: str) -> str:
    return f"__trace_{name}__"


def _looks_around(lf: LabelingFunction, schema: Schema) -> bool:
    """Whether its vote on an example depends on other examples, or on a table that is joined."""
    found = nodes(lf.ballot.rules, schema)
    return any(hasattr(node, "over") or isinstance(node, Joined) for node in found)


def _warn(row_lfs: Sequence[RowFunction]) -> None:
    warnings.warn(
        f"{len(row_lfs)} labeling function{'s' if len(row_lfs) > 1 else ''} run row by row in "
        f"Python on Spark's executors: {', '.join(lf.name for lf in row_lfs)}. Written with "
        "vote(...) and col(...), they would run in Spark itself.",
        RowFunctionWarning,
        stacklevel=4,
    )
