"""The acquisition score of every example of a pool, from whatever the user gave."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import narwhals as nw
import numpy as np
import numpy.typing as npt

from labelkit.engine import collect, lazy
from labelkit.errors import EndModelError, SelectionError
from labelkit.selection.features import FeatureRows
from labelkit.selection.pool import Pool, probability_columns
from labelkit.selection.scores import (
    SCORES,
    combine,
    expected_gradient_length,
    jensen_shannon,
    per_second,
)

if TYPE_CHECKING:
    import polars as pl

FloatArray: TypeAlias = npt.NDArray[np.float64]

DISAGREEMENT = "disagreement"
"""Score of weak label against learner, which needs both."""


@dataclass(frozen=True)
class Scored:
    """What a batch is chosen by.

    ::

        score          (N,) of each pool example; higher is better
        probabilities  (N, k) of the weak labels, or of weak labels and learner together
    """

    score: FloatArray
    probabilities: FloatArray


def scored(
    pool: Pool,
    score: str | npt.ArrayLike,
    *,
    keys: pl.DataFrame,
    features: FeatureRows | None = None,
    learner: Any = None,
    seconds: npt.ArrayLike | None = None,
) -> Scored:
    """Score the examples of a pool; the arguments are those of ``select``.

    ``keys`` are those of all weak labels, in their order.

    Where no LF voted, classes tie for want of votes, not because votes disagree: an answer there
    teaches nothing about any LF, and such examples would fill the batch. Unless a learner speaks
    for them, or the user gives scores, theirs is 0.

    Raises
    ------
    SelectionError
        An argument does not fit the pool.
    """
    p, spoken = pool.probabilities, pool.covered
    other: FloatArray | None = None
    if learner is not None:
        other = _learner_probabilities(learner, pool, keys)
        p = combine(p, other, covered=spoken).probabilities
        spoken = np.ones(len(pool), dtype=bool)
    if not isinstance(score, str):
        values = _rowwise(score, pool, "score")
    elif score == DISAGREEMENT:
        if other is None:
            raise SelectionError(
                "score = 'disagreement' is between weak label and learner: give learner=, the "
                "end model's probabilities of the same examples."
            )
        values = np.where(pool.covered, jensen_shannon(pool.probabilities, other), 0.0)
    elif score == "expected_change" and features is not None:
        values = np.where(spoken, expected_gradient_length(p, features.squared_norms()), 0.0)
    elif score in SCORES:
        values = np.where(spoken, SCORES[score](p), 0.0)
    else:
        raise SelectionError(
            f"score = {score!r} is not known; choose from "
            f"{', '.join(map(repr, (*SCORES, DISAGREEMENT)))}, or give one number per weak label."
        )
    if seconds is not None:
        values = per_second(values, _rowwise(seconds, pool, "seconds"))
    return Scored(values, p)


def _rowwise(values: npt.ArrayLike, pool: Pool, name: str) -> FloatArray:
    """Numbers in row order of the weak labels, as numbers of the pool's examples."""
    array = np.asarray(values, dtype=np.float64)
    if array.ndim == 0:
        array = np.broadcast_to(array, (len(pool.frame),))
    if array.shape != (len(pool.frame),):
        raise SelectionError(
            f"{name} has shape {array.shape}; it needs one number for each of the "
            f"{len(pool.frame):,} weak labels, in the same order."
        )
    bad = ~np.isfinite(array)
    if bad.any():
        raise SelectionError(
            f"{name} has {int(bad.sum()):,} of {len(array):,} values that are not finite (first: "
            f"row {int(bad.argmax())})."
        )
    found: FloatArray = array[pool.rows]
    return found


def _learner_probabilities(learner: Any, pool: Pool, keys: pl.DataFrame) -> FloatArray:
    """(N, k) probabilities of the pool's examples, from an array or from a table with keys."""
    if isinstance(learner, np.ndarray):
        p = np.asarray(learner, dtype=np.float64)
        if p.ndim == 2 and len(p) == len(pool.frame):
            p = p[pool.rows]
    else:
        from labelkit.endmodels.alignment import key_table, rows_in

        table = collect(lazy(learner))
        columns = probability_columns(table.columns)
        try:
            rows = rows_in(keys[pool.rows], key_table(table, keys.columns, "learner"), "learner")
        except EndModelError as error:
            raise SelectionError(str(error)) from None
        p = np.column_stack([table[c].cast(nw.Float64).to_numpy() for c in columns])[rows]
    if p.shape != pool.probabilities.shape:
        raise SelectionError(
            f"learner has shape {p.shape}; it needs probabilities of "
            f"{pool.probabilities.shape[1]} classes for each weak label "
            f"({len(pool.frame):,})."
        )
    bad = ~((p >= 0).all(axis=1) & (np.abs(p.sum(axis=1) - 1) < 1e-4))
    if bad.any():
        raise SelectionError(
            f"learner has {int(bad.sum()):,} of {len(p):,} rows that are no probabilities (for "
            f"example {keys.row(int(pool.rows[bad.argmax()]), named=True)})."
        )
    return p
