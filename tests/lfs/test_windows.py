"""Ranks, shares and the others of a query: on every engine as plain Python counts them."""

from __future__ import annotations

import math
import statistics
from fractions import Fraction

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from labelkit import apply, col, labeling_function, vote
from labelkit.errors import LFError

EASY = st.one_of(st.none(), st.just(math.nan), st.sampled_from([0.0, -0.0, 0.1, 0.1, 0.3, -2.5, 7]))
HARD = st.one_of(EASY, st.sampled_from([math.inf, -math.inf, 5e-324, 1e300, -1e300]))
WHOLE = st.one_of(st.none(), st.integers(-3, 3), st.just(2**62))
GROUP = st.sampled_from(["a", "a", "b", "b", "b", None])
ENGINES = ["polars", "pandas", "duckdb"]
CHECKED = settings(
    max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def table(rows):
    frame = pl.DataFrame(
        rows, schema={"query": pl.String, "x": pl.Float64, "i": pl.Int64}, orient="row"
    )
    return frame.with_row_index("item")


def known(values):
    return [value for value in values if value is not None and value == value]


def plainly(rules, rows, column):
    """The same votes by reading each query's values in Python."""
    out = []
    for query, *_ in rows:
        values = [row[column] for row in rows if row[0] == query]
        row = rows[len(out)]
        out.append(
            [
                -1 if query is None or (truth := rule(row[column], known(values))) is None
                else int(truth)
                for rule in rules
            ]
        )  # fmt: skip
    return out


def missing(x):
    return x is None or x != x


def others(x, values):
    rest = list(values)
    if not missing(x):
        rest.remove(x)
    return rest


def rank(x, values):
    return None if missing(x) else 1 + sum(value > x for value in values)


def rank_from_below(x, values):
    return None if missing(x) else 1 + sum(value < x for value in values)


def is_sole_winner(x, values):
    rest = others(x, values)
    return None if missing(x) or not rest else x > max(rest)


def is_below_the_others(x, values):
    rest = others(x, values)
    return None if missing(x) or not rest else x < min(rest)


def median(values):
    if not values:
        return None
    middle = sorted(values)
    half = middle[(len(middle) - 1) // 2] / 2 + middle[len(middle) // 2] / 2
    return None if half != half else half


def than(number, test):
    return None if number is None else test(number)


ORDER_RULES = [
    (lambda v: v.rank(over="query") <= 2, lambda x, vs: than(rank(x, vs), lambda r: r <= 2)),
    (
        lambda v: v.rank(over="query", descending=False) == 1,
        lambda x, vs: than(rank_from_below(x, vs), lambda r: r == 1),
    ),
    (lambda v: v > v.max_of_others(over="query"), is_sole_winner),
    (lambda v: v < v.min_of_others(over="query"), is_below_the_others),
    (
        lambda v: v >= v.median(over="query"),
        lambda x, vs: (
            None if missing(x) or median(vs) is None else float(x) >= median(list(map(float, vs)))
        ),
    ),
    (lambda v: v.count(over="query") >= 2, lambda x, vs: len(vs) >= 2),
    (lambda v: v == v.max(over="query"), lambda x, vs: None if missing(x) else x == max(vs)),
    (
        lambda v: (v > 0).count(over="query") == 1,
        lambda x, vs: sum(value > 0 for value in vs) == 1,
    ),
]


@pytest.mark.parametrize("engine", ENGINES)
@CHECKED
@given(rows=st.lists(st.tuples(GROUP, HARD, WHOLE), min_size=1, max_size=9))
def test_what_is_picked_by_order_is_exact_on_every_engine(engine, in_engine, votes_of, rows):
    frame = table(rows)
    for column, at in (("x", 1), ("i", 2)):
        if column == "i" and engine == "pandas":
            continue  # NumPy's pandas has no whole numbers with gaps
        got = votes_of([make(col(column)) for make, _ in ORDER_RULES], in_engine(frame, engine))
        assert got == plainly([truth for _, truth in ORDER_RULES], rows, at)


def exactly(values, what):
    """Sum or mean as it is, not as doubles add up; None if it is not a number."""
    if any(math.isinf(value) for value in values):
        total = sum(value for value in values if math.isinf(value))
        return None if total != total else total
    if not values:
        return None
    total = sum(map(Fraction, values))
    return total / len(values) if what == "mean" else total


@pytest.mark.parametrize("engine", ENGINES)
@CHECKED
@given(
    rows=st.lists(
        st.tuples(GROUP, EASY | st.sampled_from([math.inf, -math.inf]) | st.floats(-9, 9), WHOLE),
        min_size=1,
        max_size=9,
    )
)
def test_sums_and_means_are_within_a_billionth_of_the_exact_ones(engine, in_engine, votes_of, rows):
    frame = table(rows)
    native = in_engine(frame, engine)
    # Thresholds a billionth below and above what Fractions say, so that a vote tells the number.
    for column, at in (("x", 1), ("i", 2)):
        if column == "i" and engine == "pandas":
            continue
        for what in ("sum", "mean"):
            exact = []
            for query, *_ in rows:
                values = known([row[at] for row in rows if row[0] == query])
                number = None if query is None else exactly(values, what)
                scale = max([abs(v) for v in values if not math.isinf(v)], default=1) * len(rows)
                exact.append((number, 1e-9 * scale))
            low = [n if n is None or math.isinf(n) else float(n) - e for n, e in exact]
            high = [n if n is None or math.isinf(n) else float(n) + e for n, e in exact]
            given_ends = frame.with_columns(
                low=pl.Series(low, dtype=pl.Float64), high=pl.Series(high, dtype=pl.Float64)
            )
            native = in_engine(given_ends, engine)
            total = getattr(col(column), what)(over="query")
            got = votes_of(
                [(total >= col("low")) & (total <= col("high")), total.is_null()],
                native,
            )
            assert got == [[-1, 1] if n is None else [1, 0] for n, _ in exact]


def test_numbers_that_are_equal_are_their_own_mean_and_none_is_above_it(
    engine, in_engine, votes_of
):
    frame = table([("q", 0.1, 1)] * 3)
    lfs = [col("x") > col("x").mean(over="query"), col("x") < col("x").mean(over="query")]
    assert votes_of(lfs, in_engine(frame, engine)) == [[0, 0]] * 3
    assert sum([0.1] * 3) / 3 > 0.1  # which doubles do not say of themselves


def test_sums_do_not_depend_on_the_order_of_rows(engine, in_engine, votes_of):
    values = np.random.default_rng(3).normal(size=200) * 10.0 ** np.arange(200)[::-1].clip(0, 9)
    near = math.fsum(values)
    # Thresholds one double apart tell which double came out.
    rules = [col("x").sum(over="query") > near + k * np.spacing(near) for k in range(-30, 31)]
    votes = []
    for order in (np.arange(200), np.arange(200)[::-1], np.argsort(values)):
        frame = table([("q", float(values[j]), j) for j in order])
        votes.append(votes_of(rules, in_engine(frame, engine))[0])
    assert votes[0] == votes[1] == votes[2]


def test_spread_share_and_gap_are_those_of_the_textbook(engine, in_engine, votes_of):
    values = [1.0, 4.0, 7.0, 7.0]
    frame = table([("q", value, 0) for value in values] + [("alone", 3.0, 0)])
    x = col("x")
    std = statistics.stdev(values)
    rules = [
        (x.std(over="query") - std < 1e-9) & (x.std(over="query") - std > -1e-9),
        x.share(over="query") >= 0.3,
        x.gap_to_best(over="query") == 3,
        x.share(over=["query", "i"]) > 0.9,
    ]
    assert votes_of(rules, in_engine(frame, engine)) == [
        [1, 0, 0, 0],
        [1, 0, 1, 0],
        [1, 1, 0, 0],
        [1, 1, 0, 0],
        [-1, 1, 0, 1],
    ]


def test_windows_nest_in_windows(engine, in_engine, votes_of):
    frame = table([("q", value, 0) for value in (1.0, 2.0, 6.0)])
    off = col("x") - col("x").mean(over="query")
    assert votes_of(
        [off.rank(over="query") == 1, (off * off).max(over="query") == 9.0],
        in_engine(frame, engine),
    ) == [[0, 1], [0, 1], [1, 1]]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (col("t").rank(over="q") > 1, r"rank\(t, largest first\) per q` needs numbers or times"),
        (col("t").share(over="q") > 1, r"`share\(t\) per q` computes with numbers, but t is text"),
        (col("t").std(over="q") > 1, "computes with numbers"),
        (col("t").median(over="q") > 1, "computes with numbers"),
        (col("t").max_of_others(over="q") > 1, "needs numbers or times"),
        ((col("t") > 3).count(over="q") > 1, "t is text, 3 is a whole number"),
        (col("x").rank(over="there") > 1, "no column 'there'"),
    ],
)
def test_a_wrong_column_or_type_is_told_with_the_function_and_its_line(value, message):
    @labeling_function
    def lf():
        return vote(1, where=value)

    frame = pl.DataFrame(schema={"item": pl.Int64, "t": pl.String, "x": pl.Int8, "q": pl.String})
    with pytest.raises(LFError, match=message) as error:
        apply([lf], frame, keys=("item",))
    assert "'lf'" in str(error.value)
    assert "test_windows.py:" in str(error.value)


def test_a_group_is_named_by_columns():
    with pytest.raises(LFError, match="takes the name of a column"):
        col("x").rank(over=[])


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (col("x").rank(over="query"), "rank(x, largest first) per query"),
        (col("x").rank(over="query", descending=False), "rank(x, smallest first) per query"),
        (col("x").share(over=["user", "day"]), "share(x) per user, day"),
        (col("x").median(over="query"), "median(x) per query"),
        (col("x").max_of_others(over="query"), "max(x) of the others per query"),
        (col("x").gap_to_best(over="query"), "max(x) per query - x"),
        ((col("x") > 1).count(over="query"), "count(x > 1) per query"),
    ],
)
def test_it_prints_as_a_person_would_say_it(value, text):
    assert str(value) == text
