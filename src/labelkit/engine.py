"""The border between labelkit and dataframe engines, all of it through Narwhals.

What comes in: any frame that Narwhals knows (pandas, Polars, PyArrow, DuckDB, PySpark, ...).
What goes out: a Narwhals frame inside, and a frame of the user's own kind at the edge.
It must never loop over rows.
"""

from __future__ import annotations

import functools
import operator
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
    if frame.implementation.is_polars():
        return frame.lazy().to_native()  # type: ignore[no-any-return]
    eager = frame.collect() if isinstance(frame, nw.LazyFrame) else frame
    return eager.to_polars().lazy()


def count_repeated_rows(frame: nw.LazyFrame[Any], columns: list[str]) -> int:
    """How many rows repeat an earlier row in ``columns``.

    Polars counts distinct 64-bit row hashes, which is ten times as fast as grouping 20 million
    rows; only if two hashes meet are the rows themselves compared.
    """
    if frame.implementation.is_polars():
        import polars as pl

        native = frame.to_native()
        hashes: pl.Series = (
            native.select(
                functools.reduce(
                    operator.xor, (pl.col(name).hash(seed) for seed, name in enumerate(columns))
                ).alias("h")
            )
            .collect(engine="streaming")
            .to_series()
        )
        if hashes.n_unique() == len(hashes):
            return 0
    groups = frame.group_by(*columns).agg(nw.len().alias("n"))
    repeated = collect(groups.filter(nw.col("n") > 1).select("n"))["n"]
    return int(repeated.sum() or 0) - len(repeated)


def count_steps_back(frame: nw.LazyFrame[Any], group: str, value: str) -> int:
    """How many rows have a smaller ``value`` than the row before them in the same ``group``."""
    import polars as pl

    rows = to_polars_lazy(frame.select(group, value))
    same = pl.col(group) == pl.col(group).shift(1)
    back = same & (pl.col(value) < pl.col(value).shift(1))
    return int(rows.select(back.sum()).collect(engine="streaming").item() or 0)
