"""Expressions: readable, recorded, and impossible to mistake for a truth value."""

from __future__ import annotations

import datetime as dt

import narwhals as nw
import numpy as np
import polars as pl
import pytest

from labelkit import col
from labelkit.errors import LFError


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        (col("ctr_high") < 0.02, "ctr_high < 0.02"),
        (0.02 > col("ctr_high"), "ctr_high < 0.02"),  # noqa: SIM300 - that it may be written so
        (np.float64(0.02) > col("ctr_high"), "ctr_high < 0.02"),
        (col("clicks") / col("impressions") >= 0.5, "clicks / impressions >= 0.5"),
        ((col("a") + 1) * 2 == col("b"), "(a + 1) * 2 == b"),
        (col("a") - (col("b") - 1) > 0, "a - (b - 1) > 0"),
        (-col("a") > 0, "0 - a > 0"),
        ((col("a") > 1) & (col("b") < 2) | ~(col("c") == 3), "a > 1 and b < 2 or not (c == 3)"),
        ((col("a") > 1) & ((col("b") < 2) | col("flag")), "a > 1 and (b < 2 or flag)"),
        (col("a").between(1, 5), "a >= 1 and a <= 5"),
        (col("country").is_in(["de", "fr"]), "country in ['de', 'fr']"),
        (col("n").is_in(range(9)), "n in [0, 1, 2, 3, 4, …]"),
        (col("dwell").is_null(), "dwell is missing"),
        (col("title").contains("buy"), "title contains 'buy'"),
        (col("title").matches("^buy"), "title matches /^buy/"),
        (col("title").length() > 10, "length(title) > 10"),
        (col("my column") > 1, "col('my column') > 1"),
        (col("ctr") > col("ctr").mean(over="query"), "ctr > mean(ctr) per query"),
        (col("day") > dt.date(2024, 1, 2), "day > 2024-01-02"),
    ],
)
def test_an_expression_prints_as_a_person_would_say_it(expression, text):
    assert str(expression) == text


def test_an_expression_knows_its_columns():
    condition = ((col("a") + col("b")) > 1) & ~col("c").contains("x") | col("d").is_null()
    assert condition.columns == {"a", "b", "c", "d"}
    assert (col("ctr").max(over="query") > 1).columns == {"ctr", "query"}


@pytest.mark.parametrize(
    "misuse",
    [
        lambda: bool(col("x") > 1),
        lambda: bool(col("x")),
        lambda: (col("x") > 1) and (col("y") > 1),
        lambda: (col("x") > 1) or (col("y") > 1),
        lambda: not (col("x") > 1),
        lambda: 1 < col("x") < 5,
        lambda: col("x") in [1, 2],
    ],
    ids=["if", "if column", "and", "or", "not", "chain", "in"],
)
def test_a_condition_has_no_truth_value_in_python(misuse):
    with pytest.raises(LFError, match="Write & for and"):
        misuse()


@pytest.mark.parametrize(
    ("misuse", "message"),
    [
        (lambda: (col("x") > 1) & 5, "parentheses"),
        (lambda: 1 & col("y"), "parentheses"),
        (lambda: col("x") > None, r"\.is_null\(\)"),
        (lambda: col("x") == float("nan"), r"\.is_null\(\)"),
        (lambda: col("x") == [1, 2], "no value to compare with"),
        (lambda: (col("x") > 1) == (col("y") > 1), None),
        (lambda: col("x") == (col("y") > 1), "combine conditions"),
        (lambda: col("x").is_in([]), "the list is empty"),
        (lambda: col("x").is_in("abc"), "takes a list"),
        (lambda: col("x").is_in([1, "a"]), "one kind"),
        (lambda: col("x").is_in([1, None]), r"\.is_null\(\)"),
        (lambda: col("t").matches("("), "not a regular expression"),
        (lambda: col("t").matches("(?=a)"), "not a regular expression"),
        (lambda: col("t").contains(3), "takes a text"),
        (lambda: list(col("x")), "cannot be looped over"),
        (lambda: len(col("t")), r"\.length\(\)"),
        (lambda: col(""), "name of a column"),
        (lambda: col(3), "name of a column"),
    ],
)
def test_what_cannot_be_meant_is_refused_where_it_is_written(misuse, message):
    if message is None:  # two conditions are objects to Python, and are told apart
        assert misuse() is False
        return
    with pytest.raises(LFError, match=message):
        misuse()


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        (col("n") == "a", "n is a whole number, 'a' is text"),
        (col("t") > 1, "t is text, 1 is a whole number"),
        (col("t") + 1 > 1, "computes with numbers, but t is text"),
        (col("n").contains("a"), "asks for text, but n is a whole number"),
        (col("x").length() > 1, "asks for text, but x is a number"),
        (col("t").is_in([1, 2]), "t is text, the list holds a whole number"),
        ((col("n") > 0) & col("t"), "`t` is text, not a condition"),
        (col("flag") > 1, "flag is true or false"),
        (col("day") > "2024-01-01", "day is a date, '2024-01-01' is text"),
        (col("many") == 1, "of a type that conditions cannot read"),
        (col("t").mean(over="n") > 1, "computes with numbers"),
    ],
)
def test_a_wrong_type_is_told_from_the_schema_alone(condition, message):
    schema = nw.from_native(
        pl.DataFrame(
            schema={
                "n": pl.Int32,
                "x": pl.Float32,
                "t": pl.String,
                "flag": pl.Boolean,
                "day": pl.Date,
                "many": pl.List(pl.Int8),
            }
        )
    ).collect_schema()
    with pytest.raises(LFError, match=message):
        condition.check(schema)


def test_numbers_have_one_width_so_that_unsigned_differences_do_not_wrap_around():
    frame = pl.DataFrame(
        {"a": [1], "b": [2], "f": [0.1]}, schema={"a": pl.UInt8, "b": pl.UInt8, "f": pl.Float32}
    )
    table = nw.from_native(frame)

    def holds(condition):
        return table.select(x=condition.holds(table.schema))["x"].item()

    assert holds(col("a") - col("b") < 0)
    assert holds(col("a") * 300 > 255)
    assert holds(col("a") < 300)
    assert holds(col("a") > -1)
    assert holds(col("f") != 0.1)  # as 32 bits tell it, on every engine
    assert holds(col("a") < 10**30)
