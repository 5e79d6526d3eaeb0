"""Confident learning: training labels that an end model doubts, and why (through cleanlab)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

import narwhals as nw
import numpy as np

from labelkit.endmodels.softlabels import BoolArray, FloatArray, SoftLabels
from labelkit.engine import NativeFrame, to_native_like
from labelkit.errors import EndModelError
from labelkit.labelmodels.prediction import break_ties

if TYPE_CHECKING:
    import polars as pl

FilterBy: TypeAlias = Literal[
    "prune_by_noise_rate", "prune_by_class", "both", "confident_learning", "predicted_neq_given"
]

_HINT = (
    "Confident learning needs cleanlab. Run: pip install 'labelkit[cleanlab]'. Without it, "
    "EndModel.comparison() lists the examples on which the end model differs."
)


@dataclass(frozen=True)
class LabelIssues:
    """Labels that are probably wrong.

    Parameters
    ----------
    mask : (n,) bool in the order of the labels; ``EndModel.fit(..., keep=~mask)`` leaves them out
    frame : the doubted examples, the most doubted first: keys (or ``row``), ``label``,
        ``suggested`` (the class that the end model prefers), ``p_label`` and ``p_suggested`` (what
        it gives to the two), ``threshold`` (its mean confidence in ``suggested`` where that is the
        label), ``reason``: a sentence
    n_examined : examples whose label was looked at
    """

    mask: BoolArray
    frame: NativeFrame = field(repr=False)
    n_examined: int

    def __len__(self) -> int:
        return int(self.mask.sum())


def label_issues(
    labels: SoftLabels,
    proba: FloatArray,
    *,
    among: BoolArray | None = None,
    filter_by: FilterBy = "prune_by_noise_rate",
) -> LabelIssues:
    """Labels that confident learning finds to be wrong (Northcutt, Jiang & Chuang 2021).

    Parameters
    ----------
    labels : as `soft_labels` reads them; their most probable class is what is doubted
    proba : (n, k) of a model that did not train on the example: ``EndModel.out_of_fold_proba_``
    among : (n,) bool: labels to look at, by default the covered. Ties have no label to doubt
    filter_by : how cleanlab chooses; see ``cleanlab.filter.find_label_issues``

    Raises
    ------
    EndModelError
        cleanlab is not installed, or there is no label to look at.

    Notes
    -----
    Assumes that errors depend on the true class alone. Errors of labeling functions depend on the
    features: a rule that is wrong wherever it votes teaches the end model its mistake, which is
    then not doubted.
    """
    import polars as pl

    try:
        from cleanlab.filter import find_label_issues
    except ImportError as error:
        raise EndModelError(_HINT) from error
    if filter_by not in get_args(FilterBy):
        known = ", ".join(map(repr, get_args(FilterBy)))
        raise EndModelError(f"filter_by={filter_by!r} is none of {known}.")
    given = break_ties(labels.proba, "abstain")
    looked = (labels.covered if among is None else among) & (given >= 0)
    examined = np.flatnonzero(looked)
    present = np.unique(given[examined])
    if len(present) < 2:
        raise EndModelError("Fewer than two classes are labeled: no label can be doubted.")
    # cleanlab numbers classes without gaps: classes that no label has are set aside.
    among_present = proba[np.ix_(examined, present)]
    total = among_present.sum(axis=1, keepdims=True)
    # An example that the model gives to absent classes alone says nothing about the present ones.
    seen = np.where(total > 0, among_present / np.where(total > 0, total, 1), 1 / len(present))
    found = np.asarray(
        find_label_issues(
            np.searchsorted(present, given[examined]),
            seen,
            filter_by=filter_by,
            n_jobs=1,
        )
    )
    threshold = np.array([proba[looked & (given == c), c].mean() for c in present])
    row = examined[found]
    suggested = present[seen[found].argmax(axis=1)]
    own, other = proba[row, given[row]], proba[row, suggested]
    order = np.argsort(own - other, kind="stable")
    row, suggested, own, other = row[order], suggested[order], own[order], other[order]
    bar = threshold[np.searchsorted(present, suggested)]
    mask = np.zeros(len(labels), dtype=bool)
    mask[row] = True
    reason = (
        pl.format(
            "labeled {}, but the end model gives {} to class {}, as it does to examples so labeled "
            "({} on average), and {} to class {}",
            "label",
            _percent("p_suggested"),
            "suggested",
            _percent("threshold"),
            _percent("p_label"),
            "label",
        )
    ).alias("reason")
    keys = pl.DataFrame({"row": row}) if labels.keys is None else labels.keys[row]
    table = keys.with_columns(
        pl.Series("label", given[row]),
        pl.Series("suggested", suggested),
        pl.Series("p_label", own),
        pl.Series("p_suggested", other),
        pl.Series("threshold", bar),
    ).with_columns(reason)
    like = table if labels.native is None else labels.native
    native = to_native_like(nw.from_native(table, eager_only=True), like)
    return LabelIssues(mask=mask, frame=native, n_examined=len(examined))


def _percent(column: str) -> pl.Expr:
    import polars as pl

    return pl.format("{} %", (100 * pl.col(column)).round(0).cast(pl.Int64))
