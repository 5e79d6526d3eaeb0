"""Votes as numbers, and the statistics that add up."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from labelkit.errors import LFError
from labelkit.lfs import Coding, LFCounts, Moments, Patterns, Votes

# The machine is shared: how long one example takes says nothing.
unhurried = settings(deadline=None, max_examples=50)
MATRICES = st.tuples(st.integers(0, 30), st.integers(1, 45), st.integers(2, 6)).flatmap(
    lambda shape: st.tuples(
        hnp.arrays(np.int8, shape[:2], elements=st.integers(-1, shape[2] - 1)), st.just(shape[2])
    )
)


def brute_patterns(L: np.ndarray) -> Patterns:
    rows, counts = np.unique(L, axis=0, return_counts=True)
    return Patterns(rows, counts)


def same(a: Patterns, b: Patterns) -> bool:
    return np.array_equal(a.rows, b.rows) and np.array_equal(a.counts, b.counts)


@unhurried
@given(MATRICES)
def test_codes_and_rows_of_votes_tell_the_same(drawn):
    L, k = drawn
    coding = Coding(L.shape[1], k)
    assert np.array_equal(coding.decode(coding.encode(L)), L)


@unhurried
@given(MATRICES)
def test_the_engine_and_numpy_make_the_same_codes(drawn):
    L, k = drawn
    votes = Votes.from_matrix(L, cardinality=k)
    assert np.array_equal(votes.codes, votes.coding.encode(L))


@unhurried
@given(MATRICES)
def test_patterns_are_the_unique_rows_in_lexicographic_order(drawn):
    L, k = drawn
    assert same(Votes.from_matrix(L, cardinality=k).patterns, brute_patterns(L))


@unhurried
@given(MATRICES)
def test_patterns_and_their_index_give_the_matrix_back(drawn):
    L, k = drawn
    votes = Votes.from_matrix(L, cardinality=k)
    assert np.array_equal(votes.patterns.rows[votes.pattern_index], L)


def test_a_row_that_is_no_pattern_is_refused():
    for m in (2, 60):  # one block of codes, and two
        patterns = Patterns.of(np.zeros((3, m), dtype=np.int8))
        coding = Coding(m, 2)
        with pytest.raises(LFError, match="1 of 1 rows"):
            patterns.index(coding.encode(np.ones((1, m), dtype=np.int8)), coding)


@unhurried
@given(MATRICES, st.data())
def test_patterns_of_two_parts_add_up_to_those_of_the_whole(drawn, data):
    L, _ = drawn
    cut = data.draw(st.integers(0, len(L)))
    both = Patterns.of(L[:cut]) + Patterns.of(L[cut:])
    assert same(both, Patterns.of(L))
    assert same(both, Patterns.of(L[cut:]) + Patterns.of(L[:cut]))
    assert both.n == len(L)


@unhurried
@given(MATRICES, st.data())
def test_moments_and_lf_counts_of_two_parts_add_up_to_those_of_the_whole(drawn, data):
    L, k = drawn
    cut = data.draw(st.integers(0, len(L)))
    halves = Moments.of_matrix(L[:cut], k) + Moments.of_matrix(L[cut:], k)
    whole = Moments.of_matrix(L, k)
    assert np.array_equal(halves.counts, whole.counts)
    assert halves.n == whole.n == len(L)
    counted = LFCounts.of(Patterns.of(L[:cut]), k) + LFCounts.of(Patterns.of(L[cut:]), k)
    at_once = LFCounts.of(Patterns.of(L), k)
    assert np.array_equal(counted.votes, at_once.votes)
    assert np.array_equal(counted.overlaps, at_once.overlaps)
    assert np.array_equal(counted.conflicts, at_once.conflicts)


@unhurried
@given(MATRICES, st.randoms(use_true_random=False))
def test_the_order_of_rows_is_irrelevant_and_permuting_lfs_permutes_moments(drawn, random):
    L, k = drawn
    rows, columns = list(range(len(L))), list(range(L.shape[1]))
    random.shuffle(rows)
    random.shuffle(columns)
    assert same(Patterns.of(L[rows]), Patterns.of(L))
    places = (np.array(columns)[:, None] * k + np.arange(k)).ravel()
    moments, permuted = Moments.of_matrix(L, k), Moments.of_matrix(L[rows][:, columns], k)
    assert np.array_equal(permuted.counts, moments.counts[np.ix_(places, places)])


@unhurried
@given(MATRICES)
def test_moments_count_pairs_of_votes_one_by_one(drawn):
    L, k = drawn
    moments = Votes.from_matrix(L, cardinality=k).moments
    m = min(L.shape[1], 3)
    for j in range(m):
        for i in range(m):
            for a in range(k):
                for b in range(k):
                    expected = int(((L[:, j] == a) & (L[:, i] == b)).sum())
                    assert moments.counts[j * k + a, i * k + b] == expected


def test_moments_are_the_same_from_patterns_and_from_the_matrix():
    L = np.random.default_rng(0).integers(-1, 3, (70_000, 6)).astype(np.int8)
    from_matrix = Moments.of_matrix(L, 3)
    from_patterns = Moments.of_patterns(Patterns.of(L), 3)
    assert np.array_equal(from_matrix.counts, from_patterns.counts)
    assert from_matrix.n == from_patterns.n
    assert np.allclose(from_matrix.O, (from_matrix.counts / 70_000))


def test_statistics_of_other_functions_do_not_add_up():
    two, three = np.zeros((1, 2), dtype=np.int8), np.zeros((1, 3), dtype=np.int8)
    with pytest.raises(LFError, match="of 2 and of 3 labeling functions"):
        Patterns.of(two) + Patterns.of(three)
    with pytest.raises(LFError, match="do not add up"):
        Moments.of_matrix(two, 2) + Moments.of_matrix(two, 3)


@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        ([1, 2], "two dimensions"),
        ([[0.5]], "whole numbers"),
        ([["a"]], "whole numbers"),
        ([[-2]], "below -1"),
        ([[2]], "outside the 2 classes"),
        ([[300]], "outside the 2 classes"),
    ],
)
def test_a_matrix_that_holds_no_votes_is_refused(matrix, message):
    with pytest.raises(LFError, match=message):
        Votes.from_matrix(matrix, cardinality=2)


def test_votes_come_back_in_the_kind_that_was_put_in():
    votes = Votes.from_matrix([[0, 1], [-1, 1]], lf_names=["a", "b"])
    assert votes.to_native().equals(pl.DataFrame({"a": [0, -1], "b": [1, 1]}).cast(pl.Int8))
    assert len(votes) == 2
