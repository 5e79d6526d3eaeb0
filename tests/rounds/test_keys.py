from __future__ import annotations

import datetime

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelkit.errors import RoundError
from labelkit.rounds.keys import decode, encode, key_dtypes, polars_dtype

VALUES = st.one_of(
    st.tuples(st.text(), st.just("String")),
    st.tuples(st.integers(-(2**63), 2**63 - 1), st.just("Int64")),
    st.tuples(st.booleans(), st.just("Boolean")),
    st.tuples(st.dates(), st.just("Date")),
)


@given(st.lists(VALUES, min_size=1, max_size=4))
def test_a_key_comes_back_with_its_values_and_types(pairs):
    values, dtypes = [v for v, _ in pairs], [d for _, d in pairs]
    back = decode(encode(values), dtypes)
    assert list(back) == values
    assert [type(v) for v in back] == [type(v) for v in values]


@given(st.lists(st.text(), min_size=2, max_size=2), st.lists(st.text(), min_size=2, max_size=2))
def test_different_examples_have_different_keys(one, other):
    assert (encode(one) == encode(other)) == (one == other)


def test_categories_are_kept_as_their_text():
    frame = pl.DataFrame({"query": ["a"]}, schema={"query": pl.Categorical})
    assert key_dtypes(frame.schema, ["query"]) == ("String",)


@pytest.mark.parametrize("dtype", [pl.Float64, pl.Datetime("us"), pl.List(pl.String)])
def test_a_key_without_an_exact_text_form_is_refused(dtype):
    with pytest.raises(RoundError, match="'query' is of type"):
        key_dtypes(pl.Schema({"query": dtype}), ["query"])


def test_every_stored_type_name_is_a_polars_type():
    frame = pl.DataFrame({"a": ["x"], "b": [1], "c": [True], "d": [datetime.date(2026, 1, 1)]})
    names = key_dtypes(frame.schema, frame.columns)
    assert [polars_dtype(name) for name in names] == frame.dtypes
