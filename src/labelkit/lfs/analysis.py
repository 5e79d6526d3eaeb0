"""What each labeling function does: coverage, overlaps, conflicts, and accuracy where gold tells.

Everything is computed from vote patterns with counts, so it costs a group-by whatever the number
of examples.
"""

from __future__ import annotations

from dataclasses import dataclass

import narwhals as nw
import numpy as np
import numpy.typing as npt

from labelkit.engine import NativeFrame, to_native_like
from labelkit.errors import LFError
from labelkit.lfs.gold import align_gold
from labelkit.lfs.patterns import ABSTAIN, Int8Array, Int64Array, Patterns
from labelkit.lfs.votes import Votes

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class LFCounts:
    """How many examples each LF votes on, shares, and disputes; (m,) each, of n examples.

    Two sets of examples add up (``+``).
    """

    votes: Int64Array  # per LF and label, (m, k)
    overlaps: Int64Array
    conflicts: Int64Array
    n: int

    @classmethod
    def of(cls, patterns: Patterns, cardinality: int) -> LFCounts:
        """Counts from unique vote rows."""
        rows, counts = patterns.rows, patterns.counts
        voted = rows != ABSTAIN
        shared = voted.sum(axis=1) > 1
        highest = rows.max(axis=1, initial=ABSTAIN)
        lowest = np.where(voted, rows, np.int8(127)).min(axis=1, initial=127)
        disputed = shared & (highest != lowest)
        per_label = [(counts @ (rows == label)) for label in range(cardinality)]
        return cls(
            votes=np.column_stack(per_label).astype(np.int64),
            overlaps=(counts * shared) @ voted,
            conflicts=(counts * disputed) @ voted,
            n=patterns.n,
        )

    def __add__(self, other: LFCounts) -> LFCounts:
        return LFCounts(
            self.votes + other.votes,
            self.overlaps + other.overlaps,
            self.conflicts + other.conflicts,
            self.n + other.n,
        )


def analyze(votes: Votes, gold: NativeFrame | None = None) -> NativeFrame:
    """One row per LF: what it covers, shares and disputes, and how often gold agrees.

    Parameters
    ----------
    votes : votes of m LFs on n examples
    gold : frame with the key columns and ``label``, or an array (n,) in the order of the votes
        with -1 where there is no gold; accuracy is taken over examples with gold only

    Returns
    -------
    Frame of the kind that the examples came in, with the columns

    - ``lf``: name
    - ``polarity``: the labels that it voted, in order
    - ``coverage``: share of examples on which it votes
    - ``overlaps``: share of examples on which it and another LF vote
    - ``conflicts``: share of examples on which it votes and any two LFs differ
    - with gold ``correct``, ``incorrect``: counts; ``accuracy`` = correct ÷ both (null if neither);
      ``accuracy_low``, ``accuracy_high``: Wilson's 95 % interval

    Notes
    -----
    Columns and values are those of ``snorkel.labeling.LFAnalysis.lf_summary``, except that an
    accuracy of nothing is null here and 0 there. Wilson 1927, "Probable inference, the law of
    succession, and statistical inference"; it takes the gold for a simple random sample of what
    the LF votes on, so gold that was selected for its information bends it.
    """
    import polars as pl

    counts = LFCounts.of(votes.patterns, votes.cardinality)
    n = max(counts.n, 1)
    table = pl.DataFrame(
        {
            "lf": list(votes.lf_names),
            "polarity": pl.Series(
                [np.flatnonzero(row).tolist() for row in counts.votes], dtype=pl.List(pl.Int64)
            ),
            "coverage": counts.votes.sum(axis=1) / n,
            "overlaps": counts.overlaps / n,
            "conflicts": counts.conflicts / n,
        }
    )
    if gold is not None:
        correct, incorrect = against_gold(votes, align_gold(votes, gold))
        judged = correct + incorrect
        low, high = wilson(correct, judged)
        table = table.with_columns(
            pl.Series("correct", correct),
            pl.Series("incorrect", incorrect),
            pl.Series("accuracy", correct / np.maximum(judged, 1)).set(
                pl.Series(judged == 0), None
            ),
            pl.Series("accuracy_low", low).fill_nan(None),
            pl.Series("accuracy_high", high).fill_nan(None),
        )
    like = votes.frame if votes.native is None else votes.native
    return to_native_like(nw.from_native(table), like)


def against_gold(votes: Votes, gold: Int64Array) -> tuple[Int64Array, Int64Array]:
    """How many votes of each LF gold confirms and contradicts, (m,) each.

    Parameters
    ----------
    gold : (n,) labels in the order of the votes, -1 where there is none
    """
    known = gold != ABSTAIN
    labels = gold[known].astype(np.int8)
    rows: Int8Array = votes.matrix[known]
    voted = rows != ABSTAIN
    correct = (voted & (rows == labels[:, None])).sum(axis=0, dtype=np.int64)
    return correct, voted.sum(axis=0, dtype=np.int64) - correct


def wilson(
    successes: Int64Array, trials: Int64Array, *, level: float = 0.95
) -> tuple[FloatArray, FloatArray]:
    """Wilson's score interval of a proportion, (m,) each; NaN where there is no trial."""
    from scipy.stats import binomtest

    if not 0 < level < 1:
        raise LFError(f"The level of an interval lies between 0 and 1; got {level}.")
    low = np.full(len(trials), np.nan)
    high = np.full(len(trials), np.nan)
    for j in np.flatnonzero(trials):
        interval = binomtest(int(successes[j]), int(trials[j])).proportion_ci(level, "wilson")
        low[j], high[j] = interval.low, interval.high
    return low, high
