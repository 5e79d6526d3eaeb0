"""Acquisition scores against their definitions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import sparse

from labelkit.errors import SelectionError
from labelkit.selection.scores import (
    combine,
    consensus_divergence,
    cosine_density,
    entropy,
    euclidean_density,
    expected_gradient_length,
    jensen_shannon,
    least_confidence,
    margin,
    per_second,
    vote_conflict,
    vote_entropy,
)

soft_labels = st.integers(2, 6).flatmap(
    lambda k: arrays(np.float64, (9, k), elements=st.floats(0.001, 1))
).map(lambda a: a / a.sum(axis=1, keepdims=True))  # fmt: skip


@given(soft_labels)
@settings(max_examples=100, deadline=None)
def test_scores_are_their_formulas(p):
    two = -np.sort(-p, axis=1)[:, :2]
    np.testing.assert_allclose(margin(p), 1 - (two[:, 0] - two[:, 1]), atol=1e-11)
    np.testing.assert_allclose(entropy(p), -(p * np.log(p)).sum(1) / np.log(p.shape[1]), atol=1e-11)


@given(soft_labels, st.randoms(use_true_random=False))
@settings(max_examples=100, deadline=None)
def test_naming_the_classes_otherwise_changes_no_score(p, random):
    order = list(range(p.shape[1]))
    random.shuffle(order)
    np.testing.assert_allclose(margin(p[:, order]), margin(p), atol=2e-12)
    np.testing.assert_allclose(entropy(p[:, order]), entropy(p), atol=2e-12)


def test_mirrored_probabilities_tie_exactly():
    p = np.array([[0.7, 0.3], [0.3, 0.7], [1 - 0.3, 0.3]])
    assert len(set(margin(p))) == len(set(entropy(p))) == 1


def test_certain_labels_score_zero_and_open_ones_one():
    p = np.array([[1.0, 0.0, 0.0], [1 / 3, 1 / 3, 1 / 3]])
    assert margin(p).tolist() == [0, 1]
    assert entropy(p).tolist() == [0, 1]


@given(soft_labels)
@settings(max_examples=50, deadline=None)
def test_expected_gradient_length_is_the_mean_length_of_explicit_gradients(p):
    x = np.random.default_rng(0).standard_normal((len(p), 3))
    full = np.column_stack([x, np.ones(len(p))])
    expected = np.zeros(len(p))
    for y in range(p.shape[1]):
        push = p - np.eye(p.shape[1])[y]
        gradient = (push[:, :, None] * full[:, None, :]).reshape(len(p), -1)
        expected += p[:, y] * np.linalg.norm(gradient, axis=1)
    np.testing.assert_allclose(expected_gradient_length(p, (x**2).sum(axis=1)), expected, rtol=1e-6)


@given(soft_labels, soft_labels)
@settings(max_examples=50, deadline=None)
def test_entropy_of_the_pool_is_mean_entropy_plus_disagreement(p, q):
    if p.shape != q.shape:
        return
    both = combine(p, q).probabilities
    nats = np.log(p.shape[1])
    split = (entropy(p) + entropy(q)) / 2 * nats + jensen_shannon(p, q) * np.log(2)
    np.testing.assert_allclose(entropy(both) * nats, split, atol=1e-9)


def test_disagreement_is_nought_alone_and_one_between_certain_opponents():
    p = np.array([[1.0, 0, 0], [0.2, 0.3, 0.5]])
    q = np.array([[0.0, 1, 0], [0.2, 0.3, 0.5]])
    np.testing.assert_allclose(jensen_shannon(p, q), [1, 0], atol=1e-12)
    np.testing.assert_allclose(consensus_divergence(p, q), [np.log(2), 0], atol=1e-12)


def test_votes_conflict_where_they_differ_and_abstentions_say_nothing():
    votes = np.array([[0, 1, -1], [1, 1, -1], [-1, -1, -1], [0, 1, 1]])
    np.testing.assert_allclose(vote_conflict(votes, 2), [0.5, 0, 0, 1 / 3])
    np.testing.assert_allclose(vote_entropy(votes, 2)[:3], [1, 0, 0])
    with pytest.raises(SelectionError, match="votes such as 2"):
        vote_conflict(votes + 1, 2)


@pytest.mark.parametrize("as_kind", [np.asarray, sparse.csr_matrix])
def test_densities_are_the_means_of_the_matrix_that_is_never_made(as_kind):
    x = np.random.default_rng(1).standard_normal((300, 4))
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    np.testing.assert_allclose(
        cosine_density(as_kind(x)), ((1 + unit @ unit.T) / 2).mean(axis=1), atol=1e-6
    )
    away = np.linalg.norm(x[:, None] - x[None], axis=2)
    exact = (1 / (1 + away)).mean(axis=1)
    np.testing.assert_allclose(euclidean_density(as_kind(x), references=300), exact, atol=1e-3)
    # A sample of references errs as its standard error says: 1 / (2 √m) at most.
    error = euclidean_density(as_kind(x), references=50, rng=3) - exact
    assert np.abs(error).max() < 4 / (2 * np.sqrt(50))


def test_gold_finds_the_weight_of_the_better_source():
    rng = np.random.default_rng(4)
    y = rng.integers(2, size=2_000)
    good = np.where(y == 1, 0.9, 0.1)
    good = np.where(rng.random(len(y)) < 0.9, good, 1 - good)
    noise = rng.uniform(0.05, 0.95, len(y))
    good, noise = (np.column_stack([1 - p, p]) for p in (good, noise))
    gold = np.where(rng.random(len(y)) < 0.1, y, -1)
    assert combine(good, noise, gold=gold).weight > 0.85
    assert combine(noise, good, gold=gold).weight < 0.15
    assert combine(noise, good).weight == 0.5
    only = combine(noise, good, covered=np.zeros(len(y), bool))
    np.testing.assert_array_equal(only.probabilities, good)


def test_least_confidence_runs_from_nought_to_one():
    p = np.array([[1.0, 0, 0], [1 / 3, 1 / 3, 1 / 3], [0.5, 0.25, 0.25]])
    np.testing.assert_allclose(least_confidence(p), [0, 1, 0.75], atol=1e-11)


def test_costs_that_would_turn_the_order_round_are_refused():
    with pytest.raises(SelectionError, match="1 scores are below 0"):
        per_second(np.array([0.1, -0.2]), 3.0)
