"""Weak labels as a query of the engine in which the votes are."""

from __future__ import annotations

import narwhals as nw
import numpy as np
import polars as pl
import pytest

from labelkit.labelmodels import LabelModel, MajorityVote, OneCoin
from labelkit.lfs import Votes

KINDS = ["polars", "lazy", "pandas", "pyarrow", "duckdb", "pyspark"]


def in_kind(frame: pl.DataFrame, kind: str, request: pytest.FixtureRequest) -> object:
    import duckdb

    if kind == "duckdb":
        # A connection of its own: the default one knows nothing of its tables.
        connection = duckdb.connect()
        arrow = frame.to_arrow()  # noqa: F841 - DuckDB reads it by name
        connection.execute("CREATE TABLE votes AS SELECT * FROM arrow")
        return connection.table("votes")
    if kind == "pyspark":
        return request.getfixturevalue("spark").createDataFrame(frame.to_pandas())
    return {
        "polars": lambda: frame,
        "lazy": frame.lazy,
        "pandas": frame.to_pandas,
        "pyarrow": frame.to_arrow,
    }[kind]()


# Ten functions over two classes fit an array of all rows; forty over three need two code columns.
@pytest.mark.parametrize(("m", "k"), [(10, 2), (40, 3)])
@pytest.mark.parametrize("kind", KINDS)
def test_labels_made_in_the_engine_are_those_of_label_to_the_last_bit(kind, m, k, request) -> None:
    rng = np.random.default_rng(0)
    L = np.where(rng.random((400, m)) < 0.15, rng.integers(0, k, (400, m)), -1).astype(np.int8)
    names = tuple(f"lf_{j}" for j in range(m))
    frame = pl.DataFrame(
        {"query": [f"q{i:04d}" for i in range(400)], "item": np.arange(400)}
        | {name: L[:, j] for j, name in enumerate(names)}
    )
    straight = Votes(nw.from_native(frame), ("query", "item"), names, k, frame)
    native = in_kind(frame, kind, request)
    votes = Votes(nw.from_native(native), ("query", "item"), names, k, native)
    for model in (LabelModel(k), MajorityVote(k)):
        wanted = model.fit(straight).label(straight)
        got = nw.from_native(model.fit(votes).label_in_engine(votes))
        assert got.implementation == nw.from_native(native).implementation
        assert isinstance(got, nw.LazyFrame) == isinstance(nw.from_native(native), nw.LazyFrame)
        table = got.lazy().collect().to_polars().sort("query", "item")
        assert table.columns == wanted.columns
        assert table.rows() == wanted.rows()


def test_labeling_a_lazy_frame_runs_no_query_over_its_rows_until_it_is_collected() -> None:
    scans = []

    def counted(frame: pl.DataFrame) -> pl.DataFrame:
        scans.append(len(frame))
        return frame

    rng = np.random.default_rng(1)
    frame = pl.DataFrame({f"lf_{j}": rng.integers(-1, 2, 1000, dtype=np.int8) for j in range(4)})
    native = frame.with_row_index("example").lazy().map_batches(counted)
    votes = Votes(nw.from_native(native), ("example",), tuple(frame.columns), 2, native)
    model = OneCoin().fit(votes)
    assert len(scans) == 1  # the group-by of the patterns
    query = model.label_in_engine(votes)
    assert len(scans) == 1
    assert query.select("p_1").collect().height == 1000
    assert len(scans) == 2
