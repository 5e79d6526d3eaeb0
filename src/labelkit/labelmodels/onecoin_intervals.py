"""Accuracies of a one-coin model by likelihood alone, with intervals from its curvature.

The model's prior makes better labels: it grows with n, and holds back accuracies that only a few
shared votes speak for. An interval must not lean on it: around a pulled estimate it is too narrow
and in the wrong place, however many examples there are.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from labelkit.labelmodels.intervals import Z_95, expit, logit
from labelkit.labelmodels.onecoin import OneCoinProblem, e_step, fit_one_coin
from labelkit.labelmodels.statistics import FloatArray

# Two imagined votes, whatever n: enough that an LF that always agrees is not certain to be right.
_STRENGTH = 2.0
_HIGHEST = 1 - 1e-4
_MAX_ITER = 2_000
# Unique rows at a time, dense: some tens of MiB.
_CHUNK = 1 << 15


@dataclass(frozen=True)
class Curvature:
    """Second-order facts about the one-coin likelihood in the logits θ of the accuracies.

    ::

        bread  (m, m)  -∂ψ_j/∂θ_i, ψ_j = Σ over the votes of j of P(the vote is right) - a_j;
                       without discounts the observed information
        meat   (m, m)  Σ over examples of ψψᵀ
    """

    bread: FloatArray
    meat: FloatArray

    def variance(self) -> FloatArray:
        """Variance (m,) of the logits: inverse information or sandwich, whichever is larger.

        They agree when the model is true and votes are many. With few votes the sandwich is too
        small, and where LFs are discounted or dependent the information is.
        """
        inverse = np.linalg.pinv(self.bread)
        sandwich = np.diag(inverse @ self.meat @ inverse.T)
        variance = np.maximum(np.diag(inverse), sandwich)
        return np.asarray(np.where(variance > 0, variance, np.inf))


def likelihood_interval(problem: OneCoinProblem) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Maximum-likelihood accuracies and 95 % intervals: estimate, low, high, each (m,) in (0, 1).

    NaN for an LF that never votes. Intervals are symmetric on the logit scale.

    Notes
    -----
    Estimates stay above chance, where the model looks for them; without that, one-sided LFs that
    merely contradict each other end as never right. EM starts from the prior's centre. The
    observed information is that of complete data less what is missing because the class is hidden
    (Louis 1982): Σ_r n_r Cov(1[λ_i = Y], 1[λ_j = Y] | votes).
    """
    weak = replace(problem.prior, strength=_STRENGTH, highest=_HIGHEST)
    free = replace(problem, prior=weak)
    estimate = fit_one_coin(free, max_iter=_MAX_ITER).accuracy
    spread = np.sqrt(curvature(free, estimate).variance())
    middle = logit(estimate)
    silent = problem.statistics.votes_cast.sum(axis=1) == 0
    low, high = expit(middle - Z_95 * spread), expit(middle + Z_95 * spread)
    return (
        np.where(silent, np.nan, estimate),
        np.where(silent, np.nan, low),
        np.where(silent, np.nan, high),
    )


def curvature(problem: OneCoinProblem, accuracy: FloatArray) -> Curvature:
    """The bread and the meat at ``accuracy`` (m,), in chunks of unique rows."""
    statistics = problem.statistics
    mass, _ = e_step(problem, accuracy)
    m = statistics.m
    hidden, meat = np.zeros((m, m)), np.zeros((m, m))
    for start in range(0, len(mass), _CHUNK):
        part = slice(start, start + _CHUNK)
        rows, counts = statistics.rows[part], statistics.counts[part]
        proba = mass[part] / counts[:, None]
        voted = rows >= 0
        right = np.take_along_axis(proba, np.maximum(rows, 0).astype(np.intp), axis=1) * voted
        hidden -= (right * counts[:, None]).T @ right
        for y in range(statistics.cardinality):
            same = (rows == y).astype(np.float64)
            hidden += (same * mass[part, y, None]).T @ same
        surprise = right - accuracy * voted
        meat += (surprise * counts[:, None]).T @ surprise
    votes = statistics.votes_cast.sum(axis=1) + problem.prior.strength
    complete = np.diag(votes * accuracy * (1 - accuracy))
    return Curvature(complete - hidden * problem.discount, meat)
