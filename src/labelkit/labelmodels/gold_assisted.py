"""Gold-assisted one-coin: gold is observed truth, and corrects each LF as far as it bears."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from labelkit.labelmodels.calibration import calibrate
from labelkit.labelmodels.onecoin import (
    OneCoin,
    OneCoinProblem,
    e_step,
    fit_one_coin,
    m_step,
    one_coin_weights,
)
from labelkit.labelmodels.posterior import Calibration, LogLinear, Scorer
from labelkit.labelmodels.statistics import FloatArray, GoldSample, VoteStatistics

# Gold labels that the fit without gold is worth, for each LF, between which the evidence chooses.
# The first means "right as it stands", and is as likely as all others together.
_STRENGTHS = np.array([1e6, 300.0, 100.0, 30.0, 10.0, 3.0])
_BELIEF = np.array([5.0, 1.0, 1.0, 1.0, 1.0, 1.0])
# Gold may find an LF worse than chance, but never infallible or always wrong.
_LOWEST, _HIGHEST = 0.01, 0.99
N_FOLDS = 5


def fit_clamped(
    problem: OneCoinProblem,
    gold: GoldSample,
    start: FloatArray,
    *,
    max_iter: int,
    tolerance: float,
) -> FloatArray:
    """Accuracies (m,) by EM in which the examples with gold are known.

    Every example counts once: those with gold in their true class, the others spread over the
    classes by the E-step.
    """
    statistics = problem.statistics
    p, k = len(statistics.rows), statistics.cardinality
    known = np.zeros((p, k))
    np.add.at(known, (gold.pattern, gold.label), 1.0)
    open_counts = np.maximum(statistics.counts - known.sum(axis=1), 0.0)
    unlabeled = replace(problem, statistics=replace(statistics, counts=open_counts))
    accuracy = start
    for _ in range(max_iter):
        update = m_step(problem, e_step(unlabeled, accuracy)[0] + known)
        moved = float(np.abs(update - accuracy).max())
        accuracy = update
        if moved <= tolerance:
            break
    return accuracy


def gold_tallies(statistics: VoteStatistics, gold: GoldSample) -> tuple[FloatArray, FloatArray]:
    """Right and wrong votes (m,), (m,) of each LF on gold, weighted by 1 / inclusion probability.

    Weights are scaled so that each LF has as many votes as they are worth (Kish).
    """
    rows = statistics.rows[gold.pattern]
    right, voted = rows == gold.label[:, None], rows >= 0
    mass = gold.weight @ voted
    squares = np.maximum(np.square(gold.weight) @ voted, 1e-300)
    scale = np.where(mass > 0, mass / squares, 0.0)
    return np.asarray(scale * (gold.weight @ right)), np.asarray(
        scale * (gold.weight @ (voted & ~right))
    )


def shrunk_accuracies(
    expected: FloatArray, right: FloatArray, wrong: FloatArray
) -> tuple[FloatArray, float]:
    """Accuracies (m,) between ``expected`` and gold's tallies, and the strength of the former.

    a_j ~ Beta(τ·expected_j, τ·(1 - expected_j)) for all LFs alike: the posterior means, averaged
    over τ with weights by the evidence of beta-binomial tallies. LFs that gold finds to be as
    expected make τ large, and then the others are believed too.
    """
    from scipy.special import betaln

    strength = _STRENGTHS[:, None]
    a, b = strength * expected, strength * (1 - expected)
    evidence = (betaln(a + right, b + wrong) - betaln(a, b)).sum(axis=1) + np.log(_BELIEF)
    share = np.exp(evidence - evidence.max())
    share /= share.sum()
    means = (a + right) / (strength + right + wrong)
    accuracy = np.clip(share @ means, _LOWEST, _HIGHEST)
    return np.asarray(accuracy), float(np.exp(share @ np.log(_STRENGTHS)))


class GoldAssisted(OneCoin):
    """One accuracy per LF, from votes and gold together (semi-supervised).

    First EM in which examples with gold are clamped to their class; then every LF's accuracy
    moves from there towards its tally on gold, weighted by 1/π, as far as the evidence over all
    LFs allows (empirical Bayes). Scale and class shifts of the scores come from the same gold, but
    by scores of models that had not seen the label (five folds): used twice, a hundred labels
    would make the model too sure of them. Without gold it is `OneCoin`.

    Parameters
    ----------
    cardinality, centre, strength, margin, redundancy, max_iter, tolerance, seed : as in `OneCoin`

    Attributes
    ----------
    accuracy_ : (m,) accuracies with gold
    expected_accuracy_ : (m,) accuracies from EM, before gold's tallies
    gold_strength_ : how many gold labels the expectation is worth, per LF; about 10⁶ where gold
        finds nothing to correct

    References
    ----------
    Nigam, McCallum, Thrun & Mitchell 2000 for EM with known rows; Casella 1985 for empirical
    Bayes.
    """

    # Each replicate of the bootstrap runs EM again.
    _n_replicates = 50

    def _fit_scorer(
        self, statistics: VoteStatistics, balance: FloatArray, gold: GoldSample | None
    ) -> LogLinear:
        scorer = super()._fit_scorer(statistics, balance, None)
        self.expected_accuracy_, self.gold_strength_ = self.accuracy_, np.inf
        nothing: FloatArray = np.zeros(statistics.m)
        self._tallies: tuple[FloatArray, FloatArray] = (nothing, nothing)
        if gold is None or not len(gold):
            return scorer
        self._without_gold = self.accuracy_
        self.expected_accuracy_ = self._clamped(statistics, balance, gold)
        self._tallies = gold_tallies(statistics, gold)
        self.accuracy_, self.gold_strength_ = shrunk_accuracies(
            self.expected_accuracy_, *self._tallies
        )
        return self._scorer(self.accuracy_, balance)

    def _calibrate(
        self, scorer: Scorer, statistics: VoteStatistics, gold: GoldSample, balance: FloatArray
    ) -> Calibration:
        voted = gold.take(np.flatnonzero(statistics.covered[gold.pattern]))
        if not len(voted):
            return Calibration.identity(self.cardinality)
        fold = np.arange(len(voted)) % N_FOLDS
        np.random.default_rng(self.seed).shuffle(fold)
        scores = np.empty((len(voted), self.cardinality))
        for number in range(min(N_FOLDS, len(voted))):
            rest, out = np.flatnonzero(fold != number), np.flatnonzero(fold == number)
            seen = voted.take(rest)
            accuracy, _ = shrunk_accuracies(
                self._clamped(statistics, balance, seen), *gold_tallies(statistics, seen)
            )
            weights = one_coin_weights(accuracy, self.cardinality, self.discount_)
            held_out = replace(statistics, rows=statistics.rows[voted.pattern[out]])
            scores[out] = held_out.log_scores(weights) + np.log(balance)
        imbalance = np.log(gold.balance(self.cardinality)) - np.log(balance)
        return calibrate(scores, voted.label, imbalance=imbalance)

    def _clamped(
        self, statistics: VoteStatistics, balance: FloatArray, gold: GoldSample
    ) -> FloatArray:
        return fit_clamped(
            self._problem(statistics, balance),
            gold,
            self._without_gold,
            max_iter=self.max_iter,
            tolerance=self.tolerance,
        )

    def _refitter(
        self, statistics: VoteStatistics, balance: FloatArray
    ) -> Callable[[VoteStatistics], LogLinear]:
        if not np.isfinite(self.gold_strength_):
            return super()._refitter(statistics, balance)

        def refit(resampled: VoteStatistics) -> LogLinear:
            problem = self._problem(resampled, balance)
            fit = fit_one_coin(problem, max_iter=self.max_iter, tolerance=1e-5)
            accuracy, _ = shrunk_accuracies(fit.accuracy, *self._tallies)
            return self._scorer(accuracy, balance)

        return refit
