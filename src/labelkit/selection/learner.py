"""``ActiveLearner``: modAL's interface over any scikit-learn classifier of today."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator

from labelkit.errors import SelectionError
from labelkit.selection.batches import DEFAULT
from labelkit.selection.interop.modal import QueryStrategy, answer, query_strategy
from labelkit.selection.rows import appended, bootstrapped, check_pair, rows_of


class ActiveLearner(BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """A classifier that asks: ``query`` names examples, ``teach`` learns from their labels.

    The interface is modAL's, which does not run on scikit-learn 1.8 and later.

    Parameters
    ----------
    estimator : anything with scikit-learn's ``fit`` and ``predict_proba``; it is fitted itself, not
        a clone
    query_strategy : name of one of our strategies ("cluster_power", "margin", "badge" …), or
        modAL's kind of function: ``f(learner, X, n_instances=1, …)``, which returns positions, or
        positions and their scores
    X_training, y_training : labeled examples to start with; the estimator is fitted to them
    bootstrap_init : fit first to a bootstrap sample of them, as members of a committee do
    on_transformed : let strategies see what a Pipeline makes of the examples before its last step
    force_all_finite : refuse NaN and infinite numbers
    seed : of bootstrap samples and of our strategies
    **fit_kwargs : given to the first ``fit``

    Attributes
    ----------
    X_training, y_training : all that was taught so far

    Notes
    -----
    What modAL takes for a pair (positions, scores) here must be a pair: a strategy that returns an
    array of two positions is not taken apart. Errors of a strategy are raised, not tried again.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import LogisticRegression
    >>> from labelkit.selection import ActiveLearner
    >>> x = np.linspace(-1, 1, 21)[:, None]
    >>> y = (x[:, 0] > 0.3).astype(int)
    >>> learner = ActiveLearner(LogisticRegression(C=100), X_training=x[[0, 20]],
    ...                         y_training=y[[0, 20]])
    >>> for _ in range(5):
    ...     at, examples = learner.query(x)
    ...     learner.teach(examples, y[at])
    >>> learner.score(x, y)
    1.0
    """

    def __init__(
        self,
        estimator: Any,
        query_strategy: str | QueryStrategy = DEFAULT,
        X_training: Any = None,
        y_training: Any = None,
        bootstrap_init: bool = False,
        on_transformed: bool = False,
        *,
        force_all_finite: bool = True,
        seed: int = 0,
        **fit_kwargs: Any,
    ) -> None:
        if not (callable(query_strategy) or isinstance(query_strategy, str)):
            raise SelectionError(
                f"query_strategy is {query_strategy!r}: neither a name nor a function of "
                "(learner, X, n_instances=1)."
            )
        self.estimator = estimator
        self.query_strategy = query_strategy
        self.X_training = X_training
        self.y_training = y_training
        self.bootstrap_init = bootstrap_init
        self.on_transformed = on_transformed
        self.force_all_finite = force_all_finite
        self.seed = seed
        self._rng = np.random.default_rng(seed)
        self._ask = _resolved(query_strategy, self._rng)
        if X_training is not None:
            self._fit_to_known(bootstrap=bootstrap_init, **fit_kwargs)

    def query(
        self, X_pool: Any, *args: Any, return_metrics: bool = False, **kwargs: Any
    ) -> tuple[Any, ...]:
        """Positions of the examples to label next, and the examples; with their scores if asked.

        Parameters
        ----------
        X_pool : examples that can be asked about
        return_metrics : give the strategy's scores as a third part (None if it has none)
        *args, **kwargs : for the strategy, ``n_instances=`` above all
        """
        at, metrics = answer(self._ask(self, X_pool, *args, **kwargs))
        found = (at, rows_of(X_pool, at))
        return (*found, metrics) if return_metrics else found

    def teach(
        self, X: Any, y: Any, bootstrap: bool = False, only_new: bool = False, **fit_kwargs: Any
    ) -> None:
        """Add labeled examples to what is known, and fit the estimator anew.

        Parameters
        ----------
        X, y : examples and their labels
        bootstrap : fit to a bootstrap sample
        only_new : fit to these examples alone, and do not keep them

        Raises
        ------
        ExamplesError
            Lengths differ, or there are numbers that are not finite.
        ValueError
            The features are not those of before.
        """
        if not only_new:
            self._add_training_data(X, y)
            self._fit_to_known(bootstrap=bootstrap, **fit_kwargs)
        else:
            check_pair(X, y, finite=self.force_all_finite)
            self._fit_on(X, y, bootstrap, **fit_kwargs)

    def fit(self, X: Any, y: Any, bootstrap: bool = False, **fit_kwargs: Any) -> Self:
        """Forget what was taught, and learn from these examples."""
        check_pair(X, y, finite=self.force_all_finite)
        self.X_training, self.y_training = X, y
        self._fit_to_known(bootstrap=bootstrap, **fit_kwargs)
        return self

    def predict(self, X: Any, **kwargs: Any) -> Any:
        """The estimator's predictions."""
        return self.estimator.predict(X, **kwargs)

    def predict_proba(self, X: Any, **kwargs: Any) -> Any:
        """The estimator's class probabilities."""
        return self.estimator.predict_proba(X, **kwargs)

    def score(self, X: Any, y: Any, **kwargs: Any) -> Any:
        """The estimator's score."""
        return self.estimator.score(X, y, **kwargs)

    def transform_without_estimating(self, X: Any) -> Any:
        """What a Pipeline makes of X before its last step; X itself for other estimators."""
        from sklearn.pipeline import Pipeline

        if isinstance(self.estimator, Pipeline) and len(self.estimator) > 1:
            return self.estimator[:-1].transform(X)
        return X

    def _add_training_data(self, X: Any, y: Any) -> None:
        check_pair(X, y, finite=self.force_all_finite)
        if self.X_training is not None and self.y_training is not None:
            # Both or neither: what does not fit must not be half kept.
            X, y = appended(self.X_training, X), appended(self.y_training, y)
        self.X_training, self.y_training = X, y

    def _fit_to_known(self, bootstrap: bool = False, **fit_kwargs: Any) -> None:
        self._fit_on(self.X_training, self.y_training, bootstrap, **fit_kwargs)

    def _fit_on(self, X: Any, y: Any, bootstrap: bool, **fit_kwargs: Any) -> None:
        if bootstrap:
            X, y = bootstrapped(X, y, self._rng)
        self.estimator.fit(X, y, **fit_kwargs)


def _resolved(strategy: str | QueryStrategy, rng: np.random.Generator) -> QueryStrategy:
    return query_strategy(strategy, rng=rng) if isinstance(strategy, str) else strategy
