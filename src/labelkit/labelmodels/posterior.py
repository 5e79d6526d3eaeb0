"""``Posterior``: what a fitted label model is, whatever fitted it.

From votes to probabilities in three steps, each the same in NumPy and as an engine expression:
scores per class from the votes cast, a calibration of the scores, and the normalised exponential.
An example without any vote gets an answer of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import reduce
from operator import add
from typing import Any, Protocol

import narwhals as nw
import numpy as np

from labelkit.errors import LabelModelError
from labelkit.labelmodels.statistics import FloatArray, VoteStatistics
from labelkit.lfs import ABSTAIN

# exp overflows at 709; probabilities beyond e^-500 are zero for every purpose.
_LARGEST_DIFFERENCE = 500.0


class Scorer(Protocol):
    """Log scores of the classes, up to a constant per example, from the votes cast."""

    def scores(self, statistics: VoteStatistics) -> FloatArray:
        """(p, k) log scores of the unique rows."""
        ...

    def exprs(self, lf_names: Sequence[str]) -> list[nw.Expr]:
        """The same k scores over the vote columns ``lf_names``."""
        ...

    def to_dict(self) -> dict[str, Any]:
        """Plain lists and numbers, for JSON."""
        ...


@dataclass(frozen=True)
class LogLinear:
    """score_y = intercept_y + Σ_j weights[j, λ_j, y] over the LFs that voted.

    ::

        intercept  (k,)       log class balance, usually
        weights    (m, k, k)  LF j, its vote v, true class y: log P(λ_j = v | Y = y) up to a
                              constant per (j, v)
    """

    intercept: FloatArray
    weights: FloatArray

    def scores(self, statistics: VoteStatistics) -> FloatArray:
        summed: FloatArray = statistics.log_scores(self.weights) + self.intercept
        return summed

    def exprs(self, lf_names: Sequence[str]) -> list[nw.Expr]:
        k = len(self.intercept)
        # Only differences between classes matter: a vote that favours none needs no term.
        weights = self.weights - self.weights[:, :, :1]
        intercept = self.intercept - self.intercept[0]
        scores = [nw.lit(0.0)]
        for y in range(1, k):
            terms = [nw.lit(float(intercept[y]))]
            for j, name in enumerate(lf_names):
                if weights[j, :, y].any():
                    terms += _vote_terms(name, weights[j, :, y])
            scores.append(reduce(add, terms))
        return scores

    def to_dict(self) -> dict[str, Any]:
        return {
            "kind": "log_linear",
            "intercept": self.intercept.tolist(),
            "weights": self.weights.tolist(),
        }


@dataclass(frozen=True)
class VoteShares:
    """score_y = log((votes for y + smoothing · prior_y) / (votes cast + smoothing)).

    With ``smoothing`` 0 the probabilities are the shares of the votes cast.
    """

    prior: FloatArray
    smoothing: float

    def scores(self, statistics: VoteStatistics) -> FloatArray:
        each_class = np.tile(np.eye(len(self.prior)), (statistics.m, 1, 1))
        cast = statistics.log_scores(each_class)
        with np.errstate(divide="ignore"):
            scores: FloatArray = np.log(cast + self.smoothing * self.prior)
        return scores

    def exprs(self, lf_names: Sequence[str]) -> list[nw.Expr]:
        scores = []
        for y, share in enumerate(self.prior):
            cast = reduce(add, ((nw.col(name) == y).cast(nw.Float64) for name in lf_names))
            # log 0 differs between engines; e^-1000 is zero on all of them.
            amount = cast + float(self.smoothing * share)
            positive = nw.when(amount > 0).then(amount).otherwise(nw.lit(1.0)).log()
            scores.append(nw.when(amount > 0).then(positive).otherwise(nw.lit(-1000.0)))
        return scores

    def to_dict(self) -> dict[str, Any]:
        return {
            "kind": "vote_shares",
            "prior": self.prior.tolist(),
            "smoothing": self.smoothing,
        }


@dataclass(frozen=True)
class Calibration:
    """score′_y = scale · score_y + shift_y + Σ_j trust_j · 1[λ_j = y]: what gold has to say.

    ::

        scale  > 0: how far the scores are to be believed
        shift  (k,) one per class; it carries the class balance
        trust  (m,) more or less belief in each LF than its scores have; empty: none
    """

    scale: float
    shift: FloatArray
    trust: FloatArray = field(default_factory=lambda: np.zeros(0))

    @classmethod
    def identity(cls, cardinality: int) -> Calibration:
        """The calibration that changes nothing."""
        return cls(1.0, np.zeros(cardinality))

    def apply(self, scores: FloatArray, statistics: VoteStatistics) -> FloatArray:
        """Calibrated scores (p, k) of the unique rows."""
        calibrated: FloatArray = self.scale * scores + self.shift
        if self.trust.any():
            same = np.eye(len(self.shift))
            calibrated = calibrated + statistics.log_scores(self.trust[:, None, None] * same)
        return calibrated

    def exprs(self, scores: Sequence[nw.Expr], lf_names: Sequence[str]) -> list[nw.Expr]:
        """The same as expressions over the vote columns ``lf_names``."""
        if self.scale == 1 and not self.shift.any() and not self.trust.any():
            return list(scores)
        calibrated = []
        for y, (score, shift) in enumerate(zip(scores, self.shift, strict=True)):
            terms = [score * self.scale + float(shift)]
            if self.trust.any():
                terms += [
                    (nw.col(name) == y).cast(nw.Float64) * float(trust)
                    for name, trust in zip(lf_names, self.trust, strict=True)
                ]
            calibrated.append(reduce(add, terms))
        return calibrated


@dataclass(frozen=True)
class Posterior:
    """P(Y | votes) of a fitted model.

    Parameters
    ----------
    scorer : class scores from votes
    calibration : what gold labels taught about the scores; the identity without gold
    balance : (k,) the answer where no LF voted: the class balance, or what gold says of them
    """

    scorer: Scorer
    calibration: Calibration
    balance: FloatArray

    def proba(self, statistics: VoteStatistics) -> FloatArray:
        """Probabilities (p, k) of the unique rows."""
        scores = self.calibration.apply(self.scorer.scores(statistics), statistics)
        probabilities = normalised(scores)
        probabilities[~statistics.covered] = self.balance
        return probabilities

    def exprs(self, lf_names: Sequence[str]) -> list[nw.Expr]:
        """Expressions ``p_0`` … over int vote columns, equal to `proba` on every engine."""
        scores = self.calibration.exprs(self.scorer.exprs(lf_names), lf_names)
        covered = nw.max_horizontal(*lf_names) > ABSTAIN
        probabilities = []
        for y, mine in enumerate(scores):
            others = [_clipped_exp(theirs - mine) for z, theirs in enumerate(scores) if z != y]
            probability = nw.lit(1.0) / (reduce(add, others) + 1.0)
            balance = nw.lit(float(self.balance[y]))
            chosen = nw.when(covered).then(probability).otherwise(balance)
            probabilities.append(chosen.alias(f"p_{y}"))
        return probabilities

    def to_dict(self) -> dict[str, Any]:
        """Plain lists and numbers, for JSON."""
        return {
            "scorer": self.scorer.to_dict(),
            "calibration": {
                "scale": self.calibration.scale,
                "shift": self.calibration.shift.tolist(),
                "trust": self.calibration.trust.tolist(),
            },
            "balance": self.balance.tolist(),
        }

    @classmethod
    def from_dict(cls, plain: dict[str, Any]) -> Posterior:
        """The inverse of `to_dict`, to the last bit."""
        calibration = plain["calibration"]
        return cls(
            _scorer(plain["scorer"]),
            Calibration(
                float(calibration["scale"]),
                np.array(calibration["shift"], float),
                np.array(calibration["trust"], float),
            ),
            np.array(plain["balance"], float),
        )


def normalised(scores: FloatArray) -> FloatArray:
    """exp(scores), each row divided by its sum; safe for scores of any size."""
    with np.errstate(invalid="ignore"):
        shifted = np.exp(scores - scores.max(axis=1, keepdims=True))
    probabilities: FloatArray = shifted / shifted.sum(axis=1, keepdims=True)
    return probabilities


def _vote_terms(name: str, weights: FloatArray) -> list[nw.Expr]:
    """``weights`` (k,) by vote, 0 where the LF abstains, as terms of a sum."""
    vote = nw.col(name)
    if len(weights) > 2:
        return [(vote == v).cast(nw.Float64) * float(w) for v, w in enumerate(weights) if w != 0]
    # Of votes -1, 0 and 1 every function is a parabola: a third of the time of two comparisons.
    zero, one = (float(w) for w in weights)
    number = vote.cast(nw.Float64)
    return [(number + 1.0) * (number * (one / 2 - zero) + zero)]


def _clipped_exp(difference: nw.Expr) -> nw.Expr:
    return difference.clip(-_LARGEST_DIFFERENCE, _LARGEST_DIFFERENCE).exp()


def _scorer(plain: dict[str, Any]) -> Scorer:
    if plain["kind"] == "log_linear":
        return LogLinear(np.array(plain["intercept"], float), np.array(plain["weights"], float))
    if plain["kind"] == "vote_shares":
        return VoteShares(np.array(plain["prior"], float), float(plain["smoothing"]))
    raise LabelModelError(f"A saved label model has the unknown kind {plain['kind']!r}.")
