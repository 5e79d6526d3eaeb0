"""``Committee``: several active learners that ask where they disagree, in modAL's interface."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator

from labelkit.errors import SelectionError
from labelkit.selection.interop.modal import QueryStrategy, answer, vote_entropy_sampling
from labelkit.selection.rows import rows_of


class Committee(BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """Query by committee (Seung, Opper & Sompolinsky 1992).

    Parameters
    ----------
    learner_list : `ActiveLearner` objects
    query_strategy : function ``f(committee, X, n_instances=1, …)``;
        `labelkit.selection.interop.modal` has those that modAL has
    on_transformed : let strategies see what the learners' Pipelines make of the examples

    Attributes
    ----------
    classes_ : all classes that any fitted learner knows, sorted; None while none does
    n_classes_ : how many
    """

    def __init__(
        self,
        learner_list: Sequence[Any],
        query_strategy: QueryStrategy = vote_entropy_sampling,
        on_transformed: bool = False,
    ) -> None:
        if not learner_list:
            raise SelectionError("A committee has at least one learner.")
        self.learner_list = learner_list
        self.query_strategy = query_strategy
        self.on_transformed = on_transformed
        self.X_training = None  # strategies ask for it; each member keeps its own

    def __iter__(self) -> Iterator[Any]:
        return iter(self.learner_list)

    def __len__(self) -> int:
        return len(self.learner_list)

    @property
    def classes_(self) -> npt.NDArray[Any] | None:
        known = [
            np.asarray(learner.estimator.classes_)
            for learner in self.learner_list
            if hasattr(learner.estimator, "classes_")
        ]
        return np.unique(np.concatenate(known)) if len(known) == len(self) else None

    @property
    def n_classes_(self) -> int:
        return 0 if self.classes_ is None else len(self.classes_)

    def vote(self, X: Any, **kwargs: Any) -> npt.NDArray[Any]:
        """(n, learners) the class that each learner predicts."""
        votes: npt.NDArray[Any] = np.stack([one.predict(X, **kwargs) for one in self], axis=1)
        return votes

    def vote_proba(self, X: Any, **kwargs: Any) -> npt.NDArray[np.float64]:
        """(n, learners, classes) probabilities, 0 for classes that a learner does not know."""
        from sklearn.exceptions import NotFittedError

        if self.classes_ is None:
            raise NotFittedError("A learner of the committee is not fitted yet.")
        parts = []
        for learner in self:
            p = np.asarray(learner.predict_proba(X, **kwargs), dtype=np.float64)
            full = np.zeros((len(p), len(self.classes_)))
            full[:, np.searchsorted(self.classes_, learner.estimator.classes_)] = p
            parts.append(full)
        return np.stack(parts, axis=1)

    def predict_proba(self, X: Any, **kwargs: Any) -> npt.NDArray[np.float64]:
        """(n, classes) consensus: the mean over the learners."""
        consensus: npt.NDArray[np.float64] = self.vote_proba(X, **kwargs).mean(axis=1)
        return consensus

    def predict(self, X: Any, **kwargs: Any) -> npt.NDArray[Any]:
        """The likeliest class of the consensus."""
        at = self.predict_proba(X, **kwargs).argmax(axis=1)
        found: npt.NDArray[Any] = np.asarray(self.classes_)[at]
        return found

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Accuracy of the consensus."""
        from sklearn.metrics import accuracy_score

        return float(accuracy_score(y, self.predict(X), sample_weight=sample_weight))

    def query(
        self, X_pool: Any, *args: Any, return_metrics: bool = False, **kwargs: Any
    ) -> tuple[Any, ...]:
        """Positions of the examples to label next, and the examples; with their scores if asked."""
        at, metrics = answer(self.query_strategy(self, X_pool, *args, **kwargs))
        found = (at, rows_of(X_pool, at))
        return (*found, metrics) if return_metrics else found

    def teach(
        self, X: Any, y: Any, bootstrap: bool = False, only_new: bool = False, **fit_kwargs: Any
    ) -> None:
        """Teach every learner, each on a bootstrap sample of its own if asked."""
        for learner in self:
            learner.teach(X, y, bootstrap=bootstrap, only_new=only_new, **fit_kwargs)

    def fit(self, X: Any, y: Any, **fit_kwargs: Any) -> Self:
        """Let every learner forget what it was taught, and learn from these examples."""
        for learner in self:
            learner.fit(X, y, **fit_kwargs)
        return self

    def rebag(self, **fit_kwargs: Any) -> None:
        """Fit every learner to a bootstrap sample of what it knows."""
        for learner in self:
            learner._fit_to_known(bootstrap=True, **fit_kwargs)

    def transform_without_estimating(self, X: Any) -> Any:
        """What the learners' Pipelines make of examples, side by side."""
        parts = [learner.transform_without_estimating(X) for learner in self]
        if any(hasattr(part, "tocsr") for part in parts):
            from scipy.sparse import hstack

            return hstack(parts).tocsr()
        return np.hstack([np.asarray(part) for part in parts])
