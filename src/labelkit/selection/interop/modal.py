"""modAL's signature, ``strategy(classifier, X, n_instances=1) -> positions``, in both directions.

``query_strategy`` makes one of ours such a function, for ``modAL.models.ActiveLearner`` or ours;
``from_modal`` makes such a function a strategy for ``select``. The measures and strategies that
modAL's users know by name (uncertainty, margin, entropy; vote entropy, consensus entropy, largest
divergence) are here too, with modAL's meaning and units, on our scores.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from labelkit.errors import SelectionError
from labelkit.selection import ordering
from labelkit.selection.batches import NEEDS_FEATURES, BatchStrategy, BatchTask, choose
from labelkit.selection.rows import n_rows
from labelkit.selection.scores import SCORES, consensus_divergence, margin

FloatArray: TypeAlias = npt.NDArray[np.float64]
QueryStrategy: TypeAlias = Callable[..., Any]
"""modAL's kind of function: (learner, X, n_instances=1, …) → positions, or positions and scores."""


def query_strategy(
    name: str, *, score: str = "margin", rng: np.random.Generator | int = 0
) -> QueryStrategy:
    """One of our strategies as modAL wants it.

    Parameters
    ----------
    name : batch strategy or score, as ``select`` knows them, or "random"
    score : that a batch strategy looks at
    rng : generator or seed; the function draws from it anew with each call

    Returns
    -------
    ``f(learner, X, n_instances=1) -> (positions, scores)``, best first. A learner that is not
    fitted yet finds everything equally uncertain. Features are X, or what the learner's Pipeline
    makes of it with ``on_transformed``.

    Raises
    ------
    SelectionError
        The name is not known.

    Examples
    --------
    >>> from labelkit.selection.interop.modal import query_strategy
    >>> strategy = query_strategy("cluster_margin")  # ActiveLearner(..., query_strategy=strategy)
    """
    from labelkit.selection.batches import named

    batch, measure = ("top", name) if name in SCORES else (name, score)
    if measure not in SCORES:
        raise SelectionError(
            f"score = {measure!r} is not known; choose from {', '.join(map(repr, SCORES))}."
        )
    if batch != "random":
        named(batch)
    generator = np.random.default_rng(rng)

    def strategy(classifier: Any, X: Any, n_instances: int = 1) -> tuple[Any, FloatArray]:
        p = _proba(classifier, X)
        values = np.ones(n_rows(X)) if p is None or batch == "random" else SCORES[measure](p)
        features = _features(classifier, X) if batch in NEEDS_FEATURES else None
        known = getattr(classifier, "X_training", None)
        if p is None:
            p = np.full((len(values), 2), 0.5)
        at = choose(
            "top" if batch == "random" else batch,
            n_instances,
            score=values,
            features=features,
            probabilities=p,
            labeled=_features(classifier, known) if features is not None and _some(known) else None,
            rng=generator,
        )
        return at, values[at]

    strategy.__name__ = name
    return strategy


def from_modal(strategy: QueryStrategy, classifier: Any = None) -> BatchStrategy:
    """A query strategy of modAL's kind as one for ``select`` and ``choose``.

    Parameters
    ----------
    strategy : ``f(classifier, X, n_instances=n)``, for example
        ``modAL.uncertainty.margin_sampling`` or ``modAL.batch.uncertainty_batch_sampling``
    classifier : learner that the strategy asks; None: one that answers with the weak labels'
        probabilities, so that modAL's uncertainty strategies run on weak labels

    Returns
    -------
    Function of a ``BatchTask`` and n, in the order in which the strategy named the examples.
    """

    def batch(task: BatchTask, n: int) -> Any:
        if task.features is None:
            X: Any = np.zeros((len(task), 1))
        else:
            X = task.features.take(slice(None))
        learner = classifier if classifier is not None else _WeakLabels(task)
        return answer(strategy(learner, X, n_instances=n))[0]

    batch.__name__ = getattr(strategy, "__name__", "modAL")
    return batch


def answer(result: Any) -> tuple[Any, Any]:
    """Positions and scores of what a query strategy returned; None where it has no scores."""
    if isinstance(result, tuple) and len(result) == 2:
        return result
    return result, None


class _WeakLabels:
    """A classifier that answers about a pool with its probabilities, and knows nothing else."""

    def __init__(self, task: BatchTask) -> None:
        self._proba = task.probabilities
        self.on_transformed = False
        labeled = task.labeled
        self.X_training = None if labeled is None else labeled.take(slice(None))
        self.estimator = self

    def predict_proba(self, X: Any) -> Any:
        if self._proba is None or n_rows(X) != len(self._proba):
            raise SelectionError(
                "This strategy asks about other examples than the pool's: give from_modal a fitted "
                "classifier."
            )
        return self._proba


# -- modAL's measures, in modAL's units --------------------------------------------------------


def classifier_uncertainty(classifier: Any, X: Any, **kwargs: Any) -> FloatArray:
    """(n,) one minus the largest probability; 1 while the classifier is not fitted."""
    p = _proba(classifier, X, **kwargs)
    return np.ones(n_rows(X)) if p is None else np.asarray(1 - p.max(axis=1))


def classifier_margin(classifier: Any, X: Any, **kwargs: Any) -> FloatArray:
    """(n,) gap between the two largest probabilities, small where uncertain; 0 while not fitted."""
    p = _proba(classifier, X, **kwargs)
    if p is None or p.shape[1] == 1:
        return np.zeros(n_rows(X) if p is None else len(p))
    return 1 - margin(p)


def classifier_entropy(classifier: Any, X: Any, **kwargs: Any) -> FloatArray:
    """(n,) entropy in nats; 0 while the classifier is not fitted."""
    from scipy.special import entr

    p = _proba(classifier, X, **kwargs)
    return np.zeros(n_rows(X)) if p is None else np.asarray(entr(p).sum(axis=1))


def vote_entropy(committee: Any, X: Any, **kwargs: Any) -> FloatArray:
    """(n,) entropy in nats of the members' votes; 0 while one is not fitted."""
    from scipy.special import entr

    votes = _unless_unfitted(committee.vote, X, **kwargs)
    if votes is None:
        return np.zeros(n_rows(X))
    shares = np.stack([(votes == c).mean(axis=1) for c in committee.classes_], axis=1)
    return np.asarray(entr(shares).sum(axis=1))


def consensus_entropy(committee: Any, X: Any, **kwargs: Any) -> FloatArray:
    """(n,) entropy in nats of the members' mean probabilities; 0 while one is not fitted."""
    from scipy.special import entr

    p = _unless_unfitted(committee.predict_proba, X, **kwargs)
    return np.zeros(n_rows(X)) if p is None else np.asarray(entr(p).sum(axis=1))


def KL_max_disagreement(committee: Any, X: Any, **kwargs: Any) -> FloatArray:
    """(n,) largest Kullback–Leibler divergence of a member from the consensus, in nats."""
    p = _unless_unfitted(committee.vote_proba, X, **kwargs)
    if p is None or p.shape[1] < 2:
        return np.zeros(n_rows(X))
    return consensus_divergence(*np.moveaxis(p, 1, 0))


def _sampling(measure: Callable[..., FloatArray], name: str, *, least: bool = False) -> Any:
    def strategy(
        classifier: Any,
        X: Any,
        n_instances: int = 1,
        random_tie_break: bool = False,
        *,
        rng: np.random.Generator | int | None = None,
        **kwargs: Any,
    ) -> tuple[Any, FloatArray]:
        values = measure(classifier, X, **kwargs)
        if not 1 <= n_instances <= len(values):
            raise SelectionError(f"{n_instances:,} of {len(values):,} examples cannot be chosen.")
        # Without chance, the first of the pool wins among equals.
        tie: FloatArray = np.arange(len(values), dtype=np.float64)
        if random_tie_break:
            tie = np.random.default_rng(rng).random(len(values))
        at = ordering.best(-values if least else values, tie, n_instances)
        return at, values[at]

    strategy.__name__ = name
    strategy.__doc__ = (
        f"The ``n_instances`` {'lowest' if least else 'highest'} by {measure.__name__}."
    )
    return strategy


uncertainty_sampling = _sampling(classifier_uncertainty, "uncertainty_sampling")
margin_sampling = _sampling(classifier_margin, "margin_sampling", least=True)
entropy_sampling = _sampling(classifier_entropy, "entropy_sampling")
vote_entropy_sampling = _sampling(vote_entropy, "vote_entropy_sampling")
consensus_entropy_sampling = _sampling(consensus_entropy, "consensus_entropy_sampling")
max_disagreement_sampling = _sampling(KL_max_disagreement, "max_disagreement_sampling")


def _unless_unfitted(ask: Callable[..., Any], X: Any, **kwargs: Any) -> Any:
    """What is answered, or None from a model that is not fitted yet."""
    from sklearn.exceptions import NotFittedError

    try:
        return ask(X, **kwargs)
    except NotFittedError:
        return None


def _proba(classifier: Any, X: Any, **kwargs: Any) -> FloatArray | None:
    p = _unless_unfitted(classifier.predict_proba, X, **kwargs)
    return None if p is None else np.asarray(p, dtype=np.float64)


def _some(known: Any) -> bool:
    return known is not None and n_rows(known) > 0


def _features(classifier: Any, X: Any) -> Any:
    """What a strategy compares examples by."""
    if getattr(classifier, "on_transformed", False):
        X = classifier.transform_without_estimating(X)
    if hasattr(X, "tocsr"):
        return X
    array = np.asarray(X)
    if array.dtype.kind not in "fiub":
        raise SelectionError(
            "Strategies that spread a batch need numbers, and the examples are not: use a Pipeline "
            "with on_transformed=True, or a strategy of scores such as 'margin'."
        )
    return array.reshape(len(array), -1)
