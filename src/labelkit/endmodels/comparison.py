"""Where an end model and the labels that it learned from part."""

from __future__ import annotations

from dataclasses import dataclass, field

import narwhals as nw
import numpy as np

from labelkit.endmodels.softlabels import FloatArray, SoftLabels
from labelkit.engine import NativeFrame, to_native_like
from labelkit.labelmodels.prediction import break_ties


@dataclass(frozen=True)
class Comparison:
    """Label model against end model on the same examples: a count, not an estimate of quality.

    Which of the two is right, gold says: ``lk.validate(end.out_of_fold_labels(), gold,
    baselines={"label model": labels})`` pairs them and gives the difference with its interval.

    Parameters
    ----------
    n, n_covered : examples, and those on which an LF voted
    agreement : share of the covered examples to which both give the same class
    uncovered_share : (k,) what the end model says where no LF votes, as shares; NaN if there is
        no such example
    confusion : (k, k) counts among the covered: row the label, column the end model's class
    frame : the examples on which they differ, most confident first: keys (or ``row``), ``label``,
        ``end_label``, ``p_label`` and ``p_end``: what the end model gives to the two classes;
        ``covered``
    """

    n: int
    n_covered: int
    agreement: float
    uncovered_share: FloatArray
    confusion: FloatArray
    frame: NativeFrame = field(repr=False)


def compare(labels: SoftLabels, proba: FloatArray) -> Comparison:
    """Compare soft labels with probabilities (n, k) of an end model that did not train on them."""
    import polars as pl

    k = proba.shape[1]
    said, ended = break_ties(labels.proba), break_ties(proba)
    covered = labels.covered
    confusion = np.zeros((k, k))
    np.add.at(confusion, (said[covered], ended[covered]), 1)
    n_covered = int(covered.sum())
    silent = np.bincount(ended[~covered], minlength=k).astype(np.float64)
    row = np.flatnonzero(said != ended)
    sure = proba[row, ended[row]] - proba[row, said[row]]
    row = row[np.argsort(-sure, kind="stable")]
    table = pl.DataFrame({"row": row}) if labels.keys is None else labels.keys[row]
    table = table.with_columns(
        pl.Series("label", said[row]),
        pl.Series("end_label", ended[row]),
        pl.Series("p_label", proba[row, said[row]]),
        pl.Series("p_end", proba[row, ended[row]]),
        pl.Series("covered", covered[row]),
    )
    like = table if labels.native is None else labels.native
    return Comparison(
        n=len(labels),
        n_covered=n_covered,
        agreement=float(np.trace(confusion) / n_covered) if n_covered else float("nan"),
        uncovered_share=silent / silent.sum() if silent.any() else np.full(k, np.nan),
        confusion=confusion,
        frame=to_native_like(nw.from_native(table, eager_only=True), like),
    )
