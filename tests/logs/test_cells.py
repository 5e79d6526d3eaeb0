"""Packing three keys into one number is a matter of speed, never of the result."""

from __future__ import annotations

from typing import Any

import narwhals as nw
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import labelkit as lk
from labelkit.engine import lazy
from labelkit.logs.cells import CELL, PackedKey, sum_cells
from labelkit.logs.checks import first_look

ids = st.integers(-(2**40), 2**40) | st.integers(-3, 3)
rows = st.lists(
    st.tuples(ids, st.integers(-5, 5), st.integers(1, 2**15), st.integers(0, 1)),
    min_size=1,
    max_size=30,
)


def as_log(values: list[tuple[int, int, int, int]]) -> pl.DataFrame:
    return pl.DataFrame(values, schema=[*CELL, "clicked"], orient="row")


@settings(max_examples=60, deadline=None)
@given(values=rows)
def test_packed_cells_are_the_cells(values: list[tuple[int, int, int, int]]) -> None:
    frame = lazy(as_log(values))
    ranges = first_look(frame, (*CELL, "clicked"), None).ranges
    assert PackedKey.of(CELL, ranges) is not None
    packed = sum_cells(frame, (*CELL, "clicked"), ranges).to_polars()
    assert packed.equals(sum_cells(frame, (*CELL, "clicked")).to_polars())
    assert packed["impressions"].sum() == len(values)
    assert packed["clicks"].sum() == sum(row[3] for row in values)


def test_packed_cells_keep_the_types_of_the_ids(engine: Any) -> None:
    values = as_log([(1, 7, 1, 1), (1, 7, 1, 0), (2, 7, 2, 1)])
    native = engine(values.cast({"query": pl.UInt32, "item": pl.Int16}))
    log = lk.read_log(native)
    assert log.cells.schema["query"] == nw.UInt32
    assert log.cells.schema["item"] == nw.Int16
    assert log.cells.to_polars().rows() == [(1, 7, 1, 2, 1), (2, 7, 2, 1, 1)]


@pytest.mark.parametrize(
    "ids",
    [
        pl.Series([-(2**63), 2**63 - 1], dtype=pl.Int64),
        pl.Series([0, 2**64 - 1], dtype=pl.UInt64),
        pl.Series(["a", "b"]),
    ],
)
def test_ids_that_do_not_fit_into_one_number_are_grouped_one_by_one(ids: pl.Series) -> None:
    frame = pl.DataFrame({"query": ids, "item": ids, "position": [1, 2], "clicked": [1, 0]})
    look = first_look(lazy(frame), tuple(frame.columns), None)
    assert PackedKey.of(CELL, look.ranges) is None
    cells = lk.read_log(frame).cells.to_polars()
    assert cells.select("query", "item").equals(frame.select("query", "item").sort("query"))
