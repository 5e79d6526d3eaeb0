"""``apply``: labeling functions on examples, checked before any row is read, in one query."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import narwhals as nw

from labelkit.engine import Frame, NativeFrame, lazy, to_polars_lazy
from labelkit.errors import LabelkitWarning, LFError
from labelkit.lfs.function import AnyLF, LabelingFunction, RowFunction, as_lf, missing_columns
from labelkit.lfs.keys import check_keys
from labelkit.lfs.kinds import Schema
from labelkit.lfs.rows import OnError
from labelkit.lfs.running import BATCH, Progress, run_python_functions
from labelkit.lfs.spark import can_stay, is_spark, vote_on_spark
from labelkit.lfs.stages import asks_polars, prepare
from labelkit.lfs.votes import LFFailure, Votes

if TYPE_CHECKING:
    import polars as pl

OnMissing = Literal["error", "skip"]


def apply(
    lfs: Sequence[object],
    examples: NativeFrame,
    *,
    keys: Sequence[str] = ("query", "item"),
    cardinality: int = 2,
    on_missing: OnMissing = "error",
    on_error: OnError = "raise",
    progress: Progress | None = None,
    n_jobs: int = 1,
    batch_size: int = BATCH,
) -> Votes:
    """What labeling functions say about examples.

    All functions are checked against the columns before any row is read. Then one query reads the
    keys and makes one int8 column per function. On Spark that query stays lazy, and so do the
    votes; functions of a row run on its executors.

    Parameters
    ----------
    lfs : labeling functions; plain functions of a row and Snorkel's are accepted too, and run row
        by row with a `RowFunctionWarning`
    examples : frame of any engine with one row per example, such as `evidence` makes
    keys : the columns that identify an example; ``()`` if nothing does
    cardinality : number of classes k ≥ 2; labels are 0 … k-1
    on_missing : an LF that reads a column which the examples lack is an ``"error"``, or is left
        out (``"skip"``) with a `LabelkitWarning` that names it
    on_error : a row or batch function that raises stops (``"raise"``), or abstains there and is
        counted in ``votes.errors`` (``"abstain"``)
    progress : called with (rows done, rows in all) while row and batch functions run
    n_jobs : processes for row functions, -1 for one per core; votes do not depend on it
    batch_size : rows that a row or batch function is given at a time, at most

    Raises
    ------
    LFError
        A missing column or a condition that its type cannot answer, a vote outside the label set,
        two functions of one name, a missing key; and examples whose keys repeat.

    Examples
    --------
    >>> import polars as pl
    >>> from labelkit import apply, col, labeling_function, vote
    >>> @labeling_function
    ... def bought():
    ...     '''A purchase is rare and deliberate.'''
    ...     return vote(1, where=col("conversions") > 0)
    >>> examples = pl.DataFrame(
    ...     {"query": ["tea", "tea"], "item": ["green", "black"], "conversions": [2, None]}
    ... )
    >>> apply([bought], examples).matrix.tolist()
    [[1], [-1]]
    """
    given = nw.from_native(examples)
    functions = kept_lfs(lfs, given.collect_schema(), keys=keys, on_missing=on_missing)
    frame = _voting_frame(given, functions, keys)
    check_types(functions, frame.collect_schema(), cardinality=cardinality)
    failures: tuple[LFFailure, ...] = ()
    votes: Frame
    if isinstance(frame, nw.LazyFrame) and is_spark(frame):
        votes, failures = vote_on_spark(
            functions, frame, keys=keys, cardinality=cardinality, on_error=on_error
        )
    elif any(not isinstance(lf, LabelingFunction) for lf in functions):
        table, failures = _with_python(
            functions,
            frame,
            keys,
            cardinality=cardinality,
            on_error=on_error,
            progress=progress,
            n_jobs=n_jobs,
            batch_size=batch_size,
        )
        votes = nw.from_native(table)
    else:
        votes = nw.from_native(_collect(_query(functions, frame, keys)))
    if isinstance(votes, nw.DataFrame):
        check_keys(votes, keys)
    names = tuple(lf.name for lf in functions)
    kind = given.head(0).to_native()  # tells the user's engine, and keeps no row alive
    return Votes(votes, tuple(keys), names, cardinality, kind, failures)


def vote_exprs(lfs: Sequence[LabelingFunction], schema: Schema) -> list[nw.Expr]:
    """The votes as int8 engine expressions, to be part of a longer lazy query.

    Functions that read windows, words or tables need their columns first: see `prepare`.
    """
    return [lf.to_expr(schema) for lf in lfs]


def check_lfs(
    lfs: Sequence[object],
    schema: Schema,
    *,
    keys: Sequence[str] = ("query", "item"),
    cardinality: int = 2,
    on_missing: OnMissing = "error",
) -> list[AnyLF]:
    """The functions that can vote on examples with this schema; raises what `apply` raises."""
    functions = kept_lfs(lfs, schema, keys=keys, on_missing=on_missing)
    check_types(functions, schema, cardinality=cardinality)
    return functions


def kept_lfs(
    lfs: Sequence[object], schema: Schema, *, keys: Sequence[str], on_missing: OnMissing
) -> list[AnyLF]:
    """The functions whose columns the examples have; names and keys are checked on the way."""
    functions = [as_lf(lf) for lf in lfs]
    if not functions:
        raise LFError("There is no labeling function to apply.")
    absent = [key for key in keys if key not in schema]
    if absent:
        raise LFError(
            f"{missing_columns(absent, schema)} Examples are identified by {tuple(keys)}; other "
            "key columns are named by keys=(…)."
        )
    for name, times in Counter(lf.name for lf in functions).items():
        if times > 1:
            places = " and ".join(lf.at for lf in functions if lf.name == name)
            raise LFError(f"{times} labeling functions have one name: {places}.")
        if name in keys:
            raise LFError(f"A labeling function cannot have the name of the key column {name!r}.")
    lacking = {
        lf.name: missing
        for lf in functions
        if not isinstance(lf, RowFunction) and (missing := lf.missing_from(schema))
    }
    if not lacking:
        return functions
    if on_missing != "skip":
        first = next(lf for lf in functions if lf.name in lacking)
        more = f" So do {len(lacking) - 1} more LFs." if len(lacking) > 1 else ""
        raise LFError(f"{first.at}: {missing_columns(lacking[first.name], schema)}{more}")
    shown = "; ".join(f"{name} ({', '.join(missing)})" for name, missing in lacking.items())
    if len(lacking) == len(functions):
        raise LFError(f"No labeling function can run: the examples lack columns for {shown}.")
    warnings.warn(f"Left out, for want of columns: {shown}.", LabelkitWarning, stacklevel=3)
    return [lf for lf in functions if lf.name not in lacking]


def check_types(lfs: Sequence[AnyLF], schema: Schema, *, cardinality: int) -> None:
    """Whether conditions fit the types of their columns, and labels the label set."""
    if not 2 <= cardinality <= 127:
        raise LFError(f"cardinality is the number of classes, 2 to 127; got {cardinality}.")
    for lf in lfs:
        if not isinstance(lf, RowFunction):
            lf.check(schema)
            outside = sorted(label for label in lf.labels if label >= cardinality)
            if outside:
                raise LFError(
                    f"{lf.at} votes {', '.join(map(str, outside))}, outside the {cardinality} "
                    f"classes 0 … {cardinality - 1}."
                )


def _voting_frame(frame: Frame, lfs: Sequence[AnyLF], keys: Sequence[str]) -> Frame:
    """The examples where their votes are made.

    A lazy query stays in its engine. Eager frames go to Polars, which takes over the columns that
    are read (without a copy for numbers) and knows the types that pandas calls "object". So do
    regular expressions, whose dialect would depend on the engine, and what runs in Python. Spark
    does without, where it can: what needs Polars goes to its executors.
    """
    engine_lfs = [lf for lf in lfs if isinstance(lf, LabelingFunction)]
    if not any(isinstance(lf, RowFunction) for lf in lfs):  # which may read every column
        columns = (lf.columns for lf in lfs if not isinstance(lf, RowFunction))
        read = frozenset().union(*columns) - set(keys)
        frame = frame.select([*keys, *sorted(read)])
    if isinstance(frame, nw.LazyFrame) and is_spark(frame):
        stays = can_stay(lfs, frame)
    else:
        ballots = [lf.ballot for lf in engine_lfs]
        stays = isinstance(frame, nw.LazyFrame) and not asks_polars(ballots, frame)
    if stays or frame.implementation.is_polars():
        return lazy(frame)
    try:
        table = to_polars_lazy(frame)
    except Exception as error:
        raise LFError(
            f"The examples cannot be read as a table with one type per column: {error}"
        ) from error
    if frame.implementation.is_pandas_like():
        table = _with_typed_nulls(table, engine_lfs)
    return nw.from_native(table)


def _with_typed_nulls(table: pl.LazyFrame, lfs: Sequence[LabelingFunction]) -> pl.LazyFrame:
    """A pandas column without any value has no type: give it one that its conditions can ask."""
    import polars as pl

    untyped = [n for n, t in table.collect_schema().items() if t in (pl.Null, pl.String)]
    counted = table.select(pl.col(untyped).count()).collect()
    for name in [name for name in untyped if not counted[name].item()]:
        for dtype in (pl.Float64, pl.String, pl.Boolean, pl.Datetime, pl.Date):
            typed = table.with_columns(pl.lit(None, dtype=dtype).alias(name))
            schema = nw.from_native(typed).collect_schema()
            if all(_can_ask(lf, schema) for lf in lfs if name in lf.columns):
                table = typed
                break
    return table


def _can_ask(lf: LabelingFunction, schema: Schema) -> bool:
    try:
        lf.check(schema)
    except LFError:
        return False
    return True


def _query(lfs: Sequence[AnyLF], frame: Frame, keys: Sequence[str]) -> Frame:
    engine_lfs = [lf for lf in lfs if isinstance(lf, LabelingFunction)]
    ready = prepare(lazy(frame), [lf.ballot for lf in engine_lfs])
    return ready.select(*keys, *vote_exprs(engine_lfs, ready.collect_schema()))


def _collect(query: Frame) -> pl.DataFrame:
    return to_polars_lazy(query).collect(engine="streaming")


def _with_python(
    functions: list[AnyLF],
    frame: Frame,
    keys: Sequence[str],
    *,
    cardinality: int,
    on_error: OnError,
    progress: Progress | None,
    n_jobs: int,
    batch_size: int,
) -> tuple[pl.DataFrame, tuple[LFFailure, ...]]:
    """Votes when functions need Python: the columns that may be read are collected."""
    import polars as pl

    examples = _collect(frame)
    python_lfs = [lf for lf in functions if not isinstance(lf, LabelingFunction)]
    arrays, failures = run_python_functions(
        python_lfs,
        examples,
        keys=keys,
        cardinality=cardinality,
        on_error=on_error,
        progress=progress,
        n_jobs=n_jobs,
        batch_size=batch_size,
    )
    made = {lf.name: pl.Series(lf.name, a) for lf, a in zip(python_lfs, arrays, strict=True)}
    if len(python_lfs) < len(functions):
        by_engine = _collect(_query(functions, nw.from_native(examples), keys))
        made |= {lf.name: by_engine[lf.name] for lf in functions if lf.name not in made}
    columns = [made[lf.name] for lf in functions]
    return pl.DataFrame([*(examples[key] for key in keys), *columns]), failures
