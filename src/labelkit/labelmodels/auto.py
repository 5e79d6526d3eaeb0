"""``auto``: which model suits these votes, and why."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from labelkit.labelmodels.calibration import calibrate_on
from labelkit.labelmodels.posterior import Posterior, Scorer
from labelkit.labelmodels.statistics import (
    FloatArray,
    GoldSample,
    VoteStatistics,
)

Method: TypeAlias = Literal["majority", "onecoin", "snorkel"]
FitScorer: TypeAlias = Callable[[VoteStatistics, FloatArray, GoldSample], Scorer]

MIN_LFS = 3
# Below this share of examples with two votes or more, agreement says too little about accuracy.
MIN_OVERLAP = 0.02
# Fewer gold labels than this on examples with votes cannot tell two models apart.
MIN_GOLD = 30
N_FOLDS = 5


@dataclass(frozen=True)
class Choice:
    """A method and the sentence that justifies it."""

    method: Method
    reason: str


def choose_by_votes(statistics: VoteStatistics) -> Choice:
    """Pick a method from what the votes can carry.

    Accuracies are learned from agreement, so that three functions and some overlap are needed;
    where they are there, one accuracy for each is the model that has never been seen to lose much
    to majority vote (see the page on label models).
    """
    voting = int((statistics.votes_cast.sum(axis=1) > 0).sum())
    if voting < MIN_LFS:
        some = "1 labeling function votes" if voting == 1 else f"{voting} labeling functions vote"
        return Choice(
            "majority",
            f"only {some}: with fewer than {MIN_LFS}, agreement says nothing about who is right",
        )
    shared = (statistics.rows >= 0).sum(axis=1) >= 2
    overlap = float(statistics.counts @ shared) / statistics.n
    if overlap < MIN_OVERLAP:
        return Choice(
            "majority",
            f"two functions or more vote on only {overlap:.1%} of the examples: too little "
            "agreement to learn accuracies from",
        )
    return Choice(
        "onecoin",
        f"{voting} functions vote, two or more of them on {overlap:.0%} of the examples: enough "
        "agreement to learn one accuracy for each",
    )


def choose_by_gold(
    statistics: VoteStatistics,
    gold: GoldSample,
    balance: FloatArray,
    candidates: Mapping[Method, FitScorer],
    *,
    seed: int,
) -> Choice:
    """Pick the candidate whose calibrated labels lose least on gold that it did not see.

    The preference without gold is kept unless another candidate's log loss is lower by more than
    one standard error of the difference (the one-standard-error rule of Breiman et al. 1984).
    """
    preferred = choose_by_votes(statistics)
    voted = np.flatnonzero(statistics.covered[gold.pattern])
    if len(voted) < MIN_GOLD:
        return Choice(
            preferred.method,
            f"{preferred.reason} ({len(voted)} gold labels on examples with votes are too few to "
            "choose by)",
        )
    seen = gold.take(voted)
    # The scores must not have seen the gold that they are judged by, so none is given.
    nothing = gold.take(np.arange(0))
    losses = {
        method: held_out_losses(fit(statistics, balance, nothing), statistics, seen, balance, seed)
        for method, fit in candidates.items()
    }
    usual = losses[preferred.method]
    best = min(losses, key=lambda method: float(losses[method].mean()))
    gain = usual - losses[best]
    error = float(gain.std(ddof=1)) / np.sqrt(len(gain))
    method = best if gain.mean() > error else preferred.method
    figures = ", ".join(f"{name} {loss.mean():.3f}" for name, loss in losses.items())
    kept = (
        "the lowest by more than a standard error"
        if method == best and best != preferred.method
        else "no other is lower by more than a standard error"
    )
    return Choice(
        method, f"log loss on {len(seen)} held-out gold labels is {figures}: {method}, {kept}"
    )


def held_out_losses(
    scorer: Scorer,
    statistics: VoteStatistics,
    gold: GoldSample,
    balance: FloatArray,
    seed: int,
) -> FloatArray:
    """-log P(true class) (g,) of each gold label under a calibration fitted to the other folds."""
    fold = np.arange(len(gold)) % N_FOLDS
    np.random.default_rng(seed).shuffle(fold)
    losses = np.empty(len(gold))
    for number in range(N_FOLDS):
        rest, held_out = np.flatnonzero(fold != number), np.flatnonzero(fold == number)
        calibration = calibrate_on(scorer, statistics, gold.take(rest))
        proba = Posterior(scorer, calibration, balance).proba(statistics)
        right = proba[gold.pattern[held_out], gold.label[held_out]]
        losses[held_out] = -np.log(np.maximum(right, 1e-12))
    return losses
