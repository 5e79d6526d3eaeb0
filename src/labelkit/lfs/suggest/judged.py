"""Gold beside examples: label, weight and cluster of each row that somebody judged."""

from __future__ import annotations

from dataclasses import dataclass

import narwhals as nw
import numpy as np
import numpy.typing as npt

from labelkit.engine import NativeFrame, to_polars_lazy
from labelkit.errors import GoldError
from labelkit.lfs.gold import align_gold
from labelkit.lfs.patterns import ABSTAIN
from labelkit.lfs.votes import Votes

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Judged:
    """The examples that a target is known of, in the order of the votes.

    ::

        row      (n,)   place of the example among all
        target   (n, k) 1 at the gold label, or a probability for each class
        weight   (n,)   1/π scaled to a mean of 1
        cluster  (n,)   number of the query; of the example itself where there is one query only
    """

    row: IntArray
    target: FloatArray
    weight: FloatArray
    cluster: IntArray

    def __len__(self) -> int:
        return len(self.row)

    @property
    def n_clusters(self) -> int:
        """Number of clusters."""
        return len(np.unique(self.cluster))

    def folds(self, n_folds: int, seed: int) -> IntArray:
        """Fold of each row, (n,): whole clusters dealt at random, larger ones first.

        Dealing by size keeps folds of nearly one size although queries differ.
        """
        _, of, size = np.unique(self.cluster, return_inverse=True, return_counts=True)
        order = np.random.default_rng(seed).permutation(len(size))
        order = order[np.argsort(-size[order], kind="stable")]
        fold, load = np.empty(len(size), dtype=np.int64), np.zeros(n_folds)
        for cluster in order:  # clusters of judged examples, not rows of a log
            fold[cluster] = load.argmin()
            load[fold[cluster]] += size[cluster]
        return fold[of]

    def take(self, rows: npt.NDArray[np.bool_]) -> Judged:
        """Some of the rows."""
        return Judged(self.row[rows], self.target[rows], self.weight[rows], self.cluster[rows])


def judged_by_gold(votes: Votes, gold: NativeFrame) -> Judged:
    """The examples with gold, weighted by 1/π where gold has ``inclusion_probability``.

    Raises
    ------
    GoldError
        What `align_gold` raises, and probabilities outside (0, 1].
    """
    label = align_gold(votes, gold)
    row = np.flatnonzero(label != ABSTAIN)
    target = np.eye(votes.cardinality)[label[row]]
    return Judged(row, target, _weights(votes, gold, row), clusters(votes)[row])


def judged_by_labels(votes: Votes, labels: NativeFrame) -> Judged:
    """The examples with a vote, with the label model's probabilities for a target.

    Parameters
    ----------
    labels : keys, ``p_0`` … ``p_{k-1}`` and ``covered``, as `LabelModel.label` gives

    Raises
    ------
    GoldError
        A column is missing, or no example of the votes has a label.
    """
    import polars as pl

    names = [f"p_{y}" for y in range(votes.cardinality)]
    frame = nw.from_native(labels)
    have = frame.collect_schema()
    missing = [name for name in (*votes.keys, *names) if name not in have]
    if missing:
        raise GoldError(f"The labels lack {missing[0]!r}: give what LabelModel.label(votes) gives.")
    covered = ["covered"] if "covered" in have else []
    table = to_polars_lazy(frame.select([*votes.keys, *names, *covered])).collect()
    if votes.keys:
        keys = to_polars_lazy(votes.key_frame).collect()
        table = keys.join(table, on=list(votes.keys), how="left", maintain_order="left")
    elif len(table) != len(votes):
        raise GoldError(f"{len(table):,} labels for {len(votes):,} examples without keys.")
    known = pl.all_horizontal(pl.col(names).is_not_null())
    if covered:
        known &= pl.col("covered")
    row = np.flatnonzero(table.select(known.fill_null(False)).to_series().to_numpy())
    if not len(row):
        raise GoldError("No example has both a vote and a weak label to learn from.")
    target = table.select(names).to_numpy()[row].astype(np.float64)
    return Judged(row, target, np.ones(len(row)), clusters(votes)[row])


def clusters(votes: Votes) -> IntArray:
    """Number of each example's query, (n,); with one query, or one key, of the example itself."""
    if len(votes.keys) > 1:
        first = to_polars_lazy(votes.key_frame).collect().to_series()
        number: IntArray = (first.rank("dense") - 1).fill_null(-1).cast(int).to_numpy()
        if len(number) and number.max() > number.min():
            return number
    return np.arange(len(votes), dtype=np.int64)


def _weights(votes: Votes, gold: NativeFrame, row: IntArray) -> FloatArray:
    """1/π of the judged rows, scaled to a mean of 1; ones where gold does not say."""
    import polars as pl

    name = "inclusion_probability"
    if isinstance(gold, np.ndarray | list | tuple):
        return np.ones(len(row))
    frame = nw.from_native(gold)
    if name not in frame.collect_schema():
        return np.ones(len(row))
    keys = list(votes.keys)
    examples = to_polars_lazy(votes.key_frame).collect()
    table = to_polars_lazy(frame.select([*keys, "label", name])).collect().drop_nulls("label")
    table = table.with_columns(table[key].cast(examples[key].dtype) for key in keys)
    pi = pl.col(name)
    bad = table.filter(~(pi.is_not_null() & (pi > 0) & (pi <= 1)))
    if len(bad):
        raise GoldError(
            f"{len(bad):,} gold labels have no {name} in (0, 1] (first: {bad[name][0]!r})."
        )
    joined = examples.join(table.select(*keys, name), on=keys, how="left", maintain_order="left")
    weight = 1 / joined[name].to_numpy()[row].astype(np.float64)
    scaled: FloatArray = weight / weight.mean()
    return scaled
