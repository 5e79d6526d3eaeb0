"""The border between labelkit and dataframe engines, all of it through Narwhals.

What comes in: any frame that Narwhals knows (pandas, Polars, PyArrow, DuckDB, PySpark, ...).
What goes out: a Narwhals frame inside, and a frame of the user's own kind at the edge.
It must never loop over rows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import narwhals as nw

if TYPE_CHECKING:
    import polars as pl

# A user's native frame can be of any engine, none of which is imported here: the one honest `Any`.
NativeFrame: TypeAlias = Any
Frame: TypeAlias = "nw.DataFrame[Any] | nw.LazyFrame[Any]"


def lazy(frame: NativeFrame | Frame) -> nw.LazyFrame[Any]:
    """Any supported frame as a Narwhals ``LazyFrame``."""
    narwhal: Frame = nw.from_native(frame)
    return narwhal.lazy()


def nan_to_null(frame: nw.LazyFrame[Any]) -> nw.LazyFrame[Any]:
    """NaN becomes null once, at the border: engines differ on NaN, not on null."""
    floats = [name for name, dtype in frame.collect_schema().items() if dtype.is_float()]
    if not floats:
        return frame
    # `x != x` holds for NaN only where NaN follows IEEE; `is_nan` is defined alike on all engines.
    return frame.with_columns(
        nw.when(~nw.col(name).is_nan()).then(nw.col(name)).alias(name) for name in floats
    )


def collect(frame: Frame) -> nw.DataFrame[Any]:
    """Run a lazy query; Polars uses its streaming engine, whose memory is bounded."""
    if isinstance(frame, nw.DataFrame):
        return frame
    if frame.implementation.is_polars():
        return frame.collect("polars", engine="streaming")
    return frame.collect()


def to_native_like(frame: nw.DataFrame[Any], like: NativeFrame | Frame) -> NativeFrame:
    """``frame`` as a native eager frame of the same kind as ``like``.

    Engines without an eager frame of their own (DuckDB, PySpark) get PyArrow and pandas.
    """
    implementation = nw.from_native(like).implementation
    if implementation == frame.implementation:
        return frame.to_native()
    if implementation.is_pandas_like() or implementation.is_pyspark():
        return frame.to_pandas()
    if implementation.is_polars():
        return frame.to_polars()
    return frame.to_arrow()


def to_polars_lazy(frame: Frame) -> pl.LazyFrame:
    """``frame`` as a Polars ``LazyFrame``, in the order in which its engine delivers the rows."""
    native = frame.to_native()
    if frame.implementation.is_polars():
        return native.lazy()  # type: ignore[no-any-return]
    if frame.implementation.is_duckdb():
        return native.pl(lazy=True)  # type: ignore[no-any-return]
    eager = frame.collect() if isinstance(frame, nw.LazyFrame) else frame
    return eager.to_polars().lazy()


def move(frame: Frame, like: Frame, *, keys: list[str]) -> nw.LazyFrame[Any]:
    """``frame`` in the engine of ``like``, with ``keys`` of its types: ready to be joined.

    Arrow has two types for text, and joins only like with like.
    """
    kind = like.implementation
    moved = frame if frame.implementation == kind else frame.lazy().collect(kind)
    if not kind.is_pyarrow():
        return moved.lazy()
    table, schema = moved.to_native(), like.to_native().schema
    for key in keys:
        place = table.schema.get_field_index(key)
        wanted = schema.field(key).type
        if table.schema.field(place).type != wanted:
            table = table.set_column(place, key, table.column(key).cast(wanted))
    return lazy(table)


def to_polars_in_memory(frame: Frame) -> pl.LazyFrame:
    """The same, held in memory unless Polars itself reads it: DuckDB serves one reader at a time,
    and a plan that looks at its rows twice has two.
    """
    rows = to_polars_lazy(frame)
    if frame.implementation.is_polars():
        return rows
    return rows.collect(engine="streaming").lazy()
