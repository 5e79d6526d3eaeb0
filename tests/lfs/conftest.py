"""Frames of every engine with one content, and label matrices to draw from."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import duckdb
import numpy as np
import polars as pl
import polars.selectors as cs
import pytest

from labelkit import apply, vote
from labelkit.lfs import LabelingFunction

ENGINES = ["polars", "polars_lazy", "pandas", "pandas_arrow", "pyarrow", "duckdb", "pyspark"]


@pytest.fixture(scope="session")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        yield connection


@pytest.fixture(scope="session")
def in_engine(
    connection: duckdb.DuckDBPyConnection, request: pytest.FixtureRequest
) -> Callable[[pl.DataFrame, str], Any]:
    """A Polars frame as a frame of the engine named."""

    def build(frame: pl.DataFrame, engine: str) -> Any:
        if engine == "polars_lazy":
            return frame.lazy()
        if engine == "pandas":
            return frame.to_pandas()
        if engine == "pandas_arrow":
            return frame.to_pandas(use_pyarrow_extension_array=True)
        if engine == "pyarrow":
            return frame.to_arrow()
        if engine == "duckdb":
            return connection.from_arrow(frame.to_arrow())
        if engine == "pyspark":
            # Started when the first test asks for it: it takes some seconds.
            spark = request.getfixturevalue("spark")
            # Spark has no unsigned numbers, and knows no string views.
            signed = frame.with_columns(cs.unsigned_integer().cast(pl.Int64))
            return spark.createDataFrame(signed.to_arrow(compat_level=pl.CompatLevel.oldest()))
        return frame

    return build


@pytest.fixture(scope="session")
def votes_of() -> Callable[..., list[list[int]]]:
    """What conditions say of examples by their ``item``: 1 holds, 0 fails, -1 unknown."""

    def ask(conditions: Sequence[Any], native: Any) -> list[list[int]]:
        lfs = [
            LabelingFunction(f"lf{j}", vote(1, where=condition) | vote(0, where=~condition))
            for j, condition in enumerate(conditions)
        ]
        votes = apply(lfs, native, keys=("item",))
        order = np.argsort(votes.key_frame["item"].to_numpy())
        rows: list[list[int]] = votes.matrix[order].tolist()
        return rows

    return ask


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name
