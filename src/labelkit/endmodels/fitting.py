"""Training any scikit-learn classifier on weighted rows without copying features needlessly."""

from __future__ import annotations

import inspect
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

import numpy as np
from sklearn.base import clone
from sklearn.pipeline import Pipeline

from labelkit.endmodels.expansion import Expansion, resample
from labelkit.endmodels.softlabels import FloatArray, IntArray
from labelkit.errors import EndModelError

# scikit-learn has no types, and features may be a matrix, a sparse matrix, a frame or texts.
Estimator: TypeAlias = Any
Rows: TypeAlias = Any

Unweighted: TypeAlias = Literal["error", "resample"]


@dataclass(frozen=True)
class Training:
    """How an estimator is trained.

    Parameters
    ----------
    cardinality : number of classes k
    unweighted : what to do with an estimator that takes no ``sample_weight`` where weights differ:
        "error", or "resample", which draws as many rows as there are examples, by their weights
    batch_rows : None fits at once; else rows per ``partial_fit``, so that only one batch of the
        expanded rows is copied at a time
    epochs : passes over all rows where batches are fitted
    seed : of resampling, and of the order of batches
    """

    cardinality: int
    unweighted: Unweighted = "error"
    batch_rows: int | None = None
    epochs: int = 1
    seed: int = 0

    def fit(
        self, estimator: Estimator, X: Rows, expansion: Expansion, guess: IntArray
    ) -> Estimator:
        """A fitted clone of ``estimator``.

        Parameters
        ----------
        X : features of all n examples
        expansion : what to train on, of them
        guess : (n,) most probable class of each example. The steps of a ``Pipeline`` before its
            last see each training example once, with this class, so that document frequencies,
            means and selected features are those of the examples and not of their copies.

        Raises
        ------
        EndModelError
            The estimator cannot use weights or batches as asked.
        """
        examples, local = np.unique(expansion.row, return_inverse=True)
        if not isinstance(estimator, Pipeline):
            # Straight from all features: each copied row is copied once.
            return self._fit(clone(estimator), X, expansion, guess[examples])
        seen = take(X, examples.astype(np.int64))
        rows = replace(expansion, row=local.astype(np.int64))
        return self._fit(clone(estimator), seen, rows, guess[examples])

    def _fit(
        self, estimator: Estimator, X: Rows, expansion: Expansion, guess: IntArray
    ) -> Estimator:
        if isinstance(estimator, Pipeline):
            return self._fit_pipeline(estimator, X, expansion, guess)
        self._refuse_what_counts_copies(estimator, expansion, len(guess))
        if self.batch_rows is not None:
            return self._fit_batches(estimator, X, expansion)
        even = bool(np.all(expansion.weight == expansion.weight[0]))
        if takes_weight(estimator, "fit"):
            weights = {} if even and expansion.weight[0] == 1 else {"weight": expansion.weight}
        elif even and len(expansion) == len(guess):
            weights = {}
        elif self.unweighted == "resample":
            expansion, weights = resample(expansion, len(guess), seed=self.seed), {}
        else:
            raise EndModelError(
                f"{type(estimator).__name__} takes no sample_weight, and these rows differ in "
                "weight. Choose an estimator that does, or unweighted='resample', which draws rows "
                "in proportion to their weights."
            )
        given = {"sample_weight": weights["weight"]} if weights else {}
        return estimator.fit(take(X, expansion.row), expansion.y, **given)

    def _fit_pipeline(
        self, pipeline: Pipeline, X: Rows, expansion: Expansion, guess: IntArray
    ) -> Pipeline:
        last = pipeline.steps[-1][1]
        if last is None or last == "passthrough":
            raise EndModelError("The last step of the Pipeline is no classifier.")
        if len(pipeline.steps) > 1:
            before = pipeline[:-1]
            X = before.fit_transform(X, guess)
            # With a cache (``memory``) the fitted steps are copies of those in the pipeline.
            pipeline.steps[:-1] = before.steps
        pipeline.steps[-1] = (pipeline.steps[-1][0], self._fit(last, X, expansion, guess))
        return pipeline

    def _fit_batches(self, estimator: Estimator, X: Rows, expansion: Expansion) -> Estimator:
        if not hasattr(estimator, "partial_fit") or not takes_weight(estimator, "partial_fit"):
            raise EndModelError(
                f"batch_rows={self.batch_rows} needs an estimator whose partial_fit takes "
                f"sample_weight, such as SGDClassifier or MultinomialNB; "
                f"{type(estimator).__name__}'s does not."
            )
        rng = np.random.default_rng(self.seed)
        classes = np.arange(self.cardinality)
        for _ in range(self.epochs):
            order = rng.permutation(len(expansion))
            for start in range(0, len(order), self.batch_rows or len(order)):
                batch = order[start : start + (self.batch_rows or len(order))]
                estimator.partial_fit(
                    take(X, expansion.row[batch]),
                    expansion.y[batch],
                    classes=classes,
                    sample_weight=expansion.weight[batch],
                )
        return estimator

    def _refuse_what_counts_copies(
        self, estimator: Estimator, expansion: Expansion, n_examples: int
    ) -> None:
        if len(expansion) == n_examples or not hasattr(estimator, "get_params"):
            return
        given = estimator.get_params(deep=False)
        name = type(estimator).__name__
        if "cv" in given and given["cv"] != "prefit":
            raise EndModelError(
                f"{name} splits its rows into folds of its own, and copies of one example would "
                "stand on both sides. Put the search around the end model instead: "
                "GridSearchCV(EndModel(...), {'estimator__C': [...]}).fit(X, probabilities); or "
                "train with loss='hard', which makes no copies."
            )
        if given.get("class_weight") == "balanced":
            raise EndModelError(
                f"{name} with class_weight='balanced' counts rows, and soft labels have a row for "
                "every class: give weights as a dictionary, or as sample_weight."
            )


def takes_weight(estimator: Estimator, method: Literal["fit", "partial_fit"]) -> bool:
    """Whether a method of the estimator takes ``sample_weight`` by name."""
    function = getattr(estimator, method, None)
    return function is not None and "sample_weight" in inspect.signature(function).parameters


def take(X: Rows, rows: IntArray) -> Rows:
    """Rows of a matrix, a sparse matrix, a frame or a list; X itself where they are all of it."""
    if len(rows) == n_rows(X) and np.array_equal(rows, np.arange(len(rows))):
        return X
    if hasattr(X, "iloc"):
        return X.iloc[rows]
    if isinstance(X, list | tuple):
        return [X[i] for i in rows]
    return X[rows]


def n_rows(X: Rows) -> int:
    """How many rows there are; sparse matrices have no length."""
    return int(X.shape[0]) if hasattr(X, "shape") else len(X)


def proba_of(estimator: Estimator, X: Rows, cardinality: int) -> FloatArray:
    """P(class | features) (n, k): 0 for a class that the estimator never met.

    Raises
    ------
    EndModelError
        The estimator gives no probabilities.
    """
    if not hasattr(estimator, "predict_proba"):
        raise EndModelError(
            f"{type(estimator).__name__} gives no probabilities (predict_proba). Wrap it in "
            "sklearn.calibration.CalibratedClassifierCV, or set cross_fit=0 and use predict."
        )
    proba = np.zeros((n_rows(X), cardinality))
    proba[:, np.asarray(estimator.classes_, dtype=np.int64)] = estimator.predict_proba(X)
    return proba
