"""scikit-activeml's ``query``, in both directions; our strategies there need scikit-activeml."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from labelkit.errors import SelectionError
from labelkit.selection.batches import BatchStrategy, BatchTask, choose
from labelkit.selection.features import as_matrix
from labelkit.selection.scores import SCORES

try:
    from skactiveml.base import (  # type: ignore[import-not-found, import-untyped, unused-ignore]
        SingleAnnotatorPoolQueryStrategy,
    )
except ImportError:
    SingleAnnotatorPoolQueryStrategy = None

# How scikit-activeml marks an unlabeled example, unless told otherwise.
MISSING_LABEL = np.nan


class PoolStrategy(SingleAnnotatorPoolQueryStrategy or object):  # type: ignore[misc]  # no types
    """One of our strategies with scikit-activeml's ``query``.

    Parameters
    ----------
    strategy : batch strategy or score, as ``select`` knows them
    score : that a batch strategy looks at
    missing_label : what marks an unlabeled example in y
    random_state : seed

    Raises
    ------
    ImportError
        scikit-activeml is not installed.
    """

    def __init__(
        self,
        strategy: str = "cluster_power",
        *,
        score: str = "margin",
        missing_label: Any = MISSING_LABEL,
        random_state: int | None = None,
    ) -> None:
        if SingleAnnotatorPoolQueryStrategy is None:
            raise ImportError("PoolStrategy needs scikit-activeml: pip install scikit-activeml")
        super().__init__(missing_label=missing_label, random_state=random_state)
        self.strategy = strategy
        self.score = score

    def query(
        self,
        X: Any,
        y: npt.ArrayLike,
        clf: Any,
        fit_clf: bool = True,
        sample_weight: Any = None,
        candidates: Any = None,
        batch_size: int = 1,
        return_utilities: bool = False,
    ) -> Any:
        """Positions in X to label next; see scikit-activeml.

        ``utilities`` are the scores, (batch_size, n), NaN for what is labeled or chosen before.

        Raises
        ------
        SelectionError
            ``candidates`` are feature rows rather than positions, or too few for the batch.
        """
        from skactiveml.utils import (  # type: ignore[import-not-found, import-untyped, unused-ignore]
            is_labeled,
        )
        from sklearn.base import clone

        y = np.asarray(y)
        labeled = is_labeled(y, missing_label=self.missing_label)
        if candidates is None:
            at = np.flatnonzero(~labeled)
        else:
            at = np.asarray(candidates)
            if at.ndim != 1:
                raise SelectionError("candidates must be positions in X, not feature rows.")
        rng = getattr(self, "_rng", None)
        if rng is None:
            rng = self._rng = np.random.default_rng(self.random_state)
        if fit_clf:
            weight = () if sample_weight is None else (sample_weight,)
            clf = clone(clf).fit(X, y, *weight)
        matrix = as_matrix(X, name="X")
        p = np.asarray(clf.predict_proba(matrix[at]), dtype=np.float64)
        batch, measure = ("top", self.strategy) if self.strategy in SCORES else (
            self.strategy, self.score)  # fmt: skip
        score = SCORES[measure](p)
        chosen = choose(
            batch, batch_size, score=score, features=matrix[at], probabilities=p,
            labeled=matrix[labeled] if labeled.any() else None, rng=rng,
        )  # fmt: skip
        found = at[chosen]
        if not return_utilities:
            return found
        utilities = np.full((batch_size, len(y)), np.nan)
        utilities[:, at] = score
        for number, position in enumerate(found[:-1], start=1):
            utilities[number:, position] = np.nan
        return found, utilities


def from_skactiveml(
    strategy: Any,
    X: Any,
    y: npt.ArrayLike,
    **arguments: Any,
) -> BatchStrategy:
    """A query strategy of scikit-activeml as one for ``select`` and ``choose``.

    Parameters
    ----------
    strategy : object with ``query(X, y, …, candidates=, batch_size=)``
    X, y : (m, d) examples that people have labeled, and their classes; may have no rows
    **arguments : what else its ``query`` takes, for example
        ``clf=SklearnClassifier(LogisticRegression(), classes=[0, 1])``

    Returns
    -------
    Function of a ``BatchTask`` (with dense features) and n.
    """
    known = np.asarray(y, dtype=np.float64)
    teachers = np.asarray(X, dtype=np.float64)

    def batch(task: BatchTask, n: int) -> Any:
        pool = task.need_features(type(strategy).__name__).take(slice(None))
        if hasattr(pool, "tocsr"):
            raise SelectionError("scikit-activeml's strategies take dense features.")
        everything = np.vstack([teachers.reshape(len(known), pool.shape[1]), pool])
        labels = np.r_[known, np.full(len(pool), MISSING_LABEL)]
        at = np.arange(len(known), len(everything))
        found = strategy.query(X=everything, y=labels, candidates=at, batch_size=n, **arguments)
        return np.asarray(found) - len(known)

    batch.__name__ = type(strategy).__name__
    return batch


__all__ = ["PoolStrategy", "from_skactiveml"]
