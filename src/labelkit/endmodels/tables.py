"""Probabilities as a table of labels, in the user's kind of frame."""

from __future__ import annotations

from typing import TYPE_CHECKING

import narwhals as nw
import numpy as np

from labelkit.endmodels.softlabels import FloatArray
from labelkit.engine import NativeFrame, to_native_like
from labelkit.labelmodels.prediction import break_ties

if TYPE_CHECKING:
    import polars as pl


def proba_table(proba: FloatArray, keys: pl.DataFrame, like: NativeFrame) -> NativeFrame:
    """Keys, ``p_0`` …, ``label``, ``margin``, ``covered``: columns as a label model writes them."""
    import polars as pl

    two_best = np.partition(proba, -2, axis=1)[:, -2:]
    table = keys.with_columns(
        *(pl.Series(f"p_{y}", proba[:, y]) for y in range(proba.shape[1])),
        pl.Series("label", break_ties(proba)),
        pl.Series("margin", two_best[:, 1] - two_best[:, 0]),
        pl.Series("covered", np.ones(len(proba), dtype=bool)),
    )
    return to_native_like(nw.from_native(table, eager_only=True), like)
