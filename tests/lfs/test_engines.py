"""Votes are the same on every engine, and as plain three-valued logic in Python says."""

from __future__ import annotations

import datetime as dt
import math
import operator

import narwhals as nw
import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from labelkit import ABSTAIN, apply, col, labeling_function, vote
from labelkit.errors import LFError
from labelkit.lfs import LabelingFunction

EXTREMES = [math.nan, math.inf, -math.inf, 0.0, -0.0, 5e-324, 1.7e308, -1.7e308, 0.1, 1.5]
FLOATS = st.one_of(st.none(), st.sampled_from(EXTREMES), st.floats(-5, 5))
INTEGERS = st.one_of(
    st.none(), st.integers(-3, 3), st.sampled_from([2**53, 2**53 + 1, 2**63 - 1, -(2**63)])
)
TEXTS = st.one_of(
    st.none(), st.sampled_from(["", " ", "a", "ab", "b\n", "Ünïcode", "日本", "%_.*"])
)
FLAGS = st.one_of(st.none(), st.booleans())
ROW = st.tuples(FLOATS, FLOATS, INTEGERS, INTEGERS, TEXTS, FLAGS)
ROWS = st.lists(ROW, max_size=12)
SCHEMA = {
    "x": pl.Float64,
    "y": pl.Float64,
    "i": pl.Int64,
    "j": pl.Int64,
    "t": pl.String,
    "flag": pl.Boolean,
}

# A condition, and what it means: a Python function of a row to True, False or None (unknown).
RELATIONS = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt,
    ">=": operator.ge, "==": operator.eq, "!=": operator.ne,
}  # fmt: skip


def missing(value):
    return value is None or value != value


def asked(function, *names):
    """The question on row values, unknown if one is missing."""

    def ask(row):
        values = [row[name] for name in names]
        return None if any(map(missing, values)) else function(*values)

    return ask


def arithmetic(operation, left, right):
    try:
        result = operation(float(left), float(right))
    except ZeroDivisionError:
        return None
    except OverflowError:
        return math.inf
    return None if missing(result) else result


def _comparisons():
    for name, constants in {"x": [0.1, 0, 1.5, math.inf], "i": [0, 1.5, 2.0, 2**53]}.items():
        for constant in constants:
            for relation in RELATIONS.values():
                yield (
                    relation(col(name), constant),
                    asked(lambda v, r=relation, c=constant: r(v, c), name),
                )
    for relation in RELATIONS.values():
        yield relation(col("x"), col("y")), asked(relation, "x", "y")
        yield relation(col("i"), col("j")), asked(relation, "i", "j")
        yield relation(col("t"), "ab"), asked(lambda v, r=relation: r(v, "ab"), "t")
        for operation in (operator.add, operator.sub, operator.mul, operator.truediv):
            yield (
                relation(operation(col("x"), col("i")), 1),
                lambda row, r=relation, o=operation: (
                    None
                    if missing(row["x"])
                    or missing(row["i"])
                    or (result := arithmetic(o, row["x"], row["i"])) is None
                    else r(result, 1)
                ),
            )


LEAVES = [
    *_comparisons(),
    (col("x").is_null(), lambda row: missing(row["x"])),
    (col("t").is_null(), lambda row: missing(row["t"])),
    (
        (col("x") / col("i")).is_null(),
        lambda row: (
            missing(row["x"])
            or missing(row["i"])
            or arithmetic(operator.truediv, row["x"], row["i"]) is None
        ),
    ),
    (col("x").is_in([0, 1.5]), asked(lambda v: v in (0, 1.5), "x")),
    (col("i").is_in([1, 2**53]), asked(lambda v: v in (1, 2**53), "i")),
    (col("i").is_in([0.5]), asked(lambda v: False, "i")),
    (col("t").is_in(["", "日本"]), asked(lambda v: v in ("", "日本"), "t")),
    (col("t").contains("b"), asked(lambda v: "b" in v, "t")),
    (col("t").contains("%_.*"), asked(lambda v: "%_.*" in v, "t")),
    (col("t").contains(""), asked(lambda v: True, "t")),
    (col("t").starts_with("a"), asked(lambda v: v.startswith("a"), "t")),
    (col("t").ends_with("\n"), asked(lambda v: v.endswith("\n"), "t")),
    (col("t").length() >= 2, asked(lambda v: len(v) >= 2, "t")),
    (col("flag"), asked(lambda v: v, "flag")),
    (col("flag") == True, asked(lambda v: v, "flag")),  # noqa: E712 - a condition, not a test
    (col("x").between(-1, col("y")), None),
]
REGEX = [
    (col("t").matches("^a"), asked(lambda v: v.startswith("a"), "t")),
    (col("t").matches("b$"), asked(lambda v: v.endswith("b"), "t")),
    (col("t").matches(r"(?i)ü"), asked(lambda v: "ü" in v.lower(), "t")),
    (col("t").matches(r"\bb"), asked(lambda v: v.startswith("b"), "t")),
]


def between(row):
    low = None if missing(row["x"]) else row["x"] >= -1
    high = None if missing(row["x"]) or missing(row["y"]) else row["x"] <= row["y"]
    return kleene_and(low, high)


def kleene_and(a, b):
    if a is False or b is False:
        return False
    return None if a is None or b is None else True


def kleene_or(a, b):
    inverse = kleene_and(None if a is None else not a, None if b is None else not b)
    return None if inverse is None else not inverse


LEAVES = [(condition, truth or between) for condition, truth in LEAVES]


def conditions(leaves):
    def grow(parts):
        def negated(part):
            return ~part[0], lambda row: None if part[1](row) is None else not part[1](row)

        def joined(left, right, both):
            if both:
                return left[0] & right[0], lambda row: kleene_and(left[1](row), right[1](row))
            return left[0] | right[0], lambda row: kleene_or(left[1](row), right[1](row))

        return parts.map(negated) | st.builds(joined, parts, parts, st.booleans())

    return st.recursive(st.sampled_from(leaves), grow, max_leaves=4)


def lf_of(*rules):
    @labeling_function(name="lf")
    def lf():
        ballot = vote(rules[0][0], where=rules[0][1])
        for label, where in rules[1:]:
            ballot = ballot | vote(label, where=where)
        return ballot

    return lf


def expected(rules, rows):
    votes = []
    for row in rows:
        first = next((label for label, truth in rules if truth(row) is True), ABSTAIN)
        votes.append(first)
    return votes


def table(rows):
    frame = pl.DataFrame(rows, schema=SCHEMA, orient="row")
    return frame.with_row_index("item").with_columns(pl.lit("q").alias("query"))


BALLOTS = st.lists(st.tuples(st.integers(0, 1), conditions(LEAVES)), min_size=1, max_size=3)
CHECKED = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.mark.parametrize(
    "which", ["polars", "polars_lazy", "pandas", "pandas_arrow", "pyarrow", "duckdb"]
)
@CHECKED
@given(rows=ROWS, rules=BALLOTS)
def test_an_engine_votes_as_three_valued_logic_says(which, in_engine, rows, rules):
    frame = table(rows)
    lf = lf_of(*[(label, condition) for label, (condition, _) in rules])
    truths = [(label, truth) for label, (_, truth) in rules]
    native = in_engine(frame, which)
    votes = apply([lf], native, keys=("item",))
    got = dict(zip(votes.key_frame["item"].to_list(), votes.matrix[:, 0].tolist(), strict=True))
    # NumPy's pandas holds whole numbers with gaps as floats, and so not all of them.
    rows = native.to_dict("records") if which == "pandas" else frame.to_dicts()
    wanted = dict(enumerate(expected(truths, rows)))
    assert got == wanted, str(lf)


@CHECKED
@given(rows=ROWS, rule=conditions([*LEAVES[-8:], *REGEX]))
def test_regular_expressions_speak_one_dialect_on_every_engine(in_engine, rows, rule):
    frame = table(rows)
    lf = lf_of((1, rule[0]))
    wanted = dict(enumerate(expected([(1, rule[1])], frame.to_dicts())))
    for which in ("polars", "pandas_arrow", "pyarrow", "duckdb"):
        votes = apply([lf], in_engine(frame, which), keys=("item",))
        got = dict(zip(votes.key_frame["item"].to_list(), votes.matrix[:, 0].tolist(), strict=True))
        assert got == wanted, (which, str(lf))


@pytest.mark.parametrize("which", ["pandas_arrow", "pyarrow"])
@CHECKED
@given(rows=ROWS, rule=conditions(LEAVES))
def test_the_expression_itself_says_the_same_inside_the_engine(which, in_engine, rows, rule):
    """What ``apply`` hands to Polars can also be part of a longer query of the engine's own."""
    # Arrow refuses to compute with whole numbers that a double cannot hold; the others round.
    fits = [row for row in rows if all(abs(number or 0) <= 2**53 for number in row[2:4])]
    frame = table(fits)
    lf = lf_of((1, rule[0]))
    native = nw.from_native(in_engine(frame, which)).lazy()
    voted = native.select("item", lf.to_expr(native.collect_schema())).collect("polars")
    got = dict(voted.to_polars().iter_rows())
    assert got == dict(enumerate(expected([(1, rule[1])], frame.to_dicts()))), str(lf)


def test_thresholds_relative_to_the_query_are_the_same_on_every_engine(engine, in_engine):
    frame = pl.DataFrame(
        {
            "query": ["a", "a", "a", "b", "b", "c"],
            "item": [0, 1, 2, 3, 4, 5],
            "ctr": [0.1, 0.2, 0.6, math.nan, 0.5, None],
        }
    )
    lf = lf_of(
        (1, col("ctr") > col("ctr").mean(over="query")),
        (0, col("ctr") <= col("ctr").min(over="query")),
    )
    votes = apply([lf], in_engine(frame, engine))
    got = dict(zip(votes.key_frame["item"].to_list(), votes.matrix[:, 0].tolist(), strict=True))
    # b has one known rate, which is its own mean and minimum; c has none.
    assert got == {0: 0, 1: -1, 2: 1, 3: -1, 4: 0, 5: -1}


@pytest.mark.parametrize(
    ("condition", "votes"),
    [
        (col("day") >= dt.date(2024, 1, 2), [-1, 1, -1]),
        (col("seen") < dt.datetime(2024, 1, 2), [1, -1, -1]),
        (col("seen") >= dt.date(2024, 1, 2), [-1, -1, 1]),
        (col("seen") > col("day"), [1, -1, -1]),
        (~(col("seen") > col("day")), [-1, -1, -1]),
        (col("there") < dt.datetime(2024, 1, 1, 12, tzinfo=dt.UTC), [1, -1, -1]),
        (col("there").is_in([dt.datetime(2024, 1, 1, 11, tzinfo=dt.UTC)]), [1, -1, -1]),
    ],
    ids=str,
)
def test_dates_and_times_are_compared_alike(engine, in_engine, condition, votes):
    frame = pl.DataFrame(
        {
            "item": [0, 1, 2],
            "day": [dt.date(2024, 1, 1), dt.date(2024, 1, 3), None],
            "seen": [dt.datetime(2024, 1, 1, 12), None, dt.datetime(2024, 1, 2)],
        }
    ).with_columns(there=pl.col("seen").dt.replace_time_zone("Europe/Berlin"))
    got = apply([lf_of((1, condition))], in_engine(frame, engine), keys=("item",))
    assert got.matrix[:, 0].tolist() == votes


def test_a_time_with_a_zone_is_not_compared_with_one_without():
    frame = pl.DataFrame(
        schema={
            "item": pl.Int64,
            "a": pl.Datetime(time_zone="UTC"),
            "b": pl.Datetime(time_zone="Asia/Tokyo"),
        }
    )
    for condition, message in [
        (
            col("a") > dt.datetime(2024, 1, 1),
            "unlike things: a is a date and time with a time zone",
        ),
        (col("a") > col("b"), "several zones: Asia/Tokyo, UTC"),
    ]:
        with pytest.raises(LFError, match=message):
            apply([lf_of((1, condition))], frame, keys=("item",))


@CHECKED
@given(rows=ROWS, ballots=st.tuples(BALLOTS, BALLOTS, BALLOTS))
def test_the_first_that_does_not_abstain_wins_whatever_the_brackets(rows, ballots):
    a, b, c = (lf_of(*[(label, condition) for label, (condition, _) in part]) for part in ballots)
    frame = table(rows)

    def votes(lf: LabelingFunction):
        return apply([lf.named("lf")], frame, keys=("item",)).matrix[:, 0].tolist()

    assert votes((a | b) | c) == votes(a | (b | c))
    first, second = votes(a), votes(b)
    assert votes(a | b) == [y if x == ABSTAIN else x for x, y in zip(first, second, strict=True)]
    assert votes(a | a) == first


@settings(
    max_examples=4,
    deadline=None,
    phases=[Phase.generate],  # an example takes seconds: shrinking it would take the day
    suppress_health_check=[
        HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large,
        HealthCheck.large_base_example,
    ],
)  # fmt: skip
@given(
    rows=st.lists(ROW, min_size=30, max_size=40),
    ballots=st.lists(
        st.lists(st.tuples(st.integers(0, 1), conditions([*LEAVES, *REGEX])), min_size=1),
        min_size=12,
        max_size=12,
    ),
)
def test_spark_votes_as_three_valued_logic_says_many_functions_at_once(in_engine, rows, ballots):
    frame = table(rows)
    lfs = [
        lf_of(*[(label, condition) for label, (condition, _) in rules]).named(f"lf_{j}")
        for j, rules in enumerate(ballots)
    ]
    votes = apply(lfs, in_engine(frame, "pyspark"), keys=("item",))
    assert isinstance(votes.frame, nw.LazyFrame)
    order = np.argsort(votes.key_frame["item"].to_numpy())
    got = votes.matrix[order]
    for j, rules in enumerate(ballots):
        truths = [(label, truth) for label, (_, truth) in rules]
        assert got[:, j].tolist() == expected(truths, frame.to_dicts()), str(lfs[j])
    assert np.array_equal(got, apply(lfs, frame, keys=("item",)).matrix)
