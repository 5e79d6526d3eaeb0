"""Acquisition scores against their definitions."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from labelkit.selection.scores import entropy, margin

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
