"""From a posterior to probabilities, labels and tables: per unique row, then looked up."""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args

import narwhals as nw
import numpy as np
import numpy.typing as npt

from labelkit.engine import NativeFrame, to_native_like
from labelkit.errors import LabelModelError
from labelkit.labelmodels.posterior import Posterior
from labelkit.labelmodels.statistics import FloatArray, VoteStatistics
from labelkit.lfs import Votes

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
    best = top.argmax(axis=1).astype(np.int64)
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
    """Keys, ``p_0`` …, ``label``, ``margin``, ``covered``, sorted by key, in the user's kind."""
    statistics = VoteStatistics.of(votes)
    proba = posterior.proba(statistics)
    two_best = np.partition(proba, -2, axis=1)[:, -2:]
    per_row = {f"p_{y}": proba[:, y] for y in range(proba.shape[1])}
    per_row["label"] = break_ties(proba)
    per_row["margin"] = two_best[:, 1] - two_best[:, 0]
    per_row["covered"] = statistics.covered
    index = votes.pattern_index
    keys = votes.key_frame
    columns = {name: values[index] for name, values in per_row.items()}
    native = nw.get_native_namespace(keys)
    table = nw.from_dict(columns, backend=native)
    if votes.keys:
        table = _sorted_by_key(nw.concat([keys, _like_index(table, keys)], how="horizontal"), votes)
    return to_native_like(table, votes.frame if votes.native is None else votes.native)


def _like_index(table: nw.DataFrame[object], keys: nw.DataFrame[object]) -> nw.DataFrame[object]:
    return nw.maybe_align_index(table, nw.maybe_reset_index(keys))


def _sorted_by_key(table: nw.DataFrame[object], votes: Votes) -> nw.DataFrame[object]:
    return table.sort(*votes.keys)


def _snorkel_hash(row: int) -> int:
    import hashlib

    return int(hashlib.sha1(str(row).encode(), usedforsecurity=False).hexdigest(), 16)
