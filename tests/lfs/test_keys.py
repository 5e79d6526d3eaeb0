"""Each example once: the quick ways to see it never overlook a key that repeats."""

from __future__ import annotations

from collections import Counter

import narwhals as nw
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labelkit import apply, col, labeling_function, vote
from labelkit.errors import LFError
from labelkit.lfs.keys import check_keys


@labeling_function
def bought():
    return vote(1, where=col("n") > 0)


KEY = st.tuples(st.one_of(st.none(), st.integers(-2, 3)), st.one_of(st.none(), st.integers(0, 3)))


@settings(deadline=None, max_examples=200)
@given(rows=st.lists(KEY, max_size=8), ordered=st.booleans(), text=st.booleans())
def test_a_key_that_repeats_is_found_and_no_other(rows, ordered, text):
    if ordered:
        rows = sorted(rows, key=lambda row: tuple(-9 if v is None else v for v in row))
    frame = pl.DataFrame(rows, schema={"query": pl.Int64, "item": pl.Int64}, orient="row")
    if text:
        frame = frame.with_columns(pl.col("item").cast(pl.String))
    repeated = sum(n > 1 for n in Counter(rows).values())
    for table in (nw.from_native(frame), nw.from_native(frame.lazy())):
        if repeated:
            with pytest.raises(LFError, match=f"{repeated} examples stand more than once"):
                check_keys(table, ["query", "item"])
        else:
            check_keys(table, ["query", "item"])


def test_spark_finds_repeated_keys_when_asked_and_when_rows_are_collected(in_engine):
    frame = pl.DataFrame({"query": ["q", "q", "p"], "item": [1, 1, 2], "n": [1, 2, None]})
    votes = apply([bought], in_engine(frame, "pyspark"))
    assert votes.patterns.counts.tolist() == [1, 2]
    assert len(votes) == 3
    for ask in (votes.check_keys, lambda: votes.matrix):
        with pytest.raises(LFError, match=r"1 examples stand more .*query 'q', item 1, 2 rows"):
            ask()


def test_votes_on_spark_are_counted_there_and_collected_once(in_engine):
    frame = pl.DataFrame({"query": ["q"] * 50, "item": range(50), "n": [i % 3 for i in range(50)]})
    votes = apply([bought], in_engine(frame, "pyspark"))
    here = apply([bought], frame)
    assert isinstance(votes.frame, nw.LazyFrame)
    assert len(votes) == 50
    assert votes.patterns.rows.tolist() == here.patterns.rows.tolist()
    assert votes.moments.counts.tolist() == here.moments.counts.tolist()
    assert "_eager" not in vars(votes)  # no row has left Spark so far
    rows = dict(zip(votes.key_frame["item"].to_list(), votes.matrix[:, 0].tolist(), strict=True))
    assert rows == dict(enumerate(here.matrix[:, 0].tolist()))
    assert votes.matrix[:, 0].tolist() == votes.patterns.rows[votes.pattern_index][:, 0].tolist()


def test_faults_on_sparks_executors_are_counted_and_told_as_elsewhere(in_engine):
    @labeling_function
    def broken(x):
        return 1 if 10 / (x.n - 2) > 0 else 0

    frame = pl.DataFrame({"query": ["q"] * 9, "item": range(9), "n": [i % 3 for i in range(9)]})
    native = in_engine(frame, "pyspark")
    with pytest.warns(UserWarning, match="Spark's executors: broken"):
        votes = apply([broken, bought], native, on_error="abstain")
    with pytest.warns(UserWarning, match="row by row"):
        here = apply([broken, bought], frame, on_error="abstain")
    order = votes.key_frame["item"].to_numpy().argsort()
    assert votes.matrix[order].tolist() == here.matrix.tolist()
    (failure,) = votes.errors
    assert (failure.lf, failure.count) == ("broken", 3)
    assert "ZeroDivisionError" in failure.first_traceback
    with (
        pytest.warns(UserWarning, match="Spark's executors"),
        pytest.raises(LFError, match=r"'broken' .*raised ZeroDivisionError.*query 'q', item [258]"),
    ):
        apply([broken], native)
    with (
        pytest.warns(UserWarning, match="Spark's executors"),
        pytest.raises(LFError, match="voted 7 on"),
    ):
        apply([labeling_function(name="seven")(lambda x: 7)], native, on_error="abstain")
