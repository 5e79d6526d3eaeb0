"""Row functions: accepted, warned about, and never silent about an exception."""

from __future__ import annotations

import math
import warnings

import polars as pl
import pytest

from labelkit import apply, col, labeling_function, vote
from labelkit.errors import LFError, RowFunctionWarning

EXAMPLES = pl.DataFrame(
    {"query": ["q"] * 5, "item": [1, 2, 3, 4, 5], "n": [1, None, 3, 4, 5], "t": list("abcde")}
)


@labeling_function
def odd(x):
    return 1 if x.n % 2 == 1 else -1


@labeling_function
def late(x):
    return 0 if x["t"] > "c" else -1


@labeling_function
def large():
    return vote(1, where=col("n") > 3)


def test_row_functions_and_expressions_vote_side_by_side_in_order(engine, in_engine):
    with pytest.warns(RowFunctionWarning):
        votes = apply([odd, large, late], in_engine(EXAMPLES, engine))
    assert votes.lf_names == ("odd", "large", "late")
    rows = dict(zip(votes.key_frame["item"].to_list(), votes.matrix.tolist(), strict=True))
    assert rows == {1: [1, -1, -1], 2: [-1, -1, -1], 3: [1, -1, -1], 4: [-1, 1, 0], 5: [1, 1, 0]}


def test_the_warning_says_what_row_by_row_costs():
    with pytest.warns(
        RowFunctionWarning, match=r"odd \([\d,]+ rows/s\).*these 5 rows.*vote\("
    ) as said:
        apply([odd], EXAMPLES)
    assert said[0].filename == __file__


def test_expressions_alone_do_not_warn():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        apply([large], EXAMPLES)


@pytest.mark.filterwarnings("ignore::labelkit.errors.RowFunctionWarning")
class TestFailures:
    def test_an_exception_names_function_row_and_cause(self):
        def broken(x):
            return 1 / (x.item - 3)

        with pytest.raises(
            LFError, match=r"'broken' .*raised ZeroDivisionError.*row 2 \(query 'q', item 3\)"
        ) as raised:
            apply([lambda_to_label(broken)], EXAMPLES)
        assert isinstance(raised.value.__cause__, ZeroDivisionError)

    def test_exceptions_can_be_counted_as_abstentions(self):
        @labeling_function
        def broken(x):
            return 1 if 10 / (x.item - 3) > 0 and x.missing_column else 0

        votes = apply([broken, large], EXAMPLES, on_error="abstain")
        assert votes.matrix[:, 0].tolist() == [0, 0, -1, -1, -1]
        (failure,) = votes.errors
        assert (failure.lf, failure.count, failure.first_key) == ("broken", 3, ("q", 3))
        assert "ZeroDivisionError" in failure.first_traceback

    @pytest.mark.parametrize(
        ("label", "message"),
        [(None, "gave None"), (0.5, "gave 0.5"), (True, "gave True"), (2, "voted 2"), (-2, "-2")],
    )
    def test_what_is_no_label_always_stops(self, label, message):
        with pytest.raises(LFError, match=rf"{message} on row 0 \(query 'q', item 1\)"):
            apply([labeling_function(lambda x: label)], EXAMPLES, on_error="abstain")


@pytest.mark.filterwarnings("ignore::labelkit.errors.RowFunctionWarning")
def test_a_missing_number_is_nan_and_a_missing_text_is_none():
    seen = []

    def look(x):
        seen.append((x.n, x.t, "n" in x, "m" in x))
        return -1

    apply([look], pl.DataFrame({"n": [1, None], "t": ["a", None]}), keys=())
    assert seen[0] == (1.0, "a", True, False)
    assert math.isnan(seen[1][0])
    assert seen[1][1] is None


@pytest.mark.filterwarnings("ignore::labelkit.errors.RowFunctionWarning")
def test_progress_is_told_after_every_batch():
    told = []
    many = pl.DataFrame({"item": range(25_000)})
    apply([lambda x: -1], many, keys=("item",), progress=lambda done, n: told.append((done, n)))
    assert told == [(1_000, 25_000), (11_000, 25_000), (21_000, 25_000), (25_000, 25_000)]


def lambda_to_label(function):
    def wrapped(x):
        return 1 if function(x) > 0 else 0

    wrapped.__name__ = function.__name__
    return wrapped
