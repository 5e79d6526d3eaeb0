"""What ``select`` promises about a batch."""

from __future__ import annotations

import narwhals as nw
import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import labelkit as lk
from labelkit.errors import SelectionError
from labelkit.selection.informing import top
from labelkit.selection.selecting import audit_size


def as_polars(frame) -> pl.DataFrame:
    return nw.from_native(frame).lazy().collect().to_polars()


def test_a_batch_is_the_same_on_every_engine_and_in_any_row_order(engine, make_pool):
    pool = make_pool(500)
    here = lk.select(pool, 60, seed=3, exclude=pool[:17])
    there = lk.select(
        engine(pool.sample(fraction=1, shuffle=True, seed=8)), 60, seed=3, exclude=engine(pool[:17])
    )
    assert as_polars(there.frame).rows() == here.frame.rows()
    assert there.design == here.design


def test_a_batch_comes_back_in_the_kind_of_frame_that_went_in(engine, make_pool):
    pool = engine(make_pool(100))
    frame = lk.select(pool, 10).frame
    if isinstance(pool, pl.LazyFrame):
        assert isinstance(frame, pl.DataFrame)
    elif type(pool).__module__.startswith(("pandas", "polars")):
        assert type(frame) is type(pool)
    else:
        assert type(frame).__module__.startswith("pyarrow")


def test_keys_of_a_pandas_categorical_do_not_bring_row_order_back(make_pool):
    pool = make_pool(200).to_pandas()
    shuffled = pool.sample(frac=1, random_state=5)
    shuffled["query"] = shuffled["query"].astype("category")
    assert list(lk.select(shuffled, 20).frame["item"]) == list(lk.select(pool, 20).frame["item"])


@pytest.mark.parametrize("strategy", ["margin", "entropy"])
def test_the_certainty_stratum_holds_the_highest_scores_with_probability_one(make_pool, strategy):
    batch = lk.select(make_pool(500, classes=3), 50, strategy=strategy, audit_share=0.3)
    informative = batch.frame.filter(pl.col("stratum") == "informative")
    audit = batch.frame.filter(pl.col("stratum") == "audit")
    assert len(informative) == 35
    assert set(informative["inclusion_probability"]) == {1.0}
    assert set(audit["inclusion_probability"]) == {15 / 465}
    assert informative["score"].is_sorted(descending=True)
    everything = lk.select(make_pool(500, classes=3), 500, strategy=strategy, audit_share=0)
    assert informative["score"].to_list() == everything.frame["score"].to_list()[:35]


def test_random_is_one_probability_sample(make_pool):
    batch = lk.select(make_pool(500), 50, strategy="random")
    assert set(batch.frame["stratum"]) == {"audit"}
    assert set(batch.frame["inclusion_probability"]) == {0.1}
    assert (batch.design.n_informative, batch.design.n_audit) == (0, 50)


def test_a_pps_audit_prefers_the_rarer_class_and_its_probabilities_sum_to_its_size():
    n = 400
    p = np.linspace(0.0, 0.4, n)
    pool = pl.DataFrame({"query": range(n), "item": range(n), "p_0": 1 - p, "p_1": p})
    frame = lk.select(pool, 100, audit="pps", audit_share=1.0).frame.sort("p_1")
    assert frame["inclusion_probability"].is_sorted()
    assert frame["inclusion_probability"][-1] > 2 * frame["inclusion_probability"][0]


def test_ranks_count_from_one_and_mix_the_audit_in(make_pool):
    frame = lk.select(make_pool(500), 100, audit_share=0.5).frame
    assert frame["rank"].to_list() == list(range(1, 101))
    strata = frame["stratum"].to_list()
    assert {"audit", "informative"} == set(strata[:20]) == set(strata[-20:])


def test_labels_and_probabilities_are_carried_along(make_pool):
    pool = make_pool(300, classes=3)
    frame = lk.select(pool, 30).frame
    assert frame.columns == [
        *("query", "item", "inclusion_probability", "stratum", "score", "rank"),
        *("label", "p_0", "p_1", "p_2"),
    ]
    carried = frame.select(pool.columns)
    assert len(carried.join(pool, on=pool.columns, how="inner")) == 30


def test_no_query_exceeds_its_cap_in_the_certainty_stratum(make_pool):
    batch = lk.select(make_pool(500, per_query=25), 30, audit_share=0.2, max_per_query=2)
    informative = batch.frame.filter(pl.col("stratum") == "informative")
    assert len(informative) == 24
    assert informative.group_by("query").len()["len"].max() == 2


def test_excluded_examples_are_never_drawn_and_leave_the_population(make_pool):
    pool = make_pool(100)
    first = lk.select(pool, 40)
    second = lk.select(pool, 60, exclude=first.frame)
    assert second.design.n_population == 60
    assert second.design.n_excluded == 40
    both = pl.concat([first.frame["item"], second.frame["item"]])
    assert both.n_unique() == 100
    assert "60 examples (the pool without 40" in second.design.population


def test_strings_and_integers_of_other_widths_are_found_when_excluding():
    pool = pl.DataFrame({"query": [1, 2, 3], "item": [1, 1, 1], "p_0": [0.5] * 3, "p_1": [0.5] * 3})
    done = pl.DataFrame(
        {"query": [1, 2], "item": [1, 1]}, schema={"query": pl.Int8, "item": pl.Int8}
    )
    assert lk.select(pool, 1, exclude=done).frame["query"].to_list() == [3]


def test_other_seeds_draw_other_audits_but_the_same_scores(make_pool):
    one, other = (lk.select(make_pool(500), 50, seed=seed).frame for seed in (0, 1))
    assert set(one["item"]) != set(other["item"])
    kept = [f.filter(pl.col("stratum") == "informative")["score"].to_list() for f in (one, other)]
    assert kept[0] == kept[1]


def test_a_batch_without_audit_says_that_it_measures_only_itself(make_pool):
    design = lk.select(make_pool(100), 10, audit_share=0).design
    assert design.n_audit == 0
    assert "nothing is known about the other 90" in design.population


def test_the_whole_pool_is_drawn_with_certainty(make_pool):
    frame = lk.select(make_pool(40), 40).frame
    assert set(frame["inclusion_probability"]) == {1.0}
    assert frame["item"].n_unique() == 40


def test_an_audit_has_two_examples_whenever_it_exists():
    assert [audit_size(n, s) for n, s in [(1, 0.2), (3, 0.2), (100, 0), (100, 0.2)]] == [
        1,
        2,
        0,
        20,
    ]


@given(
    st.lists(st.tuples(st.sampled_from([0.0, 0.2, 0.5, 1.0]), st.integers(0, 4)), max_size=60),
    st.integers(0, 20),
    st.none() | st.integers(1, 3),
    st.integers(0, 5),
)
@settings(max_examples=150, deadline=None)
def test_top_is_what_going_down_the_sorted_list_would_take(pool, n, cap, seed):
    score = np.array([s for s, _ in pool], dtype=float)
    query = np.array([q for _, q in pool], dtype=np.int64)
    tie = np.random.default_rng(seed).random(len(pool))
    taken: list[int] = []
    for i in sorted(range(len(pool)), key=lambda i: (-score[i], tie[i])):
        if cap is None or sum(query[j] == query[i] for j in taken) < cap:
            taken.append(i)
    if len(taken) < n and cap is not None:
        with pytest.raises(SelectionError, match="max_per_query"):
            top(score, query, n, cap, np.random.default_rng(seed))
    elif n <= len(pool):
        assert top(score, query, n, cap, np.random.default_rng(seed)).tolist() == taken[:n]


# What it refuses


def test_more_examples_than_the_pool_has_are_refused(make_pool):
    pool = make_pool(100)
    with pytest.raises(SelectionError, match=r"batch of 120 cannot .* 70 examples .30 more"):
        lk.select(pool, 120, exclude=pool[:30])


def test_labels_without_probabilities_are_refused_by_name(make_pool):
    with pytest.raises(SelectionError, match=r"found: none .*columns: query, item, label"):
        lk.select(make_pool(10).drop("p_0", "p_1"), 5)
    with pytest.raises(SelectionError, match="found: p_0, p_2"):
        lk.select(make_pool(10, classes=3).drop("p_1"), 5)


@pytest.mark.parametrize("bad", [float("nan"), None, -0.2, 1.3])
def test_numbers_that_are_not_probabilities_are_counted_and_shown(engine, make_pool, bad):
    pool = make_pool(50)
    pool = pool.with_columns(
        p_1=pl.when(pl.col("item").is_in(["item 7", "item 9"])).then(bad).otherwise("p_1")
    )
    with pytest.raises(SelectionError, match=r"2 of 50 weak labels .*item 7"):
        lk.select(engine(pool), 5)


def test_repeated_keys_are_refused(make_pool):
    pool = make_pool(50)
    with pytest.raises(SelectionError, match=r"3 of 53 weak labels repeat .*query 0"):
        lk.select(pl.concat([pool, pool[:3]]), 5)


def test_missing_and_empty_keys_are_refused(make_pool):
    with pytest.raises(SelectionError, match="no key column 'query'"):
        lk.select(make_pool(10).drop("query"), 5)
    emptied = make_pool(10).with_columns(item=pl.lit(None, dtype=pl.String))
    with pytest.raises(SelectionError, match="'item' has 10 of 10 rows without"):
        lk.select(emptied, 5)


def test_excluded_keys_of_another_type_are_refused_rather_than_not_found(make_pool):
    done = pl.DataFrame({"query": [0], "item": [1]})
    with pytest.raises(SelectionError, match="none of them would be found"):
        lk.select(make_pool(10), 5, exclude=done)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"strategy": "best"}, "choose from 'margin', 'entropy', .*'cluster_margin', .*'random'"),
        ({"audit": "bernoulli"}, "choose from 'equal', 'pps'"),
        ({"audit_share": 1.5}, "not a share"),
        ({"max_per_query": 0}, "no example at all"),
        ({"keys": ()}, "keys is empty"),
        ({"n": 0}, "at least one"),
        ({"max_per_query": 1}, "leaves 10 examples for a certainty stratum of 40"),
    ],
)
def test_arguments_that_make_no_sense_are_refused(make_pool, arguments, message):
    n = arguments.pop("n", 50)
    with pytest.raises(SelectionError, match=message):
        lk.select(make_pool(100), n, **arguments)


def test_examples_without_any_vote_teach_nothing_and_are_left_to_the_audit():
    rng = np.random.default_rng(0)
    p = np.r_[np.full(50, 0.5), rng.uniform(0.6, 1.0, 150)]
    labels = pl.DataFrame(
        {
            "query": np.arange(200) // 10,
            "item": np.arange(200),
            "p_0": 1 - p,
            "p_1": p,
            "covered": np.arange(200) >= 50,
        }
    )
    batch = lk.select(labels, 60, audit_share=0.5)
    taught = batch.frame.filter(stratum="informative").join(labels, on=["query", "item"])
    assert taught["covered"].all()
    assert taught["p_1"].max() <= np.sort(p[50:])[29]
    audited = batch.frame.filter(stratum="audit").join(labels, on=["query", "item"])
    assert 0 < (~audited["covered"]).sum() < 30
    # Without the column nothing is known of votes, and a tie is a tie.
    unknown = lk.select(labels.drop("covered"), 60, audit_share=0.5).frame
    assert unknown.filter(stratum="informative")["item"].max() < 50


def test_duplicates_do_not_fill_the_certainty_stratum_and_stay_in_the_audit():
    n = 400
    title = [f"title {i // 10}" for i in range(n)]
    p = np.where(np.arange(n) < 200, 0.5, 0.1)
    pool = pl.DataFrame({"query": np.arange(n), "item": np.arange(n), "title": title,
                         "p_0": 1 - p, "p_1": p})  # fmt: skip
    batch = lk.select(pool, 20, audit_share=0.5, distinct=["title"], seed=1).frame
    assert "title" not in batch.columns
    chosen = batch.filter(stratum="informative")["item"].to_numpy()
    assert len(np.unique(chosen // 10)) == len(chosen) == 10
    assert (chosen < 200).all()
    # All that was not chosen may be audited, duplicates too: every π is 10 of 390.
    audited = batch.filter(stratum="audit")
    assert audited["inclusion_probability"].to_list() == pytest.approx([10 / 390] * 10)
    again = lk.select(pool, 12, audit_share=0.2, distinct=["title"], exclude=batch, seed=1).frame
    fresh = again.filter(stratum="informative")["item"].to_numpy()
    assert not np.isin(fresh // 10, batch["item"].to_numpy() // 10).any()
    with pytest.raises(SelectionError, match="are new and distinct"):
        lk.select(pool, 100, audit_share=0.2, distinct=["title"])
    with pytest.raises(SelectionError, match=r"no column 'text' .* distinct="):
        lk.select(pool, 5, distinct=["text"])


def test_a_null_is_a_duplicate_of_nothing():
    pool = pl.DataFrame({"query": [1, 2, 3, 4], "item": [1, 2, 3, 4], "p_0": [0.5] * 4,
                         "p_1": [0.5] * 4, "title": [None, None, "a", "a"]})  # fmt: skip
    drawn = lk.select(pool, 3, audit_share=0, distinct=["title"]).frame["item"].to_list()
    assert {1, 2} < set(drawn)


def test_strata_that_would_get_no_label_are_refused_with_a_way_out():
    p = np.linspace(0.01, 0.99, 100)
    pool = pl.DataFrame({"query": np.arange(100), "item": np.arange(100), "p_0": 1 - p, "p_1": p})
    with pytest.raises(SelectionError, match="could never be drawn"):
        lk.select(pool, 10, audit="score", audit_share=0.2)
