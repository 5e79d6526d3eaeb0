"""Our strategies in scikit-activeml, and its in ours, where it is installed."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

from labelkit.selection.batches import choose
from labelkit.selection.interop.skactiveml import PoolStrategy, from_skactiveml

pytest.importorskip("skactiveml.pool")
pytestmark = [pytest.mark.peer, pytest.mark.filterwarnings("ignore")]

X, Y = load_digits(return_X_y=True)
X = X / 16
LABELS = np.where(np.arange(len(Y)) < 40, Y, np.nan)


def _classifier():
    from skactiveml.classifier import SklearnClassifier

    return SklearnClassifier(LogisticRegression(max_iter=300), classes=range(10))


@pytest.mark.parametrize("name", ["cluster_power", "badge", "margin", "typiclust"])
def test_ours_answers_scikit_activemls_query(name):
    chosen, utilities = PoolStrategy(name, random_state=0).query(
        X, LABELS, _classifier(), batch_size=7, return_utilities=True
    )
    assert len(set(chosen)) == 7
    assert (chosen >= 40).all()
    assert utilities.shape == (7, len(Y))
    assert np.isnan(utilities[:, :40]).all()


def test_ours_runs_in_scikit_activemls_wrapper():
    from skactiveml.pool import SubSamplingWrapper

    wrapped = SubSamplingWrapper(
        PoolStrategy("cluster_power", random_state=0), max_candidates=200, random_state=0
    )
    assert len(set(wrapped.query(X, LABELS, clf=_classifier(), batch_size=5))) == 5


def test_theirs_chooses_for_ours_what_it_chooses_alone():
    from skactiveml.pool import UncertaintySampling

    theirs = UncertaintySampling(method="margin_sampling", random_state=0)
    alone = theirs.query(X, LABELS, _classifier(), batch_size=5)
    there = from_skactiveml(theirs, X[:40], Y[:40], clf=_classifier())
    p = np.full((len(Y) - 40, 2), 0.5)
    assert set(choose(there, 5, probabilities=p, features=X[40:]) + 40) == set(alone)
