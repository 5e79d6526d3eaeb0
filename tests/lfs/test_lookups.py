"""Look-ups in tables of the user's own, small and large, of the same engine and of another."""

from __future__ import annotations

import math

import duckdb
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from labelkit import apply, col, labeling_function, vote
from labelkit.errors import LFError
from labelkit.lfs import lookup

EXAMPLES = pl.DataFrame(
    {
        "item": [0, 1, 2, 3, 4],
        "brand": ["acme", "globex", "none", None, "acme"],
        "n": [1, 2, 3, None, 1],
        "x": [1.0, 2.0, math.nan, None, 4.5],
    }
)
PRICES = pl.DataFrame({"name": ["acme", "globex", "null"], "price": [5.0, math.nan, 7.0]})


def long(frame, rows=3_000):
    """The same table among many rows that no example asks for."""
    more = pl.DataFrame(
        {"name": [f"other{i}" for i in range(rows)], "price": [float(i) for i in range(rows)]}
    )
    return pl.concat([frame, more])


@pytest.mark.parametrize("size", ["small", "large"])
@pytest.mark.parametrize("held", ["polars", "polars_lazy", "pandas", "pyarrow", "duckdb"])
def test_a_table_of_any_engine_is_looked_up(engine, in_engine, votes_of, size, held):
    table = in_engine(PRICES if size == "small" else long(PRICES), held)
    price = lookup(table, on="brand", key="name", value="price")
    conditions = [
        price > 4,
        price.is_null(),
        col("brand").is_in_table(table, "name"),
        ~col("brand").is_in_table(table, "name"),
    ]
    assert votes_of(conditions, in_engine(EXAMPLES, engine)) == [
        [1, 0, 1, 0],
        [-1, 1, 1, 0],
        [-1, 1, 0, 1],
        [-1, 1, -1, -1],
        [1, 0, 1, 0],
    ]


def test_keys_may_be_several_and_expressions(engine, in_engine, votes_of):
    table = pl.DataFrame({"b": ["acme", "acme"], "k": [1, 2], "v": ["yes", "no"]})
    both = lookup(table, on=["brand", "n"], key=["b", "k"], value="v")
    doubled = lookup({2.0: 1, 9.0: 0}, on=col("x") * 2)
    conditions = [both == "yes", doubled == 0, lookup({"acme": True}, on="brand") == True]  # noqa: E712
    assert votes_of(conditions, in_engine(EXAMPLES, engine)) == [
        [1, 0, 1], [-1, -1, -1], [-1, -1, -1], [-1, -1, -1], [1, 1, 1],
    ]  # fmt: skip


def test_a_whole_number_finds_its_double(engine, in_engine, votes_of):
    table = pl.DataFrame({"n": [1.0, 2.5], "v": [1, 0]})
    assert votes_of([lookup(table, on="n", value="v") == 1], in_engine(EXAMPLES, engine)) == [
        [1], [-1], [-1], [-1], [1],
    ]  # fmt: skip


KEYS = st.one_of(st.none(), st.integers(0, 6))


@settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(rows=st.lists(KEYS, min_size=1, max_size=9), known=st.sets(st.integers(0, 6)))
def test_a_look_up_is_a_dictionary_on_every_engine(in_engine, votes_of, rows, known):
    values = {key: key * 0.5 for key in known}
    frame = pl.DataFrame({"key": rows}, schema={"key": pl.Int64}).with_row_index("item")
    table = pl.DataFrame(
        {"key": list(values), "v": list(values.values())}, schema={"key": pl.Int64, "v": pl.Float64}
    )
    expected = []
    for key in rows:
        value = values.get(key)
        expected.append(
            [-1 if value is None else int(value > 1), -1 if key is None else int(key in known)]
        )
    for which in ("polars", "pandas_arrow", "duckdb"):
        for held in (table, table.lazy()):
            got = votes_of(
                [lookup(held, on="key", value="v") > 1, col("key").is_in_table(held, "key")],
                in_engine(frame, which),
            )
            assert got == expected, which


def test_rows_stay_in_the_order_in_which_they_came():
    n = 50_000
    frame = pl.DataFrame({"item": range(n), "k": [i * 7919 % n for i in range(n)]})
    table = pl.DataFrame({"k": range(n), "v": [i % 2 for i in range(n)]})

    @labeling_function
    def lf():
        return vote(1, where=lookup(table, on="k", value="v") == 1)

    votes = apply([lf], frame, keys=("item",))
    assert votes.key_frame["item"].to_list() == list(range(n))
    assert (votes.matrix[:, 0] == [1 if (i * 7919 % n) % 2 else -1 for i in range(n)]).all()


def applied(make):
    @labeling_function
    def lf():
        return vote(1, where=make())

    return apply([lf], EXAMPLES, keys=("item",))


REPEATED = {"brand": ["a", "b", "a"], "v": [1, 2, 3]}
UNNAMED = {"brand": ["a", None], "v": [1, 2]}


def price(**given):
    return lookup(PRICES, **{"key": "name", "value": "price"} | given)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: lookup(PRICES, on="brand") == 1,
            "The table has no column 'brand', 'value'; it has name, price",
        ),
        (lambda: price(on="n") > 1, "n is a whole number, the table's column 'name' is text"),
        (lambda: price(on="brand") == "a", r"`lookup\(price by brand\) == 'a'` compares unlike"),
        (lambda: price(on="nowhere") > 1, "no column 'nowhere'"),
        (
            lambda: col("n").is_in_table(PRICES, "name"),
            "n is a whole number, the table's column 'name' is text",
        ),
        (
            lambda: lookup(pl.DataFrame(REPEATED), on="brand", value="v") > 1,
            r"1 keys stand more than once in the table \(first: brand 'a', 2 rows\)",
        ),
        (
            lambda: lookup(pl.LazyFrame(REPEATED), on="brand", value="v") > 1,
            "stand more than once",
        ),
        (
            lambda: lookup(pl.DataFrame(UNNAMED), on="brand", value="v") > 1,
            "1 rows of the table have no key in 'brand'",
        ),
        (lambda: lookup({"a": 1, 2: 3}, on="brand") > 1, "The keys of a mapping are of one type"),
        (lambda: lookup([1], on="brand") > 1, "is a dataframe; got list"),
        (lambda: price(on=["brand", "n"]) > 1, "needs as many keys"),
        (lambda: price(on=col("brand"), key=None) > 1, "needs key=…"),
        (lambda: price(on="name", value="name") > 1, "both key and value"),
        (lambda: price(on=[]) > 1, "takes the column of the examples"),
    ],
)
def test_what_cannot_be_looked_up_is_told_with_the_function_and_its_line(make, message):
    with pytest.raises(LFError, match=message) as error:
        applied(make)
    assert "test_lookups.py:" in str(error.value)


def test_a_table_of_another_connection_is_named():
    with duckdb.connect() as one, duckdb.connect() as two:
        examples, table = one.from_arrow(EXAMPLES.to_arrow()), two.from_arrow(PRICES.to_arrow())

        @labeling_function
        def lf():
            return vote(1, where=lookup(table, on="brand", key="name", value="price") > 4)

        with pytest.raises(LFError, match=r"lookup\(price by brand\)`: the table cannot be joined"):
            apply([lf], examples, keys=("item",))


def test_a_version_changes_with_the_table_and_not_with_the_name():
    def lf(price):
        @labeling_function
        def lf():
            return vote(1, where=lookup({"acme": price}, on="brand") > 1)

        return lf

    assert lf(5).version == lf(5).named("other").version
    assert lf(5).version != lf(6).version
