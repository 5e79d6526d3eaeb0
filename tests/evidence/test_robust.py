from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import polars as pl
import pytest
from given_curves import ENGINES, known_curve
from sklearn.linear_model import LinearRegression
from threadpoolctl import threadpool_limits

import labelkit as lk
from labelkit.errors import LogError
from labelkit.evidence import doubly_robust
from labelkit.evidence.robust import crossfit


def world(
    seed: int = 0, n_queries: int = 150, n_items: int = 12
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """A log whose items are as attractive as a feature says, and the features with the truth."""
    rng = np.random.default_rng(seed)
    x = rng.random((n_queries, n_items))
    gamma = 0.05 + 0.5 * x**2
    parts = []
    for ranker in range(3):
        order = np.argsort(-gamma - rng.normal(0, 0.2, gamma.shape), axis=1)
        for q in range(n_queries):
            for k, item in enumerate(order[q, :8], start=1):
                n = 4
                clicked = rng.random(n) < gamma[q, item] / k
                parts += [(q, q * 100 + int(item), k, int(c), ranker * 10**6 + q * 100 + i)
                          for i, c in enumerate(clicked)]  # fmt: skip
    log = pl.DataFrame(parts, schema=["query", "item", "position", "clicked", "page"], orient="row")
    features = pl.DataFrame(
        {
            "item": (np.arange(n_queries)[:, None] * 100 + np.arange(n_items)).ravel(),
            "x": x.ravel(),
            "gamma": gamma.ravel(),
        }
    )
    return log, features


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Small fits: threads that wait for each other cost more than they bring."""
    with threadpool_limits(1, user_api="openmp"):
        yield


CURVE = known_curve([1 / k for k in range(1, 9)])


def test_unclipped_it_is_clicks_over_expected_clicks_whatever_the_regression() -> None:
    frame, features = world(n_queries=30)
    log = lk.read_log(frame)
    table = doubly_robust(log, CURVE, features, columns=["x"], clip=1e9)
    sums = lk.evidence(log, CURVE, columns=["clicks", "exposure"]).collect().sort("query", "item")
    np.testing.assert_allclose(table["dr_ctr"], sums["clicks"] / sums["exposure"], atol=1e-6)


def test_clipped_it_beats_both_the_regression_and_clicks_alone() -> None:
    frame, features = world()
    log = lk.read_log(frame)
    table = doubly_robust(log, CURVE, features, columns=["x"], clip=2.0).join(features, on="item")
    raw = doubly_robust(log, CURVE, features, columns=["x"], clip=1e9).join(features, on="item")
    truth = table["gamma"].to_numpy()
    error = np.mean((table["dr_ctr"].to_numpy() - truth) ** 2)
    assert error < 0.5 * np.mean((raw["dr_ctr"].to_numpy() - truth) ** 2)
    assert abs(np.mean(table["dr_ctr"].to_numpy() - truth)) < 0.02


def test_its_interval_covers_the_truth_when_nothing_is_clipped_and_clicks_are_many() -> None:
    frame, features = world(1)
    table = doubly_robust(lk.read_log(frame), CURVE, features, columns=["x"], clip=1e9)
    table = table.join(features, on="item")
    inside = (table["dr_low"] <= table["gamma"]) & (table["gamma"] <= table["dr_high"])
    assert 0.92 <= inside.mean() <= 0.995


def test_a_wrong_regression_leaves_no_bias_where_nothing_is_clipped() -> None:
    frame, features = world(2)
    wrong = features.with_columns(x=pl.Series(np.random.default_rng(0).random(len(features))))
    table = doubly_robust(lk.read_log(frame), CURVE, wrong, columns=["x"], clip=1e9)
    joined = table.join(features, on="item")
    assert abs((joined["dr_ctr"] - joined["gamma"]).mean()) < 0.02
    correlation = np.corrcoef(joined["baseline"], joined["gamma"])[0, 1]
    assert abs(correlation) < 0.3


def test_no_example_is_predicted_by_a_model_that_saw_its_query() -> None:
    """With a feature that names the query, a model that saw it would give it its own rate."""
    rng = np.random.default_rng(0)
    query = np.repeat(np.arange(40), 5)
    level = rng.random(40)[query]

    class Memory(LinearRegression):  # type: ignore[misc]
        def fit(self, x: Any, y: Any, sample_weight: Any = None) -> Any:
            self.seen_ = dict(zip(x[:, 0].astype(int).tolist(), y.tolist(), strict=True))
            return self

        def predict(self, x: Any) -> Any:
            return np.array([self.seen_.get(int(q), -1.0) for q in x[:, 0]])

    predicted = crossfit(
        query[:, None].astype(float), level, np.ones(200), query, model=Memory(), n_folds=4, seed=1
    )
    assert np.all(predicted == 0)


def test_every_engine_gives_the_same_estimates() -> None:
    frame, features = world(n_queries=25)
    tables = []
    for make in ENGINES.values():
        import narwhals as nw

        result = doubly_robust(lk.read_log(make(frame)), CURVE, make(features), columns=["x"])
        tables.append(nw.from_native(result, eager_only=True).to_polars())
    for other in tables[1:]:
        for name in ("baseline", "dr_ctr", "dr_se", "dr_low", "dr_high"):
            assert other[name].to_list() == tables[0][name].to_list()


def test_features_that_do_not_fit_are_refused_with_the_first_example() -> None:
    frame, features = world(n_queries=10)
    log = lk.read_log(frame)
    with pytest.raises(LogError, match="neither 'query' nor 'item'"):
        doubly_robust(log, CURVE, features.select("x"))
    with pytest.raises(LogError, match="no column 'price'"):
        doubly_robust(log, CURVE, features, columns=["price"])
    with pytest.raises(LogError, match="has the type String"):
        doubly_robust(log, CURVE, features.with_columns(x=pl.lit("a")))
    with pytest.raises(LogError, match="2 of 121 rows that share their key"):
        doubly_robust(log, CURVE, pl.concat([features, features.head(1)]))
    with pytest.raises(LogError, match=r"features lack .* examples \(first: query 0"):
        doubly_robust(log, CURVE, features.filter(pl.col("item") > 20))
    with pytest.raises(LogError, match="no column to regress on"):
        doubly_robust(log, CURVE, features.select("item"))
    with pytest.raises(LogError, match="n_folds = 20 does not fit a log with 10 queries"):
        doubly_robust(log, CURVE, features, n_folds=20)
    with pytest.raises(LogError, match="clip bounds weights from above"):
        doubly_robust(log, CURVE, features, clip=0.5)
