"""``EndModel``: any scikit-learn classifier, trained on weak labels."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Literal, Self, TypeAlias, get_args

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, ClassifierMixin

from labelkit.endmodels.alignment import rows_in
from labelkit.endmodels.comparison import Comparison, compare
from labelkit.endmodels.crossfit import deal_folds, out_of_fold
from labelkit.endmodels.expansion import Expansion, expand, harden
from labelkit.endmodels.features import Features
from labelkit.endmodels.fitting import Estimator, Rows, Training, Unweighted, n_rows, proba_of
from labelkit.endmodels.issues import FilterBy, LabelIssues, label_issues
from labelkit.endmodels.softlabels import (
    BoolArray,
    FloatArray,
    IntArray,
    SoftLabels,
    soft_labels,
)
from labelkit.endmodels.tables import proba_table
from labelkit.endmodels.weighting import importance
from labelkit.engine import NativeFrame
from labelkit.errors import EndModelError, NotFittedError, WeakEvidenceWarning

Loss: TypeAlias = Literal["hard", "expand"]
Uncovered: TypeAlias = Literal["drop", "keep"]

# Total variation between the classes' shares by probability and by most probable class from which
# soft labels are said to be surer of one class than of another.
_LOPSIDED = 0.1


class EndModel(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """A classifier of features, trained on weak labels; it speaks where no LF votes.

    Parameters
    ----------
    estimator : scikit-learn classifier or ``Pipeline``; it is cloned, not changed. Steps of a
        Pipeline before the last see each training example once, whatever the loss
    loss : "hard" trains on the most probable class of each example, and leaves out those whose
        classes tie. "expand" trains on every class with weight p_y, the cross entropy of the soft
        labels: better where they are calibrated (``LabelModel.fit(votes, gold=…)``), and worse
        where they are surer of one class than of another
    uncovered : "drop" leaves out examples on which every LF abstains, whose soft label is the
        prior; "keep" trains on them as well. Both are predicted
    min_margin : in [0, 1): examples whose two most probable classes are nearer are not trained on
    min_proba : in [0, 1/k]: with "expand", classes below it are not expanded
    unweighted : "error" or "resample": what to do where weights differ and the estimator takes no
        ``sample_weight``
    cross_fit : folds for ``out_of_fold_proba_``; 0 for none
    batch_rows, epochs : None fits at once; else expanded rows per ``partial_fit``, and passes
    keys : key columns of tables; the first, the query, is what folds do not divide
    seed : of resampling, batches, and folds of single examples

    Attributes
    ----------
    estimator_ : fitted to all examples that are trained on
    classes_ : (k,) 0 … k-1
    out_of_fold_proba_ : (n, k) in the order of the labels; None with ``cross_fit=0``
    fold_ : (n,) the fold of each example; None with ``cross_fit=0``
    trained_on_ : (n,) bool
    n_uncovered_, n_narrow_, n_weightless_, n_tied_ : examples left out, for the first of these
        reasons that holds
    n_rows_ : rows that the estimator was given: with "expand" up to k per example
    soft_share_, hard_share_ : (k,) shares of the classes among candidates, by probability and by
        most probable class. Far apart, the labels are surer of one class than of another
    read_by_lfs_ : columns among the features that labeling functions read, where that is known

    Notes
    -----
    Out-of-fold probabilities do not come from a model that memorised the example's own label or its
    query's. They do not stop it from learning a labeling function's *rule*, if the columns that the
    function reads are among the features: leave those out with
    ``features(..., lfs=LFS, read_by_lfs="exclude")``.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import LogisticRegression
    >>> from labelkit.endmodels import EndModel
    >>> X = np.linspace(-1, 1, 40)[:, None]
    >>> p = 1 / (1 + np.exp(-4 * X[:, 0]))
    >>> model = EndModel(LogisticRegression(), loss="expand").fit(X, np.column_stack([1 - p, p]))
    >>> model.predict([[-0.5], [0.5]])
    array([0, 1])
    """

    def __init__(
        self,
        estimator: Estimator,
        *,
        loss: Loss = "hard",
        uncovered: Uncovered = "drop",
        min_margin: float = 0.0,
        min_proba: float = 1e-4,
        unweighted: Unweighted = "error",
        cross_fit: int = 5,
        batch_rows: int | None = None,
        epochs: int = 1,
        keys: Sequence[str] = ("query", "item"),
        seed: int = 0,
    ) -> None:
        self.estimator = estimator
        self.loss = loss
        self.uncovered = uncovered
        self.min_margin = min_margin
        self.min_proba = min_proba
        self.unweighted = unweighted
        self.cross_fit = cross_fit
        self.batch_rows = batch_rows
        self.epochs = epochs
        self.keys = keys
        self.seed = seed

    def fit(
        self,
        X: Features | Rows,
        labels: NativeFrame | npt.ArrayLike,
        *,
        sample_weight: NativeFrame | npt.ArrayLike | None = None,
        groups: npt.ArrayLike | None = None,
        keep: npt.ArrayLike | None = None,
    ) -> Self:
        """Train on weak labels.

        Parameters
        ----------
        X : `Features`, whose rows are found by key where labels are a table; or what the estimator
            takes, in the order of the labels
        labels : the table of weak labels; or probabilities (n, k), or classes (n,)
        sample_weight : (n,) importance weights; or a frame found by key, such as
            ``lk.example_weights(log, bias)`` gives; see `labelkit.endmodels.weighting`
        groups : (n,) what folds must not divide; by default the first key of a table, and each
            example by itself for arrays
        keep : (n,) bool: examples to train on, as far as nothing else speaks against them;
            ``~model.label_issues().mask`` leaves doubtful labels out. The others are predicted

        Raises
        ------
        EndModelError
            A parameter, the labels, the weights, the features or the estimator cannot be used.

        Warns
        -----
        WeakEvidenceWarning
            ``loss="expand"`` on labels whose shares by probability and by most probable class lie
            more than 0.1 (total variation) apart. Calibrated labels of a rare class do so rightly.
        """
        self._check_parameters()
        soft = soft_labels(labels, keys=self.keys)
        k = soft.proba.shape[1]
        if not 0 <= self.min_proba <= 1 / k:
            raise EndModelError(f"min_proba={self.min_proba:g} is outside [0, 1/{k}].")
        matrix = self._matrix(X, soft)
        weight = importance(sample_weight, soft)
        expansion = self._expansion(soft, weight, _mask(keep, len(soft)))
        if len(np.unique(expansion.y)) < 2:
            raise EndModelError(
                f"Nothing to learn: of {len(soft):,} examples {self.n_uncovered_:,} are uncovered, "
                f"{self.n_narrow_:,} below the margin, {self.n_tied_:,} tied, and the rest "
                f"({int(self.trained_on_.sum()):,}) has fewer than two classes."
            )
        training = Training(k, self.unweighted, self.batch_rows, self.epochs, self.seed)
        guess: IntArray = soft.proba.argmax(axis=1).astype(np.int64)
        self.fold_: IntArray | None = None
        self.out_of_fold_proba_: FloatArray | None = None
        if self.cross_fit:
            if groups is None and soft.keys is not None:
                groups = soft.keys[self.keys[0]].rank("dense").to_numpy()
            self.fold_ = deal_folds(len(soft), groups, n_folds=self.cross_fit, seed=self.seed)
            self.out_of_fold_proba_ = out_of_fold(
                training, self.estimator, matrix, expansion, guess, self.fold_
            )
        self.estimator_ = training.fit(self.estimator, matrix, expansion, guess)
        self.classes_ = np.arange(k)
        self.n_rows_ = len(expansion)
        self.read_by_lfs_ = X.read_by_lfs if isinstance(X, Features) else ()
        self._soft = soft
        return self

    def predict_proba(self, X: Features | Rows) -> FloatArray:
        """P(class | features) (n, k), classes 0 … k-1."""
        self._check_fitted()
        return proba_of(self.estimator_, _plain(X), len(self.classes_))

    def predict(self, X: Features | Rows) -> IntArray:
        """The most probable class (n,), as the estimator itself predicts it."""
        self._check_fitted()
        found: IntArray = np.asarray(self.estimator_.predict(_plain(X)), dtype=np.int64)
        return found

    def score(
        self,
        X: Features | Rows,
        y: NativeFrame | npt.ArrayLike,
        sample_weight: npt.ArrayLike | None = None,
    ) -> float:
        """Accuracy; on soft labels (n, k) the accuracy to be expected if they are calibrated."""
        soft = soft_labels(y, keys=self.keys)
        predicted = self.predict(self._matrix(X, soft))
        weight = importance(sample_weight, soft)
        proba = np.pad(soft.proba, ((0, 0), (0, len(self.classes_))))
        return float(np.average(proba[np.arange(len(soft)), predicted], weights=weight))

    def label(self, X: Features) -> NativeFrame:
        """Keys, ``p_0`` …, ``label``, ``margin``, ``covered``, like the labels of a label model.

        What ``lk.select`` and ``lk.validate`` take; every example is covered.
        """
        self._check_fitted()
        if not isinstance(X, Features) or X.keys is None:
            raise EndModelError("A table of labels needs keys: give features(frame, keys=(...)).")
        return proba_table(self.predict_proba(X), X.keys, X.native)

    def out_of_fold_labels(self) -> NativeFrame:
        """The same of the training examples, from models that did not see their query's labels.

        Compare the two sets of labels on gold with ``lk.validate``, which pairs them and gives
        their difference with its interval.
        """
        proba = self._out_of_fold()
        if self._soft.keys is None:
            raise EndModelError("These labels came as an array: read out_of_fold_proba_.")
        return proba_table(proba, self._soft.keys, self._soft.native)

    def comparison(self) -> Comparison:
        """Where the end model, out of fold, says something else than the labels it learned from."""
        return compare(self._soft, self._out_of_fold())

    def label_issues(self, *, filter_by: FilterBy = "prune_by_noise_rate") -> LabelIssues:
        """Training labels that confident learning doubts, from out-of-fold probabilities.

        See `labelkit.endmodels.issues`; needs the extra ``labelkit[cleanlab]``.
        """
        return label_issues(
            self._soft, self._out_of_fold(), among=self.trained_on_, filter_by=filter_by
        )

    # --- inside -------------------------------------------------------------------------------

    def _check_parameters(self) -> None:
        for name, known in (("loss", Loss), ("uncovered", Uncovered), ("unweighted", Unweighted)):
            if getattr(self, name) not in get_args(known):
                choices = ", ".join(map(repr, get_args(known)))
                raise EndModelError(f"{name}={getattr(self, name)!r} is none of {choices}.")
        if not 0 <= self.min_margin < 1:
            raise EndModelError(f"min_margin={self.min_margin:g} is outside [0, 1).")
        if self.epochs < 1 or (self.batch_rows is not None and self.batch_rows < 1):
            raise EndModelError("batch_rows and epochs are whole numbers of 1 or more.")

    def _check_fitted(self) -> None:
        if not hasattr(self, "estimator_"):
            raise NotFittedError.of(self)

    def _out_of_fold(self) -> FloatArray:
        self._check_fitted()
        if self.out_of_fold_proba_ is None:
            raise EndModelError("cross_fit=0 made no out-of-fold probabilities. Set it to 5.")
        return self.out_of_fold_proba_

    def _matrix(self, X: Features | Rows, soft: SoftLabels) -> Rows:
        """Features in the order of the labels: found by key where both have keys."""
        matrix = _plain(X)
        if isinstance(X, Features) and X.keys is not None and soft.keys is not None:
            return matrix[rows_in(soft.keys, X.keys.select(soft.keys.columns), "features")]
        if n_rows(matrix) != len(soft):
            raise EndModelError(
                f"There are {n_rows(matrix):,} rows of features and {len(soft):,} labels. Rows are "
                "matched by key where features(frame, keys=...) and a table of labels have them."
            )
        return matrix

    def _expansion(self, soft: SoftLabels, weight: FloatArray, keep: BoolArray) -> Expansion:
        covered = soft.covered | (self.uncovered == "keep")
        wide = soft.margin >= self.min_margin
        candidates = keep & covered & wide
        self.n_uncovered_ = int((keep & ~covered).sum())
        self.n_narrow_ = int((keep & covered & ~wide).sum())
        self.n_weightless_ = int((candidates & (weight == 0)).sum())
        used = np.where(candidates, weight, 0.0)
        hard = harden(soft.proba, used)
        self._measure_shares(soft, used, hard)
        if self.loss == "hard":
            expansion = hard
            self.n_tied_ = int((used > 0).sum()) - len(hard)
        else:
            expansion = expand(soft.proba, used, min_proba=self.min_proba)
            self.n_tied_ = 0
        self.trained_on_: BoolArray = np.zeros(len(soft), dtype=bool)
        self.trained_on_[expansion.row] = True
        return expansion

    def _measure_shares(self, soft: SoftLabels, used: FloatArray, hard: Expansion) -> None:
        # Shares of examples whose classes do not tie: a tie has no most probable class.
        k = soft.proba.shape[1]
        total = max(float(hard.weight.sum()), np.finfo(float).tiny)
        self.soft_share_: FloatArray = hard.weight @ soft.proba[hard.row] / total
        counted = np.bincount(hard.y, weights=hard.weight, minlength=k)
        self.hard_share_: FloatArray = counted / total
        apart = 0.5 * float(np.abs(self.soft_share_ - self.hard_share_).sum())
        if self.loss == "expand" and apart > _LOPSIDED:
            surest = int((self.soft_share_ - self.hard_share_).argmax())
            warnings.warn(
                f"The soft labels give class {surest} {self.soft_share_[surest]:.0%} of the "
                f"weight, but it is the most probable class of {self.hard_share_[surest]:.0%} of "
                "the examples. If they were not calibrated on gold, they are probably surer of it "
                "than of others, and loss='expand' learns that too. Give the label model gold "
                "(fit(votes, gold=...)), or set loss='hard'.",
                WeakEvidenceWarning,
                stacklevel=4,
            )


def _plain(X: Features | Rows) -> Rows:
    return X.matrix if isinstance(X, Features) else X


def _mask(keep: npt.ArrayLike | None, n: int) -> BoolArray:
    if keep is None:
        return np.ones(n, dtype=bool)
    mask = np.asarray(keep)
    if mask.shape != (n,) or mask.dtype != bool:
        raise EndModelError(
            f"keep is one True or False per label, ({n},); got {mask.dtype} of shape {mask.shape}."
        )
    return mask
