"""Out-of-fold probabilities: what a model says of examples whose query it did not train on."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from labelkit.endmodels.expansion import Expansion
from labelkit.endmodels.fitting import Estimator, Rows, Training, n_rows, proba_of, take
from labelkit.endmodels.softlabels import FloatArray, IntArray
from labelkit.errors import EndModelError


def deal_folds(n: int, groups: npt.ArrayLike | None, *, n_folds: int, seed: int = 0) -> IntArray:
    """The fold 0 … n_folds - 1 of each of ``n`` examples; a group is in one fold as a whole.

    Groups are dealt by scikit-learn's ``GroupKFold``, which balances sizes; single examples at
    random.

    Raises
    ------
    EndModelError
        There are fewer groups than folds, or not one group per example.
    """
    if n_folds < 2:
        raise EndModelError(f"cross_fit={n_folds}: 0 for none, or 2 folds or more.")
    fold = np.empty(n, dtype=np.int64)
    if groups is None:
        if n < n_folds:
            raise EndModelError(f"{n} examples do not fill {n_folds} folds. Set cross_fit lower.")
        fold[np.random.default_rng(seed).permutation(n)] = np.arange(n) % n_folds
        return fold
    of = np.asarray(groups)
    if of.shape != (n,):
        raise EndModelError(f"groups has shape {of.shape}, but there are {n:,} examples.")
    _, number = np.unique(of, return_inverse=True)
    n_groups = int(number.max()) + 1
    if n_groups < n_folds:
        raise EndModelError(
            f"{n_groups} groups (queries) do not fill {n_folds} folds. Set cross_fit to "
            f"{n_groups} or fewer, or to 0 for no out-of-fold probabilities."
        )
    from sklearn.model_selection import GroupKFold

    for i, (_, held_out) in enumerate(GroupKFold(n_folds).split(fold, groups=number)):
        fold[held_out] = i
    return fold


def out_of_fold(
    training: Training,
    estimator: Estimator,
    X: Rows,
    expansion: Expansion,
    guess: IntArray,
    fold: IntArray,
) -> FloatArray:
    """P(class | features) (n, k) of every example, by a model fitted to the other folds.

    Examples that are not trained on (uncovered, of narrow margin) are predicted like the others.

    Raises
    ------
    EndModelError
        Without one of the folds a single class is left to train on.
    """
    proba = np.zeros((n_rows(X), training.cardinality))
    for held_out in range(int(fold.max()) + 1):
        elsewhere = fold[expansion.row] != held_out
        rest = Expansion(
            expansion.row[elsewhere], expansion.y[elsewhere], expansion.weight[elsewhere]
        )
        if len(np.unique(rest.y)) < 2:
            raise EndModelError(
                f"Without fold {held_out} the labels are all of one class, or gone: there is "
                "nothing to learn. Set cross_fit=0, or give groups that are smaller."
            )
        fitted = training.fit(estimator, X, rest, guess)
        rows = np.flatnonzero(fold == held_out).astype(np.int64)
        proba[rows] = proba_of(fitted, take(X, rows), training.cardinality)
    return proba
