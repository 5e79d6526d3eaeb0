"""Vote rows as whole numbers, and the unique rows with their counts.

A row of m votes over k classes is a number of m digits in base k + 1 (abstain is the digit 0), so
an engine groups by one integer column instead of m, and the order of the numbers is the
lexicographic order of the rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import narwhals as nw
import numpy as np
import numpy.typing as npt

from labelkit.errors import LFError

ABSTAIN = -1

Int8Array = npt.NDArray[np.int8]
Int64Array = npt.NDArray[np.int64]

# One bit for the sign, one to spare.
_BITS = 62
# Up to this many possible rows, finding a row is one array look-up (64 MiB of int32 at most).
_TABLE_SIZE = 1 << 24


@dataclass(frozen=True)
class Coding:
    """How m votes over k classes become c integer columns, c as small as 62 bits a column allow.

    ::

        rows   (n, m) int8   votes, ABSTAIN = -1
        codes  (n, c) int64  Σ_j (vote_j + 1)·(k + 1)^(last - j) within each block of LFs

    Parameters
    ----------
    m : number of labeling functions ≥ 0
    cardinality : number of classes k ≥ 1
    """

    m: int
    cardinality: int

    @property
    def base(self) -> int:
        """Values that one vote can take: abstain or one of k classes."""
        return self.cardinality + 1

    @cached_property
    def blocks(self) -> tuple[range, ...]:
        """The LFs that share each code column, in order."""
        size = 1
        while self.base ** (size + 1) <= 1 << _BITS:
            size += 1
        return tuple(range(i, min(i + size, self.m)) for i in range(0, self.m, size))

    @property
    def names(self) -> list[str]:
        """Names of the code columns that `exprs` makes."""
        return [f"__code_{b}__" for b in range(len(self.blocks))]

    def _weights(self, block: range) -> list[int]:
        return [self.base ** (len(block) - 1 - i) for i in range(len(block))]

    def exprs(self, lf_names: Sequence[str]) -> list[nw.Expr]:
        """The code columns as engine expressions over the vote columns ``lf_names`` (m names)."""
        codes = []
        for name, block in zip(self.names, self.blocks, strict=True):
            weights = self._weights(block)
            code = nw.lit(sum(weights), dtype=nw.Int64)
            for j, weight in zip(block, weights, strict=True):
                vote = nw.col(lf_names[j]).cast(nw.Int64)
                code = code + (vote if weight == 1 else vote * weight)
            codes.append(code.alias(name))
        return codes

    def encode(self, rows: npt.ArrayLike) -> Int64Array:
        """The codes (n, c) of vote rows (n, m)."""
        votes = np.asarray(rows)
        codes = np.zeros((len(votes), len(self.blocks)), dtype=np.int64)
        for b, block in enumerate(self.blocks):
            for j in block:
                codes[:, b] = codes[:, b] * self.base + (votes[:, j] + 1)
        return codes

    def decode(self, codes: npt.ArrayLike) -> Int8Array:
        """The vote rows (n, m) behind codes (n, c)."""
        values = np.asarray(codes, dtype=np.int64)
        rows = np.empty((len(values), self.m), dtype=np.int8)
        for b, block in enumerate(self.blocks):
            rest = values[:, b]
            for j in reversed(block):
                rest, digit = np.divmod(rest, self.base)
                rows[:, j] = digit - 1
        return rows


@dataclass(frozen=True)
class Patterns:
    """The unique vote rows and how often each occurs, in lexicographic order.

    ::

        rows    (p, m) int8, ABSTAIN = -1
        counts  (p,)   int64 ≥ 1

    The patterns of two sets of examples add up (``+``) to those of both sets together.
    """

    rows: Int8Array
    counts: Int64Array

    @classmethod
    def of(cls, L: npt.ArrayLike, counts: npt.ArrayLike | None = None) -> Patterns:
        """Patterns of a label matrix (n, m); ``counts`` (n,) says how often each row stands."""
        votes = np.asarray(L, dtype=np.int8)
        weight = np.ones(len(votes), np.int64) if counts is None else np.asarray(counts, np.int64)
        coding = Coding(votes.shape[1], max(int(votes.max(initial=ABSTAIN)) + 1, 1))
        unique, inverse = unique_rows(coding.encode(votes))
        total = np.zeros(len(unique), dtype=np.int64)
        np.add.at(total, inverse, weight)
        return cls(coding.decode(unique), total)

    @property
    def n(self) -> int:
        """Number of examples behind the patterns."""
        return int(self.counts.sum())

    def __len__(self) -> int:
        """Number of unique rows p."""
        return len(self.counts)

    def __add__(self, other: Patterns) -> Patterns:
        if self.rows.shape[1] != other.rows.shape[1]:
            raise LFError(
                f"Patterns of {self.rows.shape[1]} and of {other.rows.shape[1]} labeling functions "
                "do not add up: both must come from the same functions, in the same order."
            )
        return Patterns.of(
            np.concatenate([self.rows, other.rows]), np.concatenate([self.counts, other.counts])
        )

    def index(self, codes: npt.ArrayLike, coding: Coding) -> npt.NDArray[np.intp]:
        """Which pattern each code row (n, c) is: ``rows[index]`` gives the votes back.

        Raises
        ------
        LFError
            A code is none of these patterns'.
        """
        wanted = np.asarray(codes, dtype=np.int64)
        mine = coding.encode(self.rows)
        if len(coding.blocks) == 1 and coding.base**coding.m <= _TABLE_SIZE:
            table = np.full(coding.base**coding.m, -1, dtype=np.int32)
            table[mine[:, 0]] = np.arange(len(self), dtype=np.int32)
            found = table[wanted[:, 0]].astype(np.intp)
        else:
            unique, inverse = unique_rows(np.concatenate([mine, wanted]))
            owner = np.full(len(unique), -1, dtype=np.intp)
            owner[inverse[: len(mine)]] = np.arange(len(mine))
            found = owner[inverse[len(mine) :]]
        if (found < 0).any():
            raise LFError(
                f"{int((found < 0).sum()):,} of {len(found):,} rows are unknown patterns."
            )
        return found


def unique_rows(codes: Int64Array) -> tuple[Int64Array, npt.NDArray[np.intp]]:
    """Unique rows of codes (n, c) in order, and for each row the place of its like."""
    if codes.shape[1] == 1:
        unique, inverse = np.unique(codes[:, 0], return_inverse=True)
        return unique[:, None], inverse.astype(np.intp)
    if codes.shape[1] == 0:
        return codes[:1], np.zeros(len(codes), dtype=np.intp)
    order = np.lexsort(codes.T[::-1])
    ordered = codes[order]
    first = np.ones(len(codes), dtype=bool)
    first[1:] = (ordered[1:] != ordered[:-1]).any(axis=1)
    inverse = np.empty(len(codes), dtype=np.intp)
    inverse[order] = np.cumsum(first) - 1
    return ordered[first], inverse
