"""Dawid–Skene against crowd-kit's, without priors, on votes that both start from alike."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from labelkit.labelmodels import DawidSkene

pytestmark = pytest.mark.peer

BALANCE = np.array([0.5, 0.3, 0.2])


def complete_votes(seed: int) -> np.ndarray:
    """A complete matrix (300, 7) of votes for three classes, each LF with its own confusions."""
    rng = np.random.default_rng(seed)
    truth = rng.choice(3, 300, p=BALANCE)
    confusion = np.array(
        [[rng.dirichlet(1 + 6 * (np.arange(3) == y)) for y in range(3)] for _ in range(7)]
    )
    draws = rng.random((7, 300, 1))
    return (draws > confusion[:, truth].cumsum(axis=2)[:, :, :-1]).sum(axis=2).T.astype(np.int8)


def test_without_priors_both_find_the_same_maximum() -> None:
    pytest.importorskip("crowdkit", reason="crowd-kit is not installed: pip install crowd-kit")
    import pandas as pd
    from crowdkit.aggregation import DawidSkene as TheirDawidSkene

    L = complete_votes(0)
    task, worker = np.indices(L.shape)
    answers = pd.DataFrame(
        {"task": task.ravel(), "worker": worker.ravel(), "label": L.astype(int).ravel()}
    )
    with warnings.catch_warnings():
        # crowd-kit 1.4.2 uses what pandas is about to drop.
        warnings.simplefilter("ignore")
        theirs = TheirDawidSkene(n_iter=500, tol=1e-12).fit(answers)
    # crowd-kit estimates the class balance on the way; ours is told what it found.
    model = DawidSkene(3, strength=0.0, imagined_votes=0.0, margin=0.0, redundancy=None)
    model.set_params(tolerance=1e-9, max_iter=5000)
    model.fit(L, class_balance=theirs.priors_.loc[[0, 1, 2]].to_numpy())
    expected = theirs.probas_.loc[np.arange(300), [0, 1, 2]].to_numpy()
    # Plain EM ends a little before the maximum: two of 900 probabilities differ by 0.004.
    np.testing.assert_allclose(model.predict_proba(L), expected, atol=6e-3)
    confusion = np.array(
        [[[theirs.errors_.loc[(w, v), y] for v in range(3)] for y in range(3)] for w in range(7)]
    )
    np.testing.assert_allclose(model.conditional_, confusion, atol=6e-3)
    # A test that could not fail would not notice the default priors.
    shrunk = DawidSkene(3).fit(L, class_balance=theirs.priors_.loc[[0, 1, 2]].to_numpy())
    assert np.abs(shrunk.predict_proba(L) - expected).max() > 0.05
