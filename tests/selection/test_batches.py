"""What every batch strategy promises, and what each adds."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from scipy import sparse

import labelkit as lk
from labelkit.endmodels import features as make_features
from labelkit.errors import SelectionError
from labelkit.selection.batches import BATCHES, NEEDS_FEATURES, choose
from labelkit.selection.batches.badge import pushes
from labelkit.selection.batches.clustering import clusters
from labelkit.selection.batches.distances import narrowed, to_nearest
from labelkit.selection.batches.typiclust import typicality
from labelkit.selection.features import FeatureRows, as_matrix, squared_norms


def blobs(n_each: int = 60, n_blobs: int = 6, seed: int = 0):
    """Tight clouds far apart, and probabilities that are nowhere alike."""
    rng = np.random.default_rng(seed)
    centres = 20 * rng.standard_normal((n_blobs, 5))
    number = np.repeat(np.arange(n_blobs), n_each)
    x = centres[number] + 0.1 * rng.standard_normal((len(number), 5))
    p = rng.uniform(0.3, 0.5, len(number))
    return x, np.column_stack([1 - p, p]), number


@pytest.mark.parametrize("strategy", BATCHES)
@pytest.mark.parametrize("n", [1, 7, 359, 360])
def test_a_batch_holds_n_different_examples_and_a_seed_repeats_it(strategy, n):
    x, p, _ = blobs()
    chosen = choose(strategy, n, probabilities=p, features=x, rng=4)
    assert len(set(chosen.tolist())) == n
    assert chosen.dtype == np.int64
    np.testing.assert_array_equal(chosen, choose(strategy, n, probabilities=p, features=x, rng=4))


@pytest.mark.parametrize("strategy", sorted(NEEDS_FEATURES))
def test_a_spread_batch_visits_every_cloud_where_the_top_visits_one(strategy):
    x, p, number = blobs()
    p[number == 2] = 0.5  # the most uncertain are all in one cloud
    p[number != 2] = [0.52, 0.48]
    assert set(number[choose("top", 6, probabilities=p, features=x)]) == {2}
    # Sixty candidates a batch of six would all come from that cloud.
    spread = choose(strategy, 40, probabilities=p, features=x)
    assert set(number[spread]) == set(range(6))


@pytest.mark.parametrize("strategy", sorted(NEEDS_FEATURES))
def test_sparse_features_give_what_dense_ones_give(strategy):
    x, p, number = blobs()
    x = np.where(np.abs(x) < 1, 0, x)
    dense = choose(strategy, 30, probabilities=p, features=x, rng=1)
    thin = choose(strategy, 30, probabilities=p, features=sparse.csr_matrix(x), rng=1)
    assert set(number[thin]) == set(number[dense])
    assert len(np.intersect1d(dense, thin)) >= 24  # rounding may part neighbours


@pytest.mark.parametrize("strategy", sorted(NEEDS_FEATURES))
def test_wide_sparse_text_is_taken(strategy):
    x = sparse.random(500, 3_000, density=0.01, random_state=0, format="csr")
    p = np.random.default_rng(0).dirichlet([1, 1, 1], 500)
    assert len(choose(strategy, 20, probabilities=p, features=x)) == 20


@pytest.mark.parametrize("strategy", BATCHES)
def test_examples_that_repeat_are_no_obstacle(strategy):
    x, p = np.ones((50, 3)), np.full((50, 2), 0.5)
    assert len(set(choose(strategy, 20, probabilities=p, features=x).tolist())) == 20


def test_k_center_is_within_twice_the_best_radius():
    rng = np.random.default_rng(2)
    x = rng.standard_normal((200, 3))
    chosen = choose("k_center", 8, score=np.ones(80), features=x[:80])
    radius = np.sqrt(to_nearest(x[:80], squared_norms(x[:80]), x[chosen]).max())
    # Lower bound: nine points further apart than this need nine centres.
    greedy = choose("k_center", 9, score=np.ones(80), features=x[:80])
    apart = np.sqrt(((x[greedy][:, None] - x[greedy][None]) ** 2).sum(-1))
    assert radius <= 2 * apart[apart > 0].min() + 1e-5


def test_k_center_and_typiclust_keep_away_from_what_is_labeled():
    x, p, number = blobs()
    for strategy in ("k_center", "typiclust"):
        chosen = choose(
            strategy, 3, probabilities=p, score=np.ones(len(p)), features=x,
            labeled=x[np.isin(number, (0, 1, 2))][::20],
        )  # fmt: skip
        assert set(number[chosen]) <= {3, 4, 5}, strategy


def test_badge_draws_with_the_distances_of_gradients_that_are_never_written_out():
    """Frequencies of the second draw against the explicit (p - e) ⊗ (x, 1)."""
    rng = np.random.default_rng(5)
    x, p = rng.standard_normal((12, 4)), rng.dirichlet([1, 1, 1], 12)
    gradient = (pushes(p)[:, :, None] * np.column_stack([x, np.ones(12)])[:, None, :]).reshape(
        12, -1
    )
    first = int((gradient**2).sum(axis=1).argmax())
    expected = ((gradient - gradient[first]) ** 2).sum(axis=1)
    expected /= expected.sum()
    draws = [choose("badge", 2, probabilities=p, features=x, rng=s) for s in range(4_000)]
    assert {int(d[0]) for d in draws} == {first}
    share = np.bincount([int(d[1]) for d in draws], minlength=12) / len(draws)
    error = np.sqrt(expected * (1 - expected) / len(draws))
    assert (np.abs(share - expected) <= 4 * error + 1e-9).all()


def test_power_is_a_draw_without_replacement_with_weights_score_to_the_eighth():
    score = np.array([1.0, 0.9, 0.8, 0.5])
    first = [int(choose("power", 1, score=score, rng=s)[0]) for s in range(4_000)]
    expected = score**8 / (score**8).sum()
    share = np.bincount(first, minlength=4) / len(first)
    assert (np.abs(share - expected) <= 4 * np.sqrt(expected * (1 - expected) / len(first))).all()


def test_typicality_is_one_over_the_mean_distance_to_neighbours_of_the_cluster():
    x = np.random.default_rng(0).standard_normal((30, 2)).astype(np.float32)
    cluster = np.repeat([0, 1, 2], [20, 9, 1])
    got = typicality(x, cluster)
    for i in range(30):
        mates = np.flatnonzero((cluster == cluster[i]) & (np.arange(30) != i))
        away = np.sort(np.linalg.norm(x[mates] - x[i], axis=1))[:20]
        assert got[i] == pytest.approx(1 / away.mean() if len(away) else 0, rel=1e-2)


def test_blocks_of_distances_are_the_distances():
    rng = np.random.default_rng(1)
    x, z = rng.standard_normal((20_000, 3)), rng.standard_normal((700, 3))
    x, z = x.astype(np.float32), z.astype(np.float32)
    got = to_nearest(x, squared_norms(x), z)
    some = rng.choice(20_000, 200)
    want = ((x[some][:, None] - z[None]) ** 2).sum(-1).min(axis=1)
    np.testing.assert_allclose(got[some], want, atol=1e-4)


def test_clusters_have_no_gaps_and_wide_text_becomes_narrow():
    number = clusters(np.repeat(np.eye(3), 5, axis=0), 8, np.random.default_rng(0))
    assert sorted(set(number.tolist())) == [0, 1, 2]
    x = sparse.random(400, 5_000, density=0.02, random_state=0, format="csr")
    assert narrowed(x, np.random.default_rng(0)).shape == (400, 100)


@pytest.mark.parametrize(
    ("features", "message"),
    [
        (np.ones((9, 2)), "differ in length"),
        (np.full((10, 2), np.nan), "10 of 10 rows with a value that is not finite"),
        (np.ones(10), "one row per example"),
        (np.full((10, 1), "a"), "not numbers"),
        (None, "give features="),
    ],
)
def test_features_that_do_not_fit_are_refused_by_name(features, message):
    with pytest.raises(SelectionError, match=message):
        choose("k_center", 3, probabilities=np.full((10, 2), 0.5), features=features)


def test_a_strategy_of_ones_own_is_checked():
    def twice(task, n):
        return [0] * n

    with pytest.raises(SelectionError, match="strategy twice was asked for 2 of 10"):
        choose(twice, 2, score=np.ones(10))


def test_features_are_read_without_copying_the_matrix():
    x = as_matrix(np.arange(12, dtype=np.float32).reshape(6, 2))
    rows = FeatureRows(x, np.array([5, 0, 3])).among(np.array([2, 0]))
    assert rows.matrix is x
    np.testing.assert_array_equal(rows.take(slice(None)), x[[3, 5]])


# -- through lk.select -------------------------------------------------------------------------


@pytest.mark.parametrize("strategy", sorted(BATCHES))
def test_every_strategy_keeps_the_design(make_pool, strategy):
    pool = make_pool(400)
    x = np.random.default_rng(0).standard_normal((400, 6))
    batch = lk.select(pool, 60, strategy=strategy, features=x, max_per_query=2, audit_share=0.5)
    certain = batch.frame.filter(pl.col("stratum") == "informative")
    assert certain.group_by("query").len()["len"].max() <= 2
    assert set(certain["inclusion_probability"]) == {1.0}
    audit = batch.frame.filter(pl.col("stratum") == "audit")
    assert set(audit["inclusion_probability"]) == {30 / 370}
    assert batch.design.strategy == strategy


def test_features_make_cluster_power_the_default(make_pool):
    x = np.random.default_rng(0).standard_normal((100, 3))
    assert lk.select(make_pool(100), 10, features=x).design.strategy == "cluster_power"
    assert lk.select(make_pool(100), 10).design.strategy == "margin"


def test_features_are_found_by_key_or_by_row_on_every_engine(engine, make_pool):
    pool = make_pool(300)
    x = np.random.default_rng(3).standard_normal((300, 4))
    frame = pool.select("query", "item").with_columns(
        *(pl.Series(f"x{j}", x[:, j]) for j in range(4))
    )
    by_frame = lk.select(engine(pool), 40, features=engine(frame.sample(fraction=1, shuffle=True)))
    made = make_features(frame[::-1], numeric=[f"x{j}" for j in range(4)])
    by_features = lk.select(pool, 40, features=made)
    scaled = (x - x.mean(axis=0)) / x.std(axis=0)
    by_row = lk.select(pool, 40, features=scaled)
    items = [by_features.frame["item"].to_list(), by_row.frame["item"].to_list()]
    import narwhals as nw

    items.append(nw.from_native(by_frame.frame).lazy().collect()["item"].to_list())
    assert items[0] == items[1] == items[2]


def test_what_was_labeled_before_is_known_to_k_center():
    x, p, number = blobs()
    pool = pl.DataFrame({"query": range(360), "item": range(360), "p_0": p[:, 0], "p_1": p[:, 1]})
    batch = lk.select(
        pool, 3, strategy="k_center", features=x, score=np.ones(360), audit_share=0,
        exclude=pool.filter(pl.Series(np.isin(number, (0, 1, 2)))),
    )  # fmt: skip
    assert set(number[batch.frame["item"].to_numpy()]) == {3, 4, 5}


def test_a_learner_speaks_where_no_lf_voted_and_contradiction_is_uncertainty():
    pool = pl.DataFrame(
        {"query": range(4), "item": range(4), "p_0": [0.95, 0.95, 0.5, 0.95],
         "p_1": [0.05, 0.05, 0.5, 0.05], "covered": [True, True, False, True]}
    )  # fmt: skip
    learner = np.array([[0.95, 0.05], [0.05, 0.95], [0.6, 0.4], [0.9, 0.1]])
    ranked = lk.select(pool, 4, learner=learner, audit_share=0).frame["item"].to_list()
    assert ranked == [1, 2, 3, 0]
    table = pool.select("query", "item").with_columns(p_0=learner[:, 0], p_1=learner[:, 1])
    by_key = lk.select(pool, 4, learner=table[::-1], audit_share=0).frame["item"].to_list()
    assert by_key == ranked
    apart = lk.select(pool, 1, strategy="disagreement", learner=learner, audit_share=0)
    assert apart.frame["item"].to_list() == [1]


def test_scores_per_second_prefer_the_cheap_of_two_alike():
    pool = pl.DataFrame({"query": range(3), "item": range(3), "p_0": [0.5, 0.5, 0.9],
                         "p_1": [0.5, 0.5, 0.1]})  # fmt: skip
    chosen = lk.select(pool, 3, seconds=[20.0, 10.0, 1.0], audit_share=0).frame
    assert chosen["item"].to_list() == [2, 1, 0]
    assert chosen["score"].to_list() == pytest.approx([0.2, 0.1, 0.05])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"features": np.ones((9, 2))}, "features has 9 rows, the weak labels 50"),
        ({"strategy": "badge"}, "give features="),
        ({"strategy": "power", "score": "surprise"}, "score = 'surprise' is not known"),
        ({"strategy": "margin", "score": "entropy"}, "is a score already"),
        ({"strategy": "power", "score": np.ones(4)}, "one number for each of the 50"),
        ({"strategy": "disagreement"}, "give learner="),
        ({"learner": np.ones((50, 3)) / 3}, "probabilities of 2 classes"),
        ({"learner": np.ones((50, 2))}, "50 of 50 rows that are no probabilities"),
        ({"seconds": np.zeros(50)}, "50 of 50 values that are not above 0"),
        ({"strategy": "power", "max_per_query": 1}, "leaves 5 examples"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(make_pool, arguments, message):
    with pytest.raises(SelectionError, match=message):
        lk.select(make_pool(50), 20, **arguments)
