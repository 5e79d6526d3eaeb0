"""Majority vote, and majority weighted by how often a worker agrees with it."""

from __future__ import annotations

import numpy as np

from labelkit.labelmodels.crowds.answers import Answers, FloatArray
from labelkit.labelmodels.crowds.hierarchy import Known


def majority(answers: Answers, known: Known | None = None) -> FloatArray:
    """(n_y + 1/k) / (n + 1) for n_y of n votes, (n_items, k): few votes are little evidence."""
    votes = answers.tallies
    k = answers.cardinality
    proba = (votes + 1 / k) / (votes.sum(axis=1, keepdims=True) + 1)
    return _clamped(proba, known)


def weighted_majority(
    answers: Answers, known: Known | None = None, *, max_iter: int = 100
) -> FloatArray:
    """Iterative weighted majority vote (Li & Yu 2014), shares of the positive weight (n_items, k).

    A worker of accuracy a weighs k·a - 1, which is zero at chance and negative below it; a is his
    agreement with the labels, ties counted in part and one imagined answer at chance added; labels
    and weights alternate until the labels stay.
    """
    k = answers.cardinality
    proba = majority(answers, known)
    label = _winners(proba)
    for _ in range(max_iter):
        agreed = np.trace(answers.confusions(label), axis1=1, axis2=2)
        accuracy = (agreed + 1 / k) / (answers.per_worker + 1)
        weights = (k * accuracy - 1)[:, None, None] * np.eye(k)
        score = np.maximum(answers.scores(weights), 0)
        total = score.sum(axis=1, keepdims=True)
        proba = _clamped(np.where(total > 0, score / np.where(total > 0, total, 1), proba), known)
        before, label = label, _winners(proba)
        if np.array_equal(before, label):
            break
    return proba


def _winners(proba: FloatArray) -> FloatArray:
    top = proba >= proba.max(axis=1, keepdims=True) - 1e-12
    return np.asarray(top / top.sum(axis=1, keepdims=True))


def _clamped(proba: FloatArray, known: Known | None) -> FloatArray:
    if known is not None and len(known.item):
        proba = proba.copy()
        proba[known.item] = np.eye(proba.shape[1])[known.label]
    return np.asarray(proba)
