"""``auto``: which model suits these votes, and why."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from labelkit.labelmodels.calibration import calibrate_on
from labelkit.labelmodels.dependencies import PairFit
from labelkit.labelmodels.posterior import Posterior, Scorer
from labelkit.labelmodels.statistics import (
    FloatArray,
    GoldSample,
    VoteStatistics,
)

Method: TypeAlias = Literal[
    "majority",
    "weighted_majority",
    "onecoin",
    "rates",
    "snorkel",
    "dawid_skene",
    "triplets",
]
FitScorer: TypeAlias = Callable[[VoteStatistics, FloatArray, GoldSample], Scorer]

MIN_LFS = 3
# Below this share of examples with two votes or more, agreement says too little about accuracy.
MIN_OVERLAP = 0.02
# Fewer gold labels than this on examples with votes cannot tell two models apart.
MIN_GOLD = 30
# A fit that takes this share of all votes for worthless, on no other ground than the agreement of
# one-sided functions, and that overrules so many majorities, has gone astray.
MAX_WORTHLESS, MAX_OVERRULED = 0.25, 0.05
# A richer model is believed if what it leaves of the joint voting is within so many standard
# deviations of sampling noise, or, where examples are so many that any misfit shows, next to
# nothing. In simulated worlds in which it is wrong that is dozens (see the page).
MAX_EXCESS, MIN_EXPLAINED = 3.0, 0.97
# So many examples a parameter, or their estimates are noise.
MIN_EXAMPLES = 30
N_FOLDS = 5
CLEAR_GAIN = 2.0


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


@dataclass(frozen=True)
class Trial:
    """A model richer than one accuracy per LF, fitted on trial.

    Parameters
    ----------
    method : its name
    fit : how well it explains what pairs of LFs do together
    n_parameters : how many numbers it estimates
    claim : what it takes for granted, and what it then can learn, for the reason given
    """

    method: Method
    fit: PairFit
    n_parameters: int
    claim: str

    def doubt(self, *, n_margins: int, n: float) -> str | None:
        """Why it cannot be judged by what pairs do together, or None.

        ``n_margins`` is the number of votes, LF by LF and class by class, that were ever cast.
        """
        if self.fit.n_cells + n_margins <= self.n_parameters:
            return (
                f"{self.fit.n_cells} pairs of votes cannot check a model of {self.n_parameters} "
                "parameters: more functions must vote on the same examples"
            )
        if n < MIN_EXAMPLES * self.n_parameters:
            return f"{n:,.0f} examples are too few for {self.n_parameters} parameters"
        return None

    @property
    def within_noise(self) -> bool:
        """Whether it leaves no more unexplained than sampling would."""
        return self.fit.excess <= MAX_EXCESS

    @property
    def next_to_all(self) -> bool:
        """Whether it leaves next to nothing, though more than sampling would."""
        return self.fit.explained >= MIN_EXPLAINED

    @property
    def choice(self) -> Choice:
        explained = f"{max(self.fit.explained, 0):.0%}" if self.fit.signal > 1 else "all"
        return Choice(
            self.method,
            f"{self.claim}: as far as {self.fit.n_cells} pairs of votes tell, that explains "
            f"{explained} of what functions do together",
        )


def choose_by_fit(trials: Sequence[Trial], *, n_margins: int, n: float) -> Choice | str:
    """The first model that explains what LFs do together; else why the first is not believed.

    Rates of voting make of silence, and of an unequal class balance, what one accuracy per LF
    cannot; they go badly wrong where LFs fire or fall silent together for a reason that is not
    the class, and confusions where errors coincide. Then they cannot explain the joint votes of
    pairs, and that shows without gold.
    """
    doubts = [trial.doubt(n_margins=n_margins, n=n) for trial in trials]
    able = [trial for trial, doubt in zip(trials, doubts, strict=True) if doubt is None]
    believed = [t for t in able if t.within_noise] or [t for t in able if t.next_to_all]
    if believed:
        return believed[0].choice
    return doubts[0] or (
        f"the classes explain only {max(trials[0].fit.explained, 0):.0%} of what functions do "
        "together, which therefore has other reasons"
    )


def sample_of(statistics: VoteStatistics, seed: int, size: int = 20_000) -> VoteStatistics:
    """The statistics, or so many examples drawn from them where there are more unique rows.

    Whether a model fits shows on these as well as on millions.
    """
    if len(statistics.rows) <= size:
        return statistics
    share = statistics.counts / statistics.counts.sum()
    drawn = np.random.default_rng(seed).multinomial(size, share)
    return statistics.drawn(drawn.astype(np.float64))


def doubt(
    statistics: VoteStatistics, proba: FloatArray, worthless: npt.NDArray[np.bool_]
) -> str | None:
    """Why a fit without gold should not be believed, or None.

    Agreement tells who is right only where functions vote both ways. One-sided functions for
    class 0 and for class 1 can merely contradict each other, and then the model may declare a
    whole side worthless: either side, by a hair.

    Parameters
    ----------
    proba : (p, k) probabilities by the fitted model
    worthless : (m,) LFs that it takes for no better than chance
    """
    cast = statistics.votes_cast.sum(axis=1)
    written_off = float(cast[worthless & statistics.one_sided].sum() / cast.sum())
    each_class = np.tile(np.eye(statistics.cardinality), (statistics.m, 1, 1))
    votes = statistics.log_scores(each_class)
    best = proba.argmax(axis=1)
    covered = statistics.counts * statistics.covered
    lost = votes[np.arange(len(best)), best] < votes.max(axis=1)
    overruled = float(covered @ lost / covered.sum())
    if written_off <= MAX_WORTHLESS or overruled <= MAX_OVERRULED:
        return None
    return (
        f"agreement alone makes {written_off:.0%} of the votes, all of one-sided functions, no "
        f"better than chance and overrules {overruled:.0%} of the majorities: not to be believed "
        "without gold"
    )


def choose_by_gold(
    statistics: VoteStatistics,
    gold: GoldSample,
    balance: FloatArray,
    candidates: Mapping[Method, FitScorer],
    *,
    preferred: Choice,
    seed: int,
) -> Choice:
    """Pick the candidate whose calibrated labels lose least on gold that it did not see.

    ``preferred``, the choice without gold, is kept unless another candidate's log loss is lower
    by more than two standard errors of the difference: choosing by noise costs more than a small
    gain brings.
    """
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
    method = best if gain.mean() > CLEAR_GAIN * error else preferred.method
    figures = ", ".join(f"{name} {loss.mean():.3f}" for name, loss in losses.items())
    kept = (
        "the lowest by more than two standard errors"
        if method == best and best != preferred.method
        else "no other is lower by more than two standard errors"
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
