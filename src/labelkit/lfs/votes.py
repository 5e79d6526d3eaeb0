"""``Votes``: what labeling functions said, as a table in the engine and as statistics in NumPy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import narwhals as nw
import numpy as np
import numpy.typing as npt

from labelkit.engine import Frame, NativeFrame, collect, to_native_like
from labelkit.errors import LFError

ABSTAIN = -1

Int8Array = npt.NDArray[np.int8]
Int64Array = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Patterns:
    """The unique vote rows and how often each occurs, in lexicographic order.

    ::

        rows    (p, m) int8, ABSTAIN = -1
        counts  (p,)   int64 ≥ 1
    """

    rows: Int8Array
    counts: Int64Array

    @property
    def n(self) -> int:
        """Number of examples behind the patterns."""
        return int(self.counts.sum())


@dataclass(frozen=True)
class Votes:
    """Votes of m labeling functions on n examples, one int8 column per function.

    ::

        frame   key columns, then one int8 column per LF; ABSTAIN = -1, labels 0 … k-1

    Parameters
    ----------
    frame : Narwhals frame holding the key and vote columns
    keys : names of the columns that identify an example; may be empty
    lf_names : names of the vote columns, in order
    cardinality : number of classes k ≥ 2
    native : the frame that the user passed in, so that results come back in its kind
    """

    frame: Frame
    keys: tuple[str, ...]
    lf_names: tuple[str, ...]
    cardinality: int
    native: NativeFrame = None

    @classmethod
    def from_matrix(
        cls,
        L: npt.ArrayLike,
        *,
        cardinality: int | None = None,
        lf_names: Sequence[str] | None = None,
    ) -> Votes:
        """Votes from Snorkel's label matrix L (n, m): integers from -1 to k-1.

        Raises
        ------
        LFError
            L is not a two-dimensional array of whole numbers ≥ -1 and < ``cardinality``.
        """
        import polars as pl

        raw = np.asarray(L)
        if raw.ndim != 2:
            raise LFError(f"A label matrix has two dimensions (examples, LFs); got {raw.shape}.")
        votes = raw.astype(np.int8)
        if not np.array_equal(votes, raw):
            raise LFError("A label matrix holds whole numbers: -1 (abstain), 0, 1, …")
        highest = int(votes.max(initial=ABSTAIN))
        if votes.min(initial=ABSTAIN) < ABSTAIN:
            raise LFError("A label matrix holds no number below -1 (abstain).")
        k = max(highest + 1, 2) if cardinality is None else cardinality
        if highest >= k:
            raise LFError(f"A vote for class {highest} is outside the {k} classes 0 … {k - 1}.")
        names = tuple(lf_names or (f"lf_{j}" for j in range(votes.shape[1])))
        if len(names) != votes.shape[1]:
            raise LFError(f"{len(names)} names for {votes.shape[1]} LFs.")
        frame = pl.DataFrame({name: votes[:, j] for j, name in enumerate(names)})
        return cls(nw.from_native(frame), (), names, k, frame)

    @cached_property
    def _eager(self) -> nw.DataFrame[Any]:
        return collect(self.frame)

    def __len__(self) -> int:
        return len(self._eager)

    @property
    def matrix(self) -> Int8Array:
        """Snorkel's label matrix L, (n, m) int8, in the order of ``frame``."""
        if not self.lf_names:
            return np.empty((len(self), 0), dtype=np.int8)
        columns = [self._eager[name].to_numpy().astype(np.int8) for name in self.lf_names]
        return np.column_stack(columns)

    @cached_property
    def patterns(self) -> Patterns:
        """Unique vote rows with counts: one group-by in the engine."""
        names = list(self.lf_names)
        unique = collect(self.frame.group_by(names).agg(nw.len().alias("__count__")))  # type: ignore[union-attr]
        rows = np.column_stack([unique[name].to_numpy().astype(np.int8) for name in names])
        counts = unique["__count__"].to_numpy().astype(np.int64)
        order = np.lexsort(rows.T[::-1])
        return Patterns(rows[order], counts[order])

    @property
    def key_frame(self) -> nw.DataFrame[Any]:
        """The key columns alone, collected, in the order of ``frame``."""
        return self._eager.select(list(self.keys))

    def to_native(self) -> NativeFrame:
        """Keys and votes as a dataframe of the kind that the user put in."""
        like = self.frame if self.native is None else self.native
        return to_native_like(self._eager, like)
