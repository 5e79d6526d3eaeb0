"""Metrics of confusion tables, many at once."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]

METRICS = ("accuracy", "precision", "recall", "f1")


def table_metric(table: FloatArray, metric: str, *, positive: int = 1) -> FloatArray:
    """A metric of confusion tables, as the validation room computes it from rows.

    Parameters
    ----------
    table : (..., k, k) counts ≥ 0: row = class that the weak labels give, column = true class
    metric : one of ``METRICS``
    positive : the class that precision, recall and F1 are about; with k > 2 they are macro averages

    Returns
    -------
    (...,) in [0, 1]; NaN where the denominator is 0 (with k > 2 such a class counts 0).
    """
    right = np.diagonal(table, axis1=-2, axis2=-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        if metric == "accuracy":
            return np.asarray(right.sum(axis=-1) / table.sum(axis=(-2, -1)))
        called, truth = table.sum(axis=-1), table.sum(axis=-2)
        each = {
            "precision": right / called,
            "recall": right / truth,
            "f1": 2 * right / (called + truth),
        }[metric]
    if table.shape[-1] == 2:
        return np.asarray(each[..., positive])
    return np.asarray(np.nan_to_num(each).mean(axis=-1))
