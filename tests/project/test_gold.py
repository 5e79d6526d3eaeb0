"""Gold that was learned from still measures honestly."""

from __future__ import annotations

from collections import Counter

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelkit.errors import ProjectError
from labelkit.labelmodels import LabelModel
from labelkit.lfs import Votes
from labelkit.project.gold import crossfit, folds, match_gold, unflattered, votes_of

KEYS = ["query", "item"]


def _gold(queries: list[int]) -> pl.DataFrame:
    return pl.DataFrame({"query": queries, "item": range(len(queries))})


@given(st.lists(st.integers(0, 30), min_size=1, max_size=80), st.integers(0, 99))
def test_folds_keep_queries_whole_and_are_even(queries: list[int], seed: int):
    fold = folds(_gold(queries), seed, keys=KEYS)
    assert set(fold.tolist()) == set(range(int(fold.max()) + 1))
    if len(set(queries)) > 1:
        of_query = {q: set(fold[np.array(queries) == q].tolist()) for q in queries}
        assert all(len(found) == 1 for found in of_query.values())
        per_fold = Counter(next(iter(found)) for found in of_query.values())
        assert max(per_fold.values()) - min(per_fold.values()) <= 1


def test_a_single_query_is_split_by_example():
    assert len(set(folds(_gold([7] * 10), 0, keys=KEYS).tolist())) == 5


@pytest.fixture
def voted() -> tuple[Votes, pl.DataFrame]:
    """Votes of four functions, right in 75 % of cases, and the truth of all examples."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 600)
    right = rng.random((600, 4)) < 0.75
    matrix = np.where(rng.random((600, 4)) < 0.8, np.where(right, y[:, None], 1 - y[:, None]), -1)
    table = pl.DataFrame(
        {
            "query": np.arange(600) // 6,
            "item": np.arange(600),
            **{f"lf_{j}": pl.Series(matrix[:, j], dtype=pl.Int8) for j in range(4)},
        }
    )
    import narwhals as nw

    names = tuple(f"lf_{j}" for j in range(4))
    votes = Votes(nw.from_native(table), tuple(KEYS), names, 2, table)
    truth = table.select(*KEYS, label=pl.Series(y, dtype=pl.Int64), inclusion_probability=1.0)
    return votes, truth


def test_a_held_out_label_does_not_depend_on_its_own_gold(voted):
    votes, truth = voted
    gold = truth.head(120)
    model = LabelModel(2, method="onecoin").fit(votes, gold=gold)
    mine = gold["query"] == 3
    turned = gold.with_columns(
        label=pl.when(mine).then(1 - pl.col("label")).otherwise(pl.col("label"))
    )
    before = crossfit(model, votes, gold, class_balance=None, seed=1)
    after = crossfit(model, votes, turned, class_balance=None, seed=1)
    assert before.filter(query=3).equals(after.filter(query=3))
    assert not before.filter(pl.col("query") != 3).equals(after.filter(pl.col("query") != 3))


def test_the_rank_of_a_held_out_label_is_its_place_among_all_examples(voted):
    votes, truth = voted
    model = LabelModel(2, method="onecoin").fit(votes)
    found = crossfit(model, votes, truth.head(120), class_balance=None, seed=1)
    assert found["rank"].is_between(0, 1).all()
    # One fold's model ranks as its probabilities do.
    number = folds(truth.head(120), 1, keys=KEYS)
    inside = truth.head(120).select(KEYS).filter(pl.Series(number == 0))
    one = found.join(inside, on=KEYS, how="semi").sort("p_1")
    assert one["rank"].is_sorted()
    # The middle of everything is a half: mid-ranks average to it over all examples.
    everything = crossfit(model, votes, truth, class_balance=None, seed=1)
    assert everything["rank"].mean() == pytest.approx(0.5, abs=0.02)


def test_labels_of_gold_examples_are_replaced_and_the_order_stays():
    labels = pl.DataFrame({"query": [1, 1, 2], "item": [1, 2, 1], "p_1": [0.1, 0.2, 0.3]})
    held_out = pl.DataFrame({"query": [1], "item": [2], "p_1": [0.9], "rank": [0.5]})
    assert unflattered(labels, held_out, KEYS).to_dict(as_series=False) == {
        "query": [1, 1, 2],
        "item": [1, 2, 1],
        "p_1": [0.1, 0.9, 0.3],
    }


def test_votes_on_some_examples_are_theirs(voted):
    votes, truth = voted
    some = truth.sample(10, seed=0)
    picked = votes_of(votes, some)
    assert len(picked) == 10
    expected = votes.to_native().join(some.select(KEYS), on=KEYS, how="semi")
    assert picked.to_native().equals(expected)


def test_gold_of_examples_that_the_log_lost_is_left_out():
    gold = pl.DataFrame({"query": ["a", "b"], "item": ["x", "y"], "label": [0, 1]})
    examples = pl.DataFrame({"query": ["a"], "item": ["x"]})
    assert match_gold(gold, examples, KEYS)["query"].to_list() == ["a"]


def test_gold_whose_keys_are_of_another_type_is_cast_or_refused():
    gold = pl.DataFrame({"query": ["1", "2"], "item": ["3", "4"], "label": [0, 1]})
    examples = pl.DataFrame({"query": [1, 2], "item": [3, 4]})
    assert match_gold(gold, examples, KEYS)["query"].to_list() == [1, 2]
    words = gold.with_columns(query=pl.lit("shoes"))
    with pytest.raises(ProjectError, match="other keys than the log"):
        match_gold(words, examples, KEYS)


def test_gold_about_another_unit_is_refused_with_a_ledger_of_its_own_as_the_cure():
    gold = pl.DataFrame({"query": [1], "item": [2], "label": [0]})
    examples = pl.DataFrame({"item": [2], "user": [5]})
    with pytest.raises(ProjectError, match=r"about query and item.*rounds-user-item\.db"):
        match_gold(gold, examples, ["user", "item"])
    # Items alone are not pairs either: one item's answers may differ between queries.
    with pytest.raises(ProjectError, match="about query and item"):
        match_gold(gold, examples, ["item"])


def test_single_units_are_dealt_one_by_one():
    fold = folds(pl.DataFrame({"session": range(20)}), 0, keys=["session"])
    assert sorted(Counter(fold.tolist()).values()) == [4] * 5
