"""The interval of the class balance: groups of items left out in turn."""

from __future__ import annotations

import numpy as np

from labelkit.labelmodels.crowds.answers import Answers, BoolArray, FloatArray
from labelkit.labelmodels.crowds.choice import fit_method
from labelkit.labelmodels.crowds.hierarchy import Known

N_GROUPS = 16


def balance_interval(
    answers: Answers,
    known: Known,
    method: str,
    balance: FloatArray,
    counted: BoolArray,
    *,
    seed: int,
    level: float = 0.95,
) -> FloatArray:
    """Delete-a-group jackknife over items, on the logit scale, (k, 2).

    Each of 16 groups of items is left out in turn, the model is fitted again, and what the balance
    moves by is the measure of doubt: labels, workers and population are all learned anew. Student
    quantile with one degree of freedom less than there are groups (Shao & Wu 1989).

    Parameters
    ----------
    balance : (k,) estimate from all items
    counted : (n,) items that it is the mean over
    """
    from scipy.special import stdtrit

    n_groups = min(N_GROUPS, int(counted.sum()))
    if n_groups < 2:
        return np.tile([0.0, 1.0], (len(balance), 1))
    group = np.random.default_rng(seed).permutation(answers.n_items) % n_groups
    moved = np.empty((n_groups, len(balance)))
    for number in range(n_groups):
        kept = group != number
        if not (kept & counted).any():
            moved[number] = balance
            continue
        rest, rest_known = _without(answers, known, kept)
        moved[number] = fit_method(rest, method, rest_known).proba[counted[kept]].mean(axis=0)
    at = _logit(balance)
    spread = ((_logit(moved) - at) ** 2).sum(axis=0) * (n_groups - 1) / n_groups
    half = stdtrit(n_groups - 1, (1 + level) / 2) * np.sqrt(spread)
    return np.column_stack([_expit(at - half), _expit(at + half)])


def _without(answers: Answers, known: Known, kept: BoolArray) -> tuple[Answers, Known]:
    """Answers to the items that are kept, numbered anew."""
    place = np.cumsum(kept) - 1
    on, there = kept[answers.item], kept[known.item]
    rest = Answers(
        place[answers.item[on]],
        answers.worker[on],
        answers.label[on],
        answers.weight[on],
        int(kept.sum()),
        answers.n_workers,
        answers.cardinality,
    )
    return rest, Known(place[known.item[there]], known.label[there])


def _logit(share: FloatArray) -> FloatArray:
    inside = np.clip(share, 1e-9, 1 - 1e-9)
    return np.asarray(np.log(inside) - np.log1p(-inside))


def _expit(x: FloatArray) -> FloatArray:
    return np.asarray(1 / (1 + np.exp(-x)))
