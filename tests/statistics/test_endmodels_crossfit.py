"""What out-of-fold probabilities promise about new queries: simulated, fixed seeds."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.neighbors import KNeighborsClassifier

from labelkit.endmodels import EndModel

N_WORLDS, N_QUERIES, N_ITEMS = 40, 80, 8


def _world(rng: np.random.Generator, n_queries: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features, labels and queries; in 3 of 10 queries every label is wrong together.

    The first three features tell the query, the last two the item: whoever has seen the query's
    other labels knows whether they are wrong.
    """
    query = np.repeat(np.arange(n_queries), N_ITEMS)
    of_query = rng.normal(size=(n_queries, 3))
    item = rng.normal(size=(len(query), 2))
    truth = (item.sum(axis=1) + 0.5 * rng.normal(size=len(query)) > 0).astype(int)
    wrong = rng.random(n_queries) < 0.3
    X = np.hstack([3 * of_query[query], item])
    return X, np.where(wrong[query], 1 - truth, truth), query


@pytest.fixture(scope="module")
def optimism() -> dict[str, np.ndarray]:
    """Agreement with labels out of fold, less that on fresh queries, in each world."""
    found: dict[str, list[float]] = {"queries": [], "rows": []}
    for seed in range(N_WORLDS):
        rng = np.random.default_rng(seed)
        X, labels, query = _world(rng, N_QUERIES)
        fresh_X, fresh, _ = _world(rng, 400)
        for how, groups in (("queries", query), ("rows", None)):
            model = EndModel(KNeighborsClassifier(5), seed=seed).fit(X, labels, groups=groups)
            assert model.out_of_fold_proba_ is not None
            inside = (model.out_of_fold_proba_.argmax(axis=1) == labels).mean()
            found[how].append(float(inside - (model.predict(fresh_X) == fresh).mean()))
    return {how: np.array(values) for how, values in found.items()}


@pytest.mark.statistics
def test_with_whole_queries_held_out_the_agreement_is_that_on_new_queries(
    optimism: dict[str, np.ndarray],
) -> None:
    bias = optimism["queries"]
    assert abs(bias.mean()) < 3 * bias.std(ddof=1) / np.sqrt(N_WORLDS)


@pytest.mark.statistics
def test_with_rows_held_out_it_flatters(optimism: dict[str, np.ndarray]) -> None:
    bias = optimism["rows"]
    assert bias.mean() > 5 * bias.std(ddof=1) / np.sqrt(N_WORLDS)
    assert bias.mean() > 0.05
