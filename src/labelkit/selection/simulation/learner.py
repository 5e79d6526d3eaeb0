"""What learns from the answers, and how good it is on examples that were set aside."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


class Classifier(Protocol):
    """A scikit-learn classifier."""

    classes_: npt.NDArray[Any]

    def fit(self, X: FloatArray, y: IntArray) -> Any: ...

    def predict_proba(self, X: FloatArray) -> FloatArray: ...


def default_learner() -> Classifier:
    """Logistic regression on standardised features, scikit-learn's defaults."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model: Classifier = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    return model


def with_weak_labels(features: FloatArray | None, p: FloatArray) -> FloatArray:
    """Features with the log-odds of the weak labels beside them.

    That is how weak labels and answers meet here: the learner weighs what the labeling functions
    say as one more piece of evidence, as far as the answers bear it out.

    Parameters
    ----------
    features : (N, d), or None: the weak labels are all there is
    p : (N, k) soft labels

    Returns
    -------
    (N, d + k - 1)
    """
    logs = np.log(np.clip(p, 1e-6, 1))
    odds = logs[:, 1:] - logs[:, :1]
    return odds if features is None else np.column_stack([features, odds])


def believe(
    model: Classifier, x: FloatArray, asked: IntArray, answers: IntArray, weak: FloatArray
) -> FloatArray:
    """Class probabilities of all examples after learning from ``answers``, (N, k).

    While the answers know only one class there is nothing to learn from them, and the weak labels
    stand.
    """
    if len(np.unique(answers)) < 2:
        return weak
    fitted = model.fit(x[asked], answers)
    result = np.full(weak.shape, 1e-6)
    result[:, np.asarray(model.classes_, dtype=np.int64)] += fitted.predict_proba(x)
    return np.asarray(result / result.sum(axis=1, keepdims=True))


def quality_measure(metric: str, positive: int) -> Callable[[IntArray, FloatArray], float]:
    """Quality of probabilities against truth, higher is better, by scikit-learn's functions."""

    def accuracy(y: IntArray, p: FloatArray) -> float:
        return float((p.argmax(axis=1) == y).mean())

    def f1(y: IntArray, p: FloatArray) -> float:
        from sklearn.metrics import f1_score

        called = p.argmax(axis=1)
        if p.shape[1] == 2:
            return float(f1_score(y == positive, called == positive, zero_division=0.0))
        return float(f1_score(y, called, average="macro", zero_division=0.0))

    def average_precision(y: IntArray, p: FloatArray) -> float:
        from sklearn.metrics import average_precision_score

        return float(average_precision_score(y == positive, p[:, positive]))

    def log_loss(y: IntArray, p: FloatArray) -> float:
        return float(np.log(p[np.arange(len(y)), y]).mean())

    return {
        "accuracy": accuracy,
        "f1": f1,
        "average_precision": average_precision,
        "log_likelihood": log_loss,
    }[metric]


METRICS = ("accuracy", "f1", "average_precision", "log_likelihood")
