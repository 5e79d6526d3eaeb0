"""From a posterior to probabilities, labels and tables: per unique row, then looked up."""

from __future__ import annotations

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


def probabilities(votes: Votes, posterior: Posterior) -> FloatArray:
    """P(Y | votes) (n, k) in the order of the examples."""
    per_row = posterior.proba(VoteStatistics.of(votes))
    found: FloatArray = per_row[votes.pattern_index]
    return found


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

    statistics = VoteStatistics.of(votes)
    proba = posterior.proba(statistics)
    two_best = np.partition(proba, -2, axis=1)[:, -2:]
    unique = pl.DataFrame(
        {f"p_{y}": proba[:, y] for y in range(proba.shape[1])}
        | {
            "label": break_ties(proba),
            "margin": two_best[:, 1] - two_best[:, 0],
            "covered": statistics.covered,
            "prior_share": prior_share(proba, posterior.balance),
        }
    )
    table = unique[votes.pattern_index]
    if votes.keys:
        keys = to_polars_lazy(votes.key_frame).collect()
        table = _sorted_by_key(pl.concat([keys, table], how="horizontal"), list(votes.keys))
    return to_native_like(
        nw.from_native(table), votes.frame if votes.native is None else votes.native
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
