"""Answers of people as a sparse statistic: which worker gave which answer to which item."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Answers:
    """Answers in long form, one row for each different (item, worker, class).

    ::

        item    (a,) number of the item, 0 … n_items-1, rising
        worker  (a,) number of the worker, 0 … n_workers-1
        label   (a,) class that was answered, 0 … k-1
        weight  (a,) share of the worker's one answer to the item, in (0, 1]

    A worker who answered an item again is one witness, not two: his answers to it share one vote.
    Items without an answer are allowed (gold may know them). Nothing here, nor in what is made of
    it, is as large as n_items × n_workers.
    """

    item: IntArray
    worker: IntArray
    label: IntArray
    weight: FloatArray
    n_items: int
    n_workers: int
    cardinality: int

    @classmethod
    def of(
        cls,
        item: npt.ArrayLike,
        worker: npt.ArrayLike,
        label: npt.ArrayLike,
        *,
        n_items: int | None = None,
        n_workers: int | None = None,
        cardinality: int | None = None,
    ) -> Answers:
        """Answers from numbered rows (a,); sizes are one more than the largest number if absent."""
        items, workers, labels = (np.asarray(x, np.int64) for x in (item, worker, label))
        n = int(items.max(initial=-1)) + 1 if n_items is None else n_items
        m = int(workers.max(initial=-1)) + 1 if n_workers is None else n_workers
        k = max(int(labels.max(initial=-1)) + 1, 2) if cardinality is None else cardinality
        key, times = np.unique((items * m + workers) * k + labels, return_counts=True)
        pair = key // k
        # Keys are sorted, so that the answers of one worker to one item stand together.
        group = np.cumsum(np.diff(pair, prepend=pair[:1]) != 0)
        total = np.bincount(group, weights=times)
        return cls(pair // m, pair % m, key % k, times / total[group], n, m, k)

    @cached_property
    def matrix(self) -> Any:
        """Answers (n_items, n_workers · k) as a sparse matrix of weights."""
        from scipy.sparse import csr_array

        column = self.worker * self.cardinality + self.label
        shape = (self.n_items, self.n_workers * self.cardinality)
        return csr_array((self.weight, (self.item, column)), shape=shape)

    @cached_property
    def transposed(self) -> Any:
        """The same, (n_workers · k, n_items)."""
        return self.matrix.T.tocsr()

    @cached_property
    def tallies(self) -> FloatArray:
        """Votes per item and class (n_items, k)."""
        flat = np.bincount(
            self.item * self.cardinality + self.label,
            weights=self.weight,
            minlength=self.n_items * self.cardinality,
        )
        return np.asarray(flat, np.float64).reshape(self.n_items, self.cardinality)

    @cached_property
    def per_worker(self) -> FloatArray:
        """Items answered per worker (n_workers,)."""
        answered = np.bincount(self.worker, weights=self.weight, minlength=self.n_workers)
        return np.asarray(answered, np.float64)

    @cached_property
    def per_item(self) -> FloatArray:
        """Workers who answered each item (n_items,)."""
        return np.asarray(self.tallies.sum(axis=1))

    def scores(self, weights: FloatArray) -> FloatArray:
        """Σ over an item's answers of ``weights`` (n_workers, s, k): scores of states (n, s)."""
        m, s, k = weights.shape
        return np.asarray(self.matrix @ weights.transpose(0, 2, 1).reshape(m * k, s))

    def confusions(self, mass: FloatArray) -> FloatArray:
        """Expected answers (n_workers, s, k) of each worker in each state, from ``mass`` (n, s)."""
        counts = np.asarray(self.transposed @ mass)
        shape = (self.n_workers, self.cardinality, mass.shape[1])
        return np.ascontiguousarray(counts.reshape(shape).transpose(0, 2, 1))

    def leading(self) -> BoolArray:
        """Which classes have an item's most votes (n, k); several on a tie."""
        top = self.tallies.max(axis=1, keepdims=True)
        return np.asarray((self.tallies >= top - 1e-9) & (top > 0))
