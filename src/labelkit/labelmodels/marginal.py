"""Marginal value of each LF: what the labels lose without it, by fitting again to the patterns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import narwhals as nw
import numpy as np
import numpy.typing as npt

from labelkit.engine import NativeFrame, to_native_like, to_polars_lazy
from labelkit.errors import LabelModelError
from labelkit.labelmodels.auto import MIN_LFS, N_FOLDS, Method
from labelkit.labelmodels.calibration import answer_without_votes, calibrate_on
from labelkit.labelmodels.model import METHODS, LabelModel, MethodName
from labelkit.labelmodels.posterior import Calibration, Posterior, Scorer
from labelkit.labelmodels.prediction import break_ties
from labelkit.labelmodels.statistics import (
    FloatArray,
    GoldSample,
    IntArray,
    VoteStatistics,
    checked_balance,
    gold_sample,
)
from labelkit.lfs import ABSTAIN, Votes, align_gold
from labelkit.lfs.clusters import paired_means, paired_shares

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True)
class _Fit:
    """What one set of LFs makes of the patterns (p, k), and of held-out gold (g, k)."""

    proba: FloatArray
    covered: npt.NDArray[np.bool_]
    held_out: FloatArray


@dataclass(frozen=True)
class _Task:
    """Everything that stays the same while LFs are left out."""

    statistics: VoteStatistics
    method: Method
    balance: FloatArray
    balance_given: bool
    gold: GoldSample | None
    fold: IntArray
    seed: int


def marginal_value(
    votes: Votes,
    gold: NativeFrame | None = None,
    *,
    method: MethodName = "auto",
    class_balance: Sequence[float] | FloatArray | None = None,
    cluster: str | None = None,
    seed: int = 0,
) -> NativeFrame:
    """One row per LF: what the labels would be without it.

    Parameters
    ----------
    gold : as in `VoteModel.fit`. The model's calibration learns from it; every gold example is
        judged by a model that saw neither it nor its cluster
    method : of the label model; "auto" is settled once, on all LFs, so that what is measured is
        the LF and not the choice
    cluster : key column whose examples stay together in folds and intervals; the first key
        unless given

    Returns
    -------
    Frame of the kind that the examples came in

    - ``lf``: name
    - ``coverage_lost``: share of examples that no other LF votes on
    - ``labels_changed``: share of examples whose label is another without it
    - ``probability_moved``: mean over examples of half the summed change of their probabilities
    - with gold ``accuracy_gain``: accuracy of the labels with it less that without it on held-out
      gold, ``accuracy_gain_low``, ``accuracy_gain_high``: paired 95 % interval
    - ``log_loss_gain``, ``log_loss_gain_low``, ``log_loss_gain_high``: log loss without it less
      that with it; positive says that the LF helps. It sees changes too small to turn a label.

    Notes
    -----
    Leave one out: two copies of a good LF are each worth nothing. Read it beside `redundancy`.
    """
    import polars as pl

    task = _task(votes, gold, method, class_balance, cluster, seed)
    statistics = task.statistics
    whole = _fit(task, range(statistics.m))
    labels = break_ties(whole.proba)
    share = statistics.counts / statistics.n
    units = _clusters(votes, gold, cluster) if gold is not None else None
    rows = []
    for j, name in enumerate(statistics.lf_names):
        without = _fit(task, [i for i in range(statistics.m) if i != j])
        moved = np.abs(whole.proba - without.proba).sum(axis=1) / 2
        row: dict[str, object] = {
            "lf": name,
            "coverage_lost": float(share @ (whole.covered & ~without.covered)),
            "labels_changed": float(share @ (labels != break_ties(without.proba))),
            "probability_moved": float(share @ moved),
        }
        if task.gold is not None and units is not None:
            row |= _gains(task.gold, units, whole.held_out, without.held_out)
        rows.append(row)
    table = pl.DataFrame(rows).with_columns(pl.col(pl.Float64).fill_nan(None))
    return to_native_like(
        nw.from_native(table), votes.frame if votes.native is None else votes.native
    )


def _task(
    votes: Votes,
    gold: NativeFrame | None,
    method: MethodName,
    class_balance: Sequence[float] | FloatArray | None,
    cluster: str | None,
    seed: int,
) -> _Task:
    statistics = VoteStatistics.of(votes)
    if not statistics.n:
        raise LabelModelError("There is no example in these votes.")
    k = votes.cardinality
    balance: FloatArray = np.full(k, 1 / k)
    if class_balance is not None:
        balance = checked_balance(class_balance, k)
    sample = None if gold is None else gold_sample(votes, gold)
    sample = sample if sample is not None and len(sample) else None
    if method == "auto":
        model = LabelModel(k, "auto", seed=seed)
        model._fit_statistics(statistics, sample, None if class_balance is None else balance)
        chosen: Method = model.method_
    else:
        chosen = method
    fold: IntArray = np.zeros(0, dtype=np.intp)
    if sample is not None:
        units = _clusters(votes, gold, cluster)
        n_units = int(units.max()) + 1
        if n_units < 2:
            units = np.arange(len(sample), dtype=np.intp)
            n_units = len(units)
        deal: IntArray = np.arange(n_units, dtype=np.intp) % min(N_FOLDS, n_units)
        np.random.default_rng(seed).shuffle(deal)
        fold = np.asarray(deal[units])
    return _Task(statistics, chosen, balance, class_balance is not None, sample, fold, seed)


def _clusters(votes: Votes, gold: NativeFrame, cluster: str | None) -> IntArray:
    """Number of the cluster of each gold example, in the order of `gold_sample`."""
    import polars as pl

    known = np.flatnonzero(align_gold(votes, gold) != ABSTAIN)
    if cluster is not None and cluster not in votes.keys:
        raise LabelModelError(f"{cluster!r} is none of the keys {votes.keys}.")
    by = cluster or (votes.keys[0] if votes.keys else None)
    if by is None:
        return np.arange(len(known), dtype=np.intp)
    keys = to_polars_lazy(votes.key_frame.select(by)).collect()[by].gather(known)
    numbers: IntArray = keys.rank("dense").cast(pl.Int64).to_numpy().astype(np.intp) - 1
    return numbers


def _fit(task: _Task, kept: Sequence[int]) -> _Fit:
    """Fit to the votes of some LFs; patterns keep their numbers."""
    full = task.statistics
    k = full.cardinality
    names = tuple(full.lf_names[j] for j in kept)
    part = VoteStatistics(np.ascontiguousarray(full.rows[:, list(kept)]), full.counts, k, names)
    g = 0 if task.gold is None else len(task.gold)
    if not len(kept) or not part.covered.any():
        usual = task.balance if task.gold is None else task.gold.balance(k)
        silent = np.tile(usual, (len(full.rows), 1))
        return _Fit(silent, np.zeros(len(full.rows), dtype=bool), _prior_of_the_rest(task, k))
    scorer, silent_answer, assumed = _scored(task, part)
    held_out = np.empty((g, k))
    calibration, unvoted = Calibration.identity(k), silent_answer
    if task.gold is not None:
        for number in range(int(task.fold.max()) + 1):
            rest, out = np.flatnonzero(task.fold != number), np.flatnonzero(task.fold == number)
            posterior = _calibrated(scorer, part, task.gold.take(rest), silent_answer, assumed)
            rows = part.rows[task.gold.pattern[out]]
            few = VoteStatistics(rows, np.ones(len(rows)), k, names)
            held_out[out] = posterior.proba(few)
        everything = _calibrated(scorer, part, task.gold, silent_answer, assumed)
        calibration, unvoted = everything.calibration, everything.balance
    proba = Posterior(scorer, calibration, unvoted).proba(part)
    return _Fit(proba, part.covered, held_out)


def _scored(task: _Task, part: VoteStatistics) -> tuple[Scorer, FloatArray, FloatArray]:
    """Scores, the answer (k,) where nobody votes, and the class balance (k,) that they assume."""
    # The scores must not have seen the gold that they are judged by, so none is given.
    nothing = None if task.gold is None else task.gold.take(np.arange(0))
    method = task.method
    if part.m < MIN_LFS and method in ("snorkel", "triplets"):
        method = "majority"
    model = METHODS[method](part.cardinality, seed=task.seed)
    model._balance_given = task.balance_given
    scorer = model._fit_scorer(part, task.balance, nothing)
    estimated = model._balance_from_votes()
    assumed = task.balance if estimated is None else estimated
    return scorer, model._without_votes(scorer, task.balance), assumed


def _calibrated(
    scorer: Scorer,
    part: VoteStatistics,
    gold: GoldSample,
    silent_answer: FloatArray,
    assumed: FloatArray,
) -> Posterior:
    if not len(gold):
        return Posterior(scorer, Calibration.identity(part.cardinality), silent_answer)
    calibration = calibrate_on(scorer, part, gold, assumed)
    answer = answer_without_votes(calibration, silent_answer, part, gold)
    return Posterior(scorer, calibration, answer)


def _prior_of_the_rest(task: _Task, k: int) -> FloatArray:
    """What is said of gold examples when there is no vote: the classes of the other folds."""
    if task.gold is None:
        return np.empty((0, k))
    out = np.empty((len(task.gold), k))
    for number in range(int(task.fold.max()) + 1):
        inside = task.fold == number
        rest = task.gold.take(np.flatnonzero(~inside))
        out[inside] = rest.balance(k) if len(rest) else task.balance
    return out


def _gains(
    gold: GoldSample, units: IntArray, full: FloatArray, without: FloatArray
) -> dict[str, object]:
    right = [(break_ties(p) == gold.label).astype(np.float64) for p in (full, without)]
    loss = [
        -np.log(np.maximum(p[np.arange(len(gold)), gold.label], 1e-12)) for p in (full, without)
    ]
    gain = paired_shares(right[0] - right[1], gold.weight, units)
    less = paired_means(loss[1] - loss[0], gold.weight, units)
    named: dict[str, object] = {}
    for name, (estimate, low, high) in (("accuracy_gain", gain), ("log_loss_gain", less)):
        named |= {name: estimate, f"{name}_low": low, f"{name}_high": high}
    return named
