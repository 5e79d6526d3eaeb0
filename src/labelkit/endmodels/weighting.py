"""Importance weights: how much each example counts in training."""

from __future__ import annotations

from typing import Any

import narwhals as nw
import numpy as np
import numpy.typing as npt

from labelkit.endmodels.alignment import key_table, rows_in
from labelkit.endmodels.softlabels import FloatArray, SoftLabels
from labelkit.engine import NativeFrame, collect, lazy
from labelkit.errors import EndModelError


def importance(weight: NativeFrame | npt.ArrayLike | None, labels: SoftLabels) -> FloatArray:
    """One weight per example, (n,) ≥ 0, in the order of ``labels``.

    Parameters
    ----------
    weight : an array (n,), taken as it is; or a frame with the key columns of the labels and either
        ``sample_weight``, or ``positive`` and ``negative`` as ``lk.example_weights`` gives them.
        Their sum is how much the log knows of an example, in impressions looked at; which label it
        has is the label model's to say. Weights of a frame are divided by their mean over the
        examples, so that the strength of an estimator's penalty keeps its meaning. None: all 1

    Raises
    ------
    EndModelError
        A weight is missing, negative or no number, or all are 0.
    """
    if weight is None:
        return np.ones(len(labels))
    if isinstance(weight, np.ndarray | list | tuple):
        values = np.asarray(weight, dtype=np.float64)
        if values.shape != (len(labels),):
            raise EndModelError(
                f"sample_weight has shape {values.shape}, but there are {len(labels):,} labels."
            )
        return _checked(values, labels)
    if labels.keys is None:
        raise EndModelError(
            "Weights in a frame are found by key, and labels in an array have none: give the weak "
            "labels as a table, or the weights as an array in the same order."
        )
    frame = collect(lazy(weight))
    values = _column(frame)
    keys = labels.keys.columns
    table = key_table(frame, keys, "The weights")
    aligned = _checked(values[rows_in(labels.keys, table, "weights")], labels)
    normalised: FloatArray = aligned / aligned.mean()
    return normalised


def _column(frame: nw.DataFrame[Any]) -> FloatArray:
    def numbers(name: str) -> FloatArray:
        return frame[name].cast(nw.Float64).to_numpy().astype(np.float64)

    if "sample_weight" in frame.columns:
        return numbers("sample_weight")
    if {"positive", "negative"} <= set(frame.columns):
        return numbers("positive") + numbers("negative")
    raise EndModelError(
        "A frame of weights has a column 'sample_weight', or 'positive' and 'negative' as "
        f"lk.example_weights gives them; this one has: {', '.join(frame.columns)}."
    )


def _checked(values: FloatArray, labels: SoftLabels) -> FloatArray:
    bad = ~((values >= 0) & np.isfinite(values))
    if bad.any():
        row = int(bad.argmax())
        where = f"row {row}" if labels.keys is None else str(labels.keys.row(row, named=True))
        raise EndModelError(
            f"{int(bad.sum()):,} of {len(values):,} weights are negative or no number (first: "
            f"{values[row]:g} of {where})."
        )
    if not values.any():
        raise EndModelError("All weights are 0: there is nothing to train on.")
    return values
