"""How often every pair of votes occurs together: all that Snorkel's objective asks of the votes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from labelkit.errors import LFError
from labelkit.lfs.patterns import Int64Array, Patterns

# Patterns at a time, as indicators in float64; rows at a time, as bits: a few MiB each.
_CHUNK, _BITS_CHUNK = 1 << 14, 1 << 18


@dataclass(frozen=True)
class Moments:
    """Co-occurrence counts of the one-hot votes λ ∈ {0, 1}^(m·k).

    ::

        counts  (m·k, m·k) int64 ≥ 0, symmetric; cell (j·k + a, i·k + b) counts the examples
                on which LF j votes a and LF i votes b
        n       number of examples

    The moments of two sets of examples add up (``+``) to those of both sets together.

    References
    ----------
    O = E[λλᵀ] of Ratner et al. 2019, "Training complex models with multi-task weak supervision".
    """

    counts: Int64Array
    n: int
    cardinality: int

    @property
    def O(self) -> npt.NDArray[np.float64]:  # noqa: E743 - the paper's name
        """The second moments E[λλᵀ], (m·k, m·k) in [0, 1]."""
        return self.counts / self.n

    def __add__(self, other: Moments) -> Moments:
        if self.counts.shape != other.counts.shape or self.cardinality != other.cardinality:
            raise LFError(
                f"Moments of shape {self.counts.shape} and {other.counts.shape} do not add up: "
                "both must come from the same labeling functions and the same classes."
            )
        return Moments(self.counts + other.counts, self.n + other.n, self.cardinality)

    @classmethod
    def of_patterns(cls, patterns: Patterns, cardinality: int) -> Moments:
        """Moments from unique rows with counts: cost grows with the number of patterns."""
        size = patterns.rows.shape[1] * cardinality
        counts = np.zeros((size, size))
        # In chunks: many dense LFs have nearly as many patterns as there are examples.
        for start in range(0, len(patterns), _CHUNK):
            part = slice(start, start + _CHUNK)
            hot = indicators(patterns.rows[part], cardinality)
            # Whole numbers are exact in float64 up to 2^53 examples.
            counts += hot @ (hot * patterns.counts[part]).T
        return cls(np.rint(counts).astype(np.int64), patterns.n, cardinality)

    @classmethod
    def of_matrix(cls, L: npt.NDArray[np.int8], cardinality: int) -> Moments:
        """Moments from a label matrix (n, m) in chunks of bounded memory."""
        size = L.shape[1] * cardinality
        counts = np.zeros((size, size), dtype=np.int64)
        for start in range(0, len(L), _BITS_CHUNK):
            words = _bit_rows(L[start : start + _BITS_CHUNK], cardinality)
            for i in range(size):
                both = np.bitwise_count(words[i:] & words[i])
                counts[i, i:] += both.sum(axis=1, dtype=np.int64)
        return cls(np.triu(counts) + np.triu(counts, 1).T, len(L), cardinality)


def _bit_rows(L: npt.NDArray[np.int8], cardinality: int) -> npt.NDArray[np.uint64]:
    """Votes (n, m) as bits (m·k, ⌈n/64⌉): sixty-four examples to the word.

    Pairs are then counted by AND and a count of bits: whole numbers throughout, a third of the time
    of a matrix product, and no threads that wait for each other on a busy machine.
    """
    n, m = L.shape
    packed = np.zeros((m * cardinality, -(-n // 64) * 8), dtype=np.uint8)
    for j in range(m):
        votes = np.ascontiguousarray(L[:, j])
        for a in range(cardinality):
            packed[j * cardinality + a, : -(-n // 8)] = np.packbits(votes == a)
    return packed.view(np.uint64)


def indicators(L: npt.NDArray[np.int8], cardinality: int) -> npt.NDArray[np.float64]:
    """Votes (n, m) as indicators λᵀ (m·k, n), LF by LF; an abstention is a column of zeros.

    One vote a row: each comparison then reads and writes without a gap.
    """
    n, m = L.shape
    hot = np.empty((m * cardinality, n))
    for j in range(m):
        votes = np.ascontiguousarray(L[:, j])
        for a in range(cardinality):
            hot[j * cardinality + a] = votes == a
    return hot
