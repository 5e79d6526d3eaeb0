"""How often each class was answered to each example: all that agreement needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from labelkit.errors import RoundError

if TYPE_CHECKING:
    import polars as pl

FloatArray = npt.NDArray[np.float64]


def one_answer_each(annotations: pl.DataFrame) -> pl.DataFrame:
    """The last answer of every annotator to every example of every round, in time.

    Raises
    ------
    RoundError
        A column of ``Ledger.annotations`` is missing.
    """
    needed = ("round", "example", "annotator", "label", "at")
    lacking = [name for name in needed if name not in annotations.columns]
    if lacking:
        raise RoundError(
            f"The annotations have no column {lacking[0]!r} (they have "
            f"{', '.join(annotations.columns)}). They come from Ledger.annotations()."
        )
    return annotations.sort("at", nulls_last=False, maintain_order=True).unique(
        ["round", "example", "annotator"], keep="last", maintain_order=True
    )


def class_counts(annotations: pl.DataFrame, *, cardinality: int) -> FloatArray:
    """(n_examples, k) how many annotators gave each class; an annotator counts once an example."""
    import polars as pl

    last = one_answer_each(annotations)
    bad = last.filter(~pl.col("label").is_between(0, cardinality - 1))
    if len(bad):
        raise RoundError(
            f"Column 'label' is outside 0 … {cardinality - 1} in {len(bad):,} of {len(last):,} "
            f"annotations (first: {bad['label'][0]})."
        )
    example = last.select(pl.struct("round", "example").rank("dense") - 1).to_series()
    n = int(example.max()) + 1 if len(last) else 0  # type: ignore[arg-type]
    counts = np.zeros((n, cardinality))
    np.add.at(counts, (example.to_numpy(), last["label"].to_numpy()), 1)
    return counts
