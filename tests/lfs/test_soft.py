"""Probabilities, grades and intervals as votes; votes put together and turned around."""

from __future__ import annotations

import math

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from labelkit import apply, col, labeling_function, vote
from labelkit.errors import LFError
from labelkit.lfs import graded, interval, most_probable, soft_vote

NUMBERS = st.one_of(
    st.none(), st.just(math.nan), st.sampled_from([0.0, 0.2, 0.5, 0.8, 1.0]), st.floats(0, 1)
)
ROWS = st.lists(st.tuples(NUMBERS, NUMBERS, NUMBERS), min_size=1, max_size=10)
CHECKED = settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def votes_of(ballot, native, k=4):
    @labeling_function
    def lf():
        return ballot

    votes = apply([lf], native, keys=("item",), cardinality=k)
    return votes.matrix[np.argsort(votes.key_frame["item"].to_numpy()), 0].tolist()


def table(rows):
    schema = dict.fromkeys("xyz", pl.Float64)
    return pl.DataFrame(rows, schema=schema, orient="row").with_row_index("item")


def missing(*numbers):
    return any(number is None or number != number for number in numbers)


def soft(x, y, z):
    if missing(x):
        return -1
    return 3 if x >= 0.8 else 1 if x <= 0.2 else -1


def grade(x, y, z):
    if missing(x):
        return -1
    return 0 if x < 0.2 else 2 if x < 0.5 else -1 if x < 0.8 else 3


def top(x, y, z):
    """Unknown leads are no leads: the largest of three needs all three."""
    if missing(x, y, z):
        return -1
    best = max(x, y, z)
    winners = [label for label, p in enumerate((x, y, z)) if p == best]
    return winners[0] if len(winners) == 1 and best >= 0.4 else -1


def surely(x, y, z):
    """[x, y] against z: 1 above, 0 where it is known not to be above, else unknown."""
    if not missing(x, z) and x > z:
        return 1
    return 0 if not missing(y, z) and y <= z else -1


ABOVE = interval("x", "y").surely_above(col("z"))
CASES = [
    (soft_vote(col("x"), 3, above=0.8, otherwise=1, below=0.2), soft),
    (graded(col("x"), thresholds=[0.2, 0.5, 0.8], labels=[0, 2, None, 3]), grade),
    (most_probable({0: col("x"), 1: col("y"), 2: col("z")}, above=0.4), top),
    (vote(1, where=ABOVE) | vote(0, where=~ABOVE), surely),
]


@pytest.mark.parametrize("engine", ["polars", "pandas", "duckdb"])
@CHECKED
@given(rows=ROWS)
def test_thresholds_vote_as_they_read(engine, in_engine, rows):
    native = in_engine(table(rows), engine)
    for ballot, truth in CASES:
        assert votes_of(ballot, native) == [truth(*row) for row in rows], str(ballot)


@CHECKED
@given(rows=ROWS)
def test_an_interval_is_surely_on_one_side_at_most(rows):
    frame = table([(low, high, z) for low, high, z in rows if missing(low, high) or low <= high])
    ctr = interval("x", "y")
    votes = votes_of(
        graded(col("z"), thresholds=[9], labels=[0, 1])  # a vote of its own, so that rows are kept
        | vote(2, where=(ctr > col("z")) & (ctr < col("z"))),
        frame,
    )
    assert 2 not in votes
    assert votes_of(vote(1, where=(ctr <= col("z")) & (ctr > col("z"))), frame).count(1) == 0


def test_two_intervals_are_compared_end_to_end():
    frame = pl.DataFrame(
        {
            "item": [0, 1, 2],
            "a_low": [1.0, 1.0, 5.0],
            "a_high": [2.0, 4.0, 6.0],
            "b_low": 3.0,
            "b_high": 4.0,
        }
    )
    a, b = interval("a"), interval("b")
    assert votes_of(vote(0, where=a < b) | vote(1, where=a > b), frame) == [0, -1, 1]
    assert str(a > b) == "a surely > b"
    assert str(interval("lo", "hi") <= 3) == "[lo, hi] surely <= 3"


@CHECKED
@given(rows=ROWS)
def test_whole_functions_compose(rows):
    frame = table(rows)

    @labeling_function
    def lf():
        """A reason."""
        return vote(1, where=col("x") > 0.5) | vote(0, where=col("x") <= 0.5)

    only = col("y") >= 0.5
    plain = votes_of(lf, frame)
    holds = [not missing(y) and y >= 0.5 for _, y, _ in rows]
    assert votes_of(lf & only, frame) == [v if h else -1 for v, h in zip(plain, holds, strict=True)]
    assert (
        votes_of(only & lf, frame) == votes_of(lf.where(only), frame) == votes_of(lf & only, frame)
    )
    assert votes_of(~lf, frame) == [{1: 0, 0: 1, -1: -1}[v] for v in plain]
    assert votes_of(~~lf, frame) == plain
    assert votes_of(lf.relabel({0: 2, 1: 3}), frame) == [v + 2 if v >= 0 else -1 for v in plain]
    assert votes_of(vote(2) & only, frame) == [2 if h else -1 for h in holds]


def test_a_composed_function_says_what_it_became():
    @labeling_function
    def lf():
        """A reason."""
        return vote(1, where=col("x") > 1) | vote(0)

    assert str(lf & col("flag")) == "lf_where: 1 where x > 1 and flag, else 0 where flag"
    assert str(~lf) == "not_lf: 0 where x > 1, else 1 always"
    assert (~lf).doc == "A reason."
    assert (lf & col("flag")).columns == {"x", "flag"}
    assert (~lf).version != lf.version


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: soft_vote(col("x"), 1, above=80), "above is a probability, from 0 to 1; got 80"),
        (lambda: soft_vote(col("x"), 1, above=0.2, otherwise=0, below=0.8), "0.8 is not under 0.2"),
        (lambda: soft_vote(col("x"), 1, above=0.8, otherwise=0), "together, or neither"),
        (lambda: soft_vote(col("x"), 1, above=0.8, otherwise=1, below=0.2), "alike"),
        (lambda: soft_vote(0.5, 1, above=0.8), "takes a value such as"),
        (lambda: most_probable({0: col("x")}), "two or more labels"),
        (lambda: graded(col("x"), thresholds=[1], labels=[0]), "one label more than those"),
        (lambda: graded(col("x"), thresholds=[2, 1], labels=[0, 1, 2]), "rising thresholds"),
        (lambda: graded(col("x"), thresholds=[1], labels=[None, None]), "votes nowhere"),
        (lambda: interval("x") == 1, "is an interval, which equals nothing"),
        (lambda: interval(col("x")), "names of two columns"),
        (lambda: ~vote(2, where=col("x") > 1), r"~ swaps the labels 0 and 1, and this votes \[2\]"),
        (lambda: vote(1).relabel({0: 1}), "no new label for 1"),
        (lambda: vote(1).relabel({1: -1}), "no vote for ABSTAIN"),
    ],
)
def test_what_makes_no_vote_is_refused(make, message):
    with pytest.raises(LFError, match=message):
        make()


def test_a_vote_is_not_combined_with_a_vote_by_and():
    @labeling_function
    def lf():
        return vote(1, where=col("x") > 1)

    with pytest.raises(LFError, match=r"the first of two votes that does not abstain is a \| b"):
        lf & lf
