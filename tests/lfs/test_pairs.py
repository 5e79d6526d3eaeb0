"""Agreement, kappa and redundancy: against definitions, and scikit-learn where it has them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.metrics import cohen_kappa_score

from labelkit import Votes
from labelkit.lfs import LFCounts, agreement, redundancy
from labelkit.lfs.pairs import PairCounts, kappa


def random_votes(seed: int, n: int = 400, m: int = 4, k: int = 3, abstain: float = 0.4):
    rng = np.random.default_rng(seed)
    y = rng.integers(0, k, n)
    right = rng.random((n, m)) < 0.6
    L = np.where(right, y[:, None], rng.integers(0, k, (n, m)))
    return Votes.from_matrix(np.where(rng.random((n, m)) < abstain, -1, L), cardinality=k)


@pytest.mark.parametrize("seed", range(3))
def test_kappa_is_scikit_learns_on_the_examples_on_which_both_vote(seed):
    votes = random_votes(seed)
    table, L = agreement(votes), votes.matrix
    assert len(table) == 6
    for row in table.to_dicts():
        a, b = (L[:, votes.lf_names.index(row[side])] for side in ("lf", "other"))
        both = (a >= 0) & (b >= 0)
        assert row["together"] == both.sum()
        assert row["agreement"] == pytest.approx((a == b)[both].mean())
        assert row["kappa"] == pytest.approx(cohen_kappa_score(a[both], b[both]))
        assert row["kappa_low"] < row["kappa"] < row["kappa_high"]


def test_the_standard_error_of_kappa_is_statsmodels():
    from statsmodels.stats.inter_rater import cohens_kappa

    table = np.array([[22, 2, 3], [5, 31, 4], [1, 6, 11]])
    theirs = cohens_kappa(table)
    value, low, high = kappa(table)
    assert value == pytest.approx(theirs.kappa)
    assert (high - low) / 2 == pytest.approx(1.959963984540054 * theirs.std_kappa)


def test_pairs_of_one_habit_or_that_never_meet_say_nothing_beyond_chance():
    L = [[1, 1, -1], [1, 1, -1], [1, -1, 0], [-1, 1, -1]]
    rows = {(r["lf"], r["other"]): r for r in agreement(Votes.from_matrix(L)).to_dicts()}
    one_sided = rows["lf_0", "lf_1"]
    assert (one_sided["agreement"], one_sided["kappa"]) == (1.0, None)
    strangers = rows["lf_1", "lf_2"]
    assert strangers["together"] == 0
    assert strangers["agreement"] is strangers["agreement_low"] is strangers["kappa"] is None


def test_counts_of_two_halves_add_up_to_those_of_the_whole():
    votes = random_votes(7)
    halves = [Votes.from_matrix(half, cardinality=3) for half in np.split(votes.matrix, 2)]
    first, second = (PairCounts.of(half.moments) for half in halves)
    whole = PairCounts.of(votes.moments)
    assert np.array_equal((first + second).tables, whole.tables)
    assert (first + second).n == whole.n == 400
    counts = LFCounts.of(halves[0].patterns, 3) + LFCounts.of(halves[1].patterns, 3)
    assert np.array_equal(counts.conflicts, LFCounts.of(votes.patterns, 3).conflicts)


@pytest.mark.parametrize("abstain", [0.05, 0.9])
def test_counting_in_one_pass_is_counting_patterns(abstain):
    votes = random_votes(3, n=1000, m=9, abstain=abstain)
    streamed, by_pattern = LFCounts._streamed(votes), LFCounts.of(votes.patterns, 3)
    for name in ("votes", "overlaps", "conflicts"):
        assert np.array_equal(getattr(streamed, name), getattr(by_pattern, name)), name
    assert streamed.n == by_pattern.n


def test_a_near_copy_is_found_and_an_honest_witness_is_not():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 4000)

    def witness(accuracy: float, coverage: float):
        said = np.where(rng.random(4000) < accuracy, y, 1 - y)
        return np.where(rng.random(4000) < coverage, said, -1)

    first = witness(0.8, 0.5)
    special_case = np.where(rng.random(4000) < 0.4, first, -1)
    L = np.column_stack([first, special_case, witness(0.85, 0.5), np.full(4000, -1)])
    names = ["first", "special_case", "honest", "silent"]
    table = redundancy(Votes.from_matrix(L, lf_names=names))
    rows = {row["lf"]: row for row in table.to_dicts()}
    assert rows["special_case"]["near_copy"]
    assert rows["special_case"]["repeats"] == "first"
    assert rows["special_case"]["alone"] == 0
    # The special case adds nothing to the first; the first adds to the special case.
    assert not rows["first"]["near_copy"]
    assert not rows["honest"]["near_copy"]
    alone = (L[:, 2] >= 0) & (L[:, 0] < 0)
    assert rows["honest"]["alone"] == pytest.approx(alone.sum() / (L[:, 2] >= 0).sum())
    assert rows["silent"] == {
        "lf": "silent",
        "coverage": 0.0,
        "alone": None,
        "repeats": None,
        "certainty": None,
        "near_copy": False,
    }


def test_results_come_back_in_the_kind_of_the_examples(engine, in_engine):
    from labelkit import apply, col, labeling_function, vote

    @labeling_function
    def high():
        return vote(1, where=col("x") > 0)

    @labeling_function
    def low():
        return vote(0, where=col("x") < 2)

    frame = pl.DataFrame({"query": [1, 1, 2], "item": [1, 2, 1], "x": [1.0, 3.0, -1.0]})
    votes = apply([high, low], in_engine(frame, engine))
    # Spark has no frame for a table of a few rows but pandas'.
    wanted = pd.DataFrame if engine == "pyspark" else type(votes.to_native())
    assert type(agreement(votes)) is type(redundancy(votes)) is wanted
