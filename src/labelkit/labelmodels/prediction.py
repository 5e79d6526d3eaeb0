"""From a posterior to probabilities, labels and tables: per unique row, then looked up."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

import narwhals as nw
import numpy as np
import numpy.typing as npt

from labelkit.engine import NativeFrame, to_native_like, to_polars_lazy
from labelkit.errors import LabelModelError
from labelkit.labelmodels.doubt import prior_share
from labelkit.labelmodels.posterior import Posterior
from labelkit.labelmodels.statistics import FloatArray, VoteStatistics
from labelkit.lfs import Votes

if TYPE_CHECKING:
    import polars as pl

TieBreak: TypeAlias = Literal["first", "abstain", "random", "true-random"]

# Snorkel's tolerance: probabilities this near to the largest are as large.
TIE = 1e-5
# Examples at a time where each is worked out by itself: a few tens of MiB.
_CHUNK = 1 << 16


def probabilities(votes: Votes, posterior: Posterior) -> FloatArray:
    """P(Y | votes) (n, k) in the order of the examples."""
    if not votes.repeating:
        return np.concatenate([posterior.proba(some) for some in _in_chunks(votes)])
    per_row = posterior.proba(VoteStatistics.of(votes))
    found: FloatArray = per_row[votes.pattern_index]
    return found


def _in_chunks(votes: Votes) -> Iterator[VoteStatistics]:
    """All rows, some at a time, for what is cheaper to work out than to find equal rows first.

    A row's probabilities are a sum over its own votes in the order of the LFs, and so the same to
    the last bit as those of its pattern.
    """
    L = votes.matrix
    for start in range(0, max(len(L), 1), _CHUNK):
        rows = L[start : start + _CHUNK]
        yield VoteStatistics(rows, np.ones(len(rows)), votes.cardinality, votes.lf_names)


def break_ties(
    proba: FloatArray, tie_break: TieBreak = "first", *, seed: int = 0
) -> npt.NDArray[np.int64]:
    """The most probable class (n,) of probabilities (n, k); see `VoteModel.predict`.

    Raises
    ------
    LabelModelError
        The policy is not one of the four.
    """
    if tie_break not in get_args(TieBreak):
        policies = ", ".join(map(repr, get_args(TieBreak)))
        raise LabelModelError(f"tie_break={tie_break!r} is none of {policies}.")
    top = proba >= proba.max(axis=1, keepdims=True) - TIE
    best: npt.NDArray[np.int64] = top.argmax(axis=1).astype(np.int64)
    tied = np.flatnonzero(top.sum(axis=1) > 1)
    if tie_break == "abstain":
        best[tied] = -1
    elif tie_break == "random":
        for i in tied:
            candidates = np.flatnonzero(top[i])
            best[i] = candidates[_snorkel_hash(int(i)) % len(candidates)]
    elif tie_break == "true-random":
        draws = np.random.default_rng(seed).random((len(tied), proba.shape[1]))
        best[tied] = np.where(top[tied], draws, -1).argmax(axis=1)
    return best


def label_table(votes: Votes, posterior: Posterior) -> NativeFrame:
    """Keys, ``p_0`` …, ``label``, ``margin``, ``covered``, ``prior_share``, in the user's kind.

    Each unique row of votes is worked out once; examples look theirs up. Rows are sorted by
    key, by Polars whatever the engine, so that all engines give the same order.
    """
    import polars as pl

    table = table_in_order(votes, posterior)
    if votes.keys:
        keys = to_polars_lazy(votes.key_frame).collect()
        table = _sorted_by_key(pl.concat([keys, table], how="horizontal"), list(votes.keys))
    return to_native_like(
        nw.from_native(table), votes.frame if votes.native is None else votes.native
    )


def table_in_order(votes: Votes, posterior: Posterior) -> pl.DataFrame:
    """``p_0`` … ``prior_share`` of the examples, in their order."""
    import polars as pl

    if not votes.repeating:
        return pl.concat([answers(some, posterior) for some in _in_chunks(votes)])
    statistics = VoteStatistics.of(votes)
    return answers(statistics, posterior)[votes.pattern_index]


def answers(statistics: VoteStatistics, posterior: Posterior) -> pl.DataFrame:
    """``p_0`` …, ``label``, ``margin``, ``covered``, ``prior_share`` of the rows of statistics."""
    import polars as pl

    proba = posterior.proba(statistics)
    two_best = np.partition(proba, -2, axis=1)[:, -2:]
    return pl.DataFrame(
        {f"p_{y}": proba[:, y] for y in range(proba.shape[1])}
        | {
            "label": break_ties(proba),
            "margin": two_best[:, 1] - two_best[:, 0],
            "covered": statistics.covered,
            "prior_share": prior_share(proba, posterior.balance),
        }
    )


def _sorted_by_key(table: pl.DataFrame, keys: list[str]) -> pl.DataFrame:
    """Sorted by keys, and by the rest where keys repeat, so that row order never shows."""
    import polars as pl

    # A table that is in order already, as evidence is, proves it at the cost of one comparison.
    falls, equal = pl.lit(False), pl.lit(True)
    for key in keys:
        above = pl.col(key).shift(1)
        falls = falls | (equal & (pl.col(key) < above))
        equal = equal & pl.col(key).eq_missing(above)
    if table.select(falls.any()).item():
        table = table.sort(keys)
    if table.select(equal.slice(1).any()).item():
        table = table.sort(table.columns)
    return table


def _snorkel_hash(row: int) -> int:
    import hashlib

    return int(hashlib.sha1(str(row).encode(), usedforsecurity=False).hexdigest(), 16)
