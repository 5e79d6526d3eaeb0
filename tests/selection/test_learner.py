"""``ActiveLearner`` and ``Committee`` beyond what modAL's own tests ask (tests/peers)."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from labelkit.errors import SelectionError
from labelkit.selection import ActiveLearner, Committee
from labelkit.selection.batches import choose
from labelkit.selection.interop.modal import (
    consensus_entropy_sampling,
    from_modal,
    margin_sampling,
    max_disagreement_sampling,
    query_strategy,
)

X, Y = load_iris(return_X_y=True)
START = [0, 50, 100]


@pytest.mark.parametrize(
    "strategy", ["cluster_margin", "badge", "k_center", "typiclust", "power", "entropy", "random"]
)
def test_every_named_strategy_teaches(strategy):
    learner = ActiveLearner(
        make_pipeline(StandardScaler(), LogisticRegression()), strategy,
        X_training=X[START], y_training=Y[START], on_transformed=True,
    )  # fmt: skip
    for _ in range(3):
        at, examples = learner.query(X, n_instances=8)
        learner.teach(examples, Y[at])
    assert len(learner.y_training) == 27
    assert learner.score(X, Y) > 0.7


def test_a_learner_that_knows_nothing_yet_can_be_asked():
    learner = ActiveLearner(LogisticRegression(), "typiclust")
    at, _ = learner.query(X, n_instances=6)
    learner.teach(X[at], Y[at])
    assert learner.score(X, Y) > 0.8


def test_two_positions_are_not_taken_for_positions_and_scores():
    learner = ActiveLearner(GaussianNB(), lambda learner, x, n_instances=2: np.array([3, 7]))
    at, examples, metrics = learner.query(X, return_metrics=True)
    assert at.tolist() == [3, 7]
    assert len(examples) == 2
    assert metrics is None


def test_an_error_of_a_strategy_is_raised_once():
    calls = []

    def broken(learner, x):
        calls.append(1)
        raise RuntimeError("no")

    with pytest.raises(RuntimeError, match="no"):
        ActiveLearner(GaussianNB(), broken).query(X)
    assert len(calls) == 1


def test_labels_that_do_not_fit_leave_what_is_known_as_it_was():
    learner = ActiveLearner(GaussianNB(), X_training=X[START], y_training=Y[START])
    for x, y in [(X[:3], Y[:2]), (X[:2, :2], Y[:2])]:
        with pytest.raises(ValueError, match=r"rows|dimensions"):
            learner.teach(x, y)
        assert len(learner.X_training) == len(learner.y_training) == 3
    with pytest.raises(SelectionError, match="force_all_finite=False"):
        learner.teach(np.full((1, 4), np.nan), Y[:1])


@pytest.mark.parametrize("kind", ["csr", "csc", "lil"])
def test_sparse_examples_of_any_format_are_queried_and_taught(kind):
    x = sparse.csr_matrix(X).asformat(kind)
    learner = ActiveLearner(
        LogisticRegression(max_iter=500), X_training=x[START], y_training=Y[START]
    )
    at, examples = learner.query(x, n_instances=3)
    learner.teach(examples, Y[at])
    assert learner.X_training.shape == (6, 4)


def test_a_committee_asks_where_members_differ_and_knows_all_their_classes():
    members = [
        ActiveLearner(LogisticRegression(max_iter=500), X_training=X[at], y_training=Y[at])
        for at in ([0, 1, 50, 51], [0, 1, 2, 100, 101, 102])
    ]
    for strategy in (consensus_entropy_sampling, max_disagreement_sampling):
        committee = Committee(members, query_strategy=strategy)
        assert committee.classes_.tolist() == [0, 1, 2]
        p = committee.vote_proba(X)
        assert p.shape == (150, 2, 3)
        np.testing.assert_allclose(p.sum(axis=2), 1)
        at, _ = committee.query(X, n_instances=10)
        assert (Y[at] > 0).all()  # nobody doubts the first class
    committee.teach(X[::10], Y[::10])
    assert committee.score(X, Y) > 0.8
    committee.rebag()


def test_a_strategy_of_modals_kind_runs_in_select_on_weak_labels():
    p = np.random.default_rng(0).dirichlet([1, 1], 40)
    chosen = choose(from_modal(margin_sampling), 5, probabilities=p)
    assert set(chosen) == set(np.argsort(np.abs(p[:, 0] - p[:, 1]))[:5])


def test_names_are_checked_when_the_learner_is_made():
    with pytest.raises(SelectionError, match="'cluster_margins' is not known"):
        query_strategy("cluster_margins")
    with pytest.raises(SelectionError, match="neither a name nor a function"):
        ActiveLearner(GaussianNB(), query_strategy=3)
