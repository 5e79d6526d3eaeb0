"""``apply``: checks before it reads, reads once, and gives back the user's own kind of frame."""

from __future__ import annotations

import narwhals as nw
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from labelkit import ABSTAIN, apply, col, labeling_function, vote
from labelkit.errors import LabelkitWarning, LFError


@labeling_function
def bought():
    return vote(1, where=col("conversions") > 0)


@labeling_function
def ignored():
    return vote(0, where=col("ctr_high") < 0.02)


EXAMPLES = pl.DataFrame(
    {
        "query": ["tea", "tea", "cup"],
        "item": ["a", "b", "a"],
        "conversions": [1, 0, None],
        "ctr_high": [0.5, 0.01, None],
        "extra": [None, 1, 2],
    }
)


def unreadable(frame: pl.DataFrame) -> pl.LazyFrame:
    """A lazy query that fails as soon as a row is read."""

    def explode(batch: pl.DataFrame) -> pl.DataFrame:
        raise AssertionError("a row was read")

    return frame.lazy().map_batches(explode, schema=frame.schema)


def test_votes_are_the_label_matrix_with_the_keys_beside_it(engine, in_engine):
    votes = apply([bought, ignored], in_engine(EXAMPLES, engine))
    assert votes.lf_names == ("bought", "ignored")
    assert votes.keys == ("query", "item")
    assert votes.cardinality == 2
    rows = dict(zip(votes.key_frame.rows(), votes.matrix.tolist(), strict=True))
    assert rows == {("tea", "a"): [1, -1], ("tea", "b"): [-1, 0], ("cup", "a"): [-1, -1]}
    assert votes.matrix.dtype == np.int8
    assert not votes.errors


def test_votes_come_back_in_the_kind_of_the_examples(engine, in_engine):
    native = apply([bought], in_engine(EXAMPLES, engine)).to_native()
    kinds = {
        "polars": pl.DataFrame, "polars_lazy": pl.DataFrame, "pandas": pd.DataFrame,
        "pandas_arrow": pd.DataFrame, "pyarrow": pa.Table, "duckdb": pa.Table,
    }  # fmt: skip
    if engine == "pyspark":  # stays there
        assert nw.from_native(native).implementation.is_pyspark()
    else:
        assert isinstance(native, kinds[engine])


def test_the_first_abstention_is_minus_one_as_in_snorkel():
    assert ABSTAIN == -1


@pytest.mark.parametrize(
    ("lfs", "options", "message"),
    [
        ([], {}, "no labeling function"),
        ([bought, bought], {}, "2 labeling functions have one name"),
        ([bought.named("item")], {}, "name of the key column 'item'"),
        ([bought], {"keys": ("user", "item")}, r"no column 'user'.*keys=\(…\)"),
        ([bought], {"cardinality": 1}, "number of classes"),
        ([vote(1, where=col("x") > 1)], {}, "a vote without a name"),
        ([labeling_function(lambda: vote(2, where=col("ctr_high") > 0))], {}, "votes 2, outside"),
        ([labeling_function(lambda: vote(1, where=col("query") > 0))], {}, "query is text"),
        (
            [labeling_function(lambda: vote(1, where=col("dwell_max") > 0))],
            {},
            "no column 'dwell_max'.*when the log has dwell",
        ),
        (
            [labeling_function(lambda: vote(1, where=col("ctr_hgih") > 0))],
            {},
            "did you mean 'ctr_high'",
        ),
    ],
)
def test_mistakes_are_found_before_any_row_is_read(lfs, options, message):
    with pytest.raises(LFError, match=message):
        apply(lfs, unreadable(EXAMPLES), **options)


def test_the_probe_of_the_test_above_does_fail_when_rows_are_read():
    with pytest.raises(Exception, match="a row was read"):
        apply([bought], unreadable(EXAMPLES))


def test_functions_that_lack_a_column_can_be_left_out_with_a_warning():
    lacking = labeling_function(name="lacking")(lambda: vote(1, where=col("dwell_max") > 30))
    with pytest.warns(LabelkitWarning, match=r"Left out.*lacking \(dwell_max\)"):
        votes = apply([lacking, bought], EXAMPLES, on_missing="skip")
    assert votes.lf_names == ("bought",)
    with pytest.raises(LFError, match=r"No labeling function can run.*lacking \(dwell_max\)"):
        apply([lacking], EXAMPLES, on_missing="skip")


def test_examples_that_stand_twice_are_refused_with_count_and_example():
    twice = pl.concat([EXAMPLES, EXAMPLES.head(1)])
    with pytest.raises(
        LFError, match=r"1 examples stand more than once \(first: query 'tea', item 'a', 2 rows\)"
    ):
        apply([bought], twice)
    assert len(apply([bought], twice, keys=())) == 4


def test_an_empty_table_gives_no_votes(engine, in_engine):
    votes = apply([bought, ignored], in_engine(EXAMPLES.head(0), engine))
    assert votes.matrix.shape == (0, 2)
    assert len(votes.patterns) == 0


def test_a_pandas_column_without_any_value_abstains_whatever_is_asked_of_it():
    frame = pd.DataFrame({"item": [1, 2], "nothing": [None, None]})
    questions = [
        col("nothing") > 1,
        col("nothing").contains("x"),
        col("nothing") == True,  # noqa: E712 - a condition
        ~(col("nothing") > 1),
    ]
    for question in questions:
        lf = labeling_function(name="lf")(lambda question=question: vote(1, where=question))
        assert apply([lf], frame, keys=("item",)).matrix.tolist() == [[-1], [-1]]


def test_a_pandas_column_of_mixed_types_is_named_as_such():
    frame = pd.DataFrame({"item": [1, 2], "x": [1, "a"]})
    lf = labeling_function(name="lf")(lambda: vote(1, where=col("x") > 1))
    with pytest.raises(LFError, match="one type per column"):
        apply([lf], frame, keys=("item",))
