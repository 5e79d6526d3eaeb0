"""Triplets: accuracies in closed form from how often pairs of LFs agree."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

import numpy as np
import numpy.typing as npt

from labelkit.errors import LabelModelError
from labelkit.labelmodels.base import VoteModel
from labelkit.labelmodels.onecoin import one_coin_weights
from labelkit.labelmodels.posterior import LogLinear
from labelkit.labelmodels.redundancy import redundant_pairs
from labelkit.labelmodels.statistics import FloatArray, GoldSample, VoteStatistics
from labelkit.lfs import Moments

Contrast: TypeAlias = Literal["agreement", "by_class"]

MIN_LFS = 3
# A pair takes part in a triplet if it shares this many examples …
_MIN_SUPPORT = 20
# … and stands in the denominator if it is this many standard errors from 0.
_CLEAR = 2.0
# Of many LFs each meets those with which it shares most: time grows with m times the square of
# this, not with m³.
_PARTNERS = 60
_FLOOR = 1e-6


@dataclass(frozen=True)
class PairMoments:
    """Products E[x_i x_j] = b_i b_j of centred votes, for one contrast.

    ::

        product  (m, m) in [-1, 1]; the diagonal is not used
        error    (m, m) standard errors
        usable   (m, m) pairs that may take part: enough examples, not copies of each other
    """

    product: FloatArray
    error: FloatArray
    usable: npt.NDArray[np.bool_]


def triplet_strengths(pairs: PairMoments) -> tuple[FloatArray, npt.NDArray[np.intp]]:
    """|b| (m,) as the median over pairs (j, l) of √(M_ij M_il / M_jl), and how many there were.

    NaN without a triplet. Ratios that come out negative, against the model, count as 0 rather
    than by their size, so that noise does not pass for strength.

    References
    ----------
    Fu, Chen, Sala, Hooper, Fatahalian & Ré 2020, "Fast and three-rious: speeding up weak
    supervision with triplet methods" (ICML).
    """
    m = len(pairs.product)
    strength, number = np.full(m, np.nan), np.zeros(m, dtype=np.intp)
    clear = pairs.usable & (np.abs(pairs.product) > _CLEAR * pairs.error)
    for i in range(m):
        partners = np.flatnonzero(pairs.usable[i])
        partners = partners[partners != i]
        if len(partners) > _PARTNERS:
            partners = partners[np.argsort(pairs.error[i, partners], kind="stable")[:_PARTNERS]]
        first, second = (partners[index] for index in np.triu_indices(len(partners), 1))
        good = clear[first, second]
        first, second = first[good], second[good]
        number[i] = len(first)
        if len(first):
            square = pairs.product[i, first] * pairs.product[i, second]
            square = square / pairs.product[first, second]
            strength[i] = np.sqrt(max(float(np.median(square)), 0.0))
    return strength, number


def agreement_pairs(moments: Moments, together: npt.NDArray[np.bool_]) -> PairMoments:
    """Agreement where both vote: M_ij = (k·P(λ_i = λ_j) - 1)/(k - 1) = b_i b_j.

    With b = (k·a - 1)/(k - 1) this holds for any k and any class balance if each LF is right with
    probability a and spreads its errors evenly: the binary ±1 form of the paper is k = 2.
    """
    k = moments.cardinality
    m = len(moments.counts) // k
    blocks = moments.counts.reshape(m, k, m, k)
    both = blocks.sum(axis=(1, 3)).astype(np.float64)
    same = np.einsum("ivjv->ij", blocks)
    # Laplace's rule keeps pairs that always agreed from looking certain.
    share = (same + 1) / (both + k)
    scale = k / (k - 1)
    error = scale * np.sqrt(share * (1 - share) / (both + k))
    return PairMoments((share - 1 / k) * scale, error, (both >= _MIN_SUPPORT) & ~together)


def class_pairs(
    moments: Moments, balance: FloatArray, together: npt.NDArray[np.bool_], label: int
) -> PairMoments:
    """Covariance of voting ``label`` or not, over all examples: p(1 - p) β_i β_j.

    β = P(λ = label | Y = label) - P(λ = label | Y ≠ label). An abstention is a vote not cast for
    the class, so that one-sided LFs have a contrast too. Scaled by 1/(p(1 - p)).
    """
    k, n = moments.cardinality, moments.n
    picked = np.arange(label, len(moments.counts), k)
    both = moments.counts[np.ix_(picked, picked)].astype(np.float64)
    q = np.diag(both) / n
    spread = balance[label] * (1 - balance[label])
    covariance = both / n - np.outer(q, q)
    error = np.sqrt(np.outer(q * (1 - q), q * (1 - q)) / n + 1 / n**2)
    voting = np.diag(both) >= _MIN_SUPPORT
    usable = voting[:, None] & voting[None, :] & ~together
    return PairMoments(covariance / spread, error / spread, usable)


class Triplets(VoteModel):
    """Accuracies from moments in closed form: no start, no iterations, no local optimum.

    Three LFs that are independent given the class determine each other's strength from their
    pairwise agreements alone; the median over all triplets with enough joint examples is taken,
    and LFs are assumed better than chance, which settles the sign. LFs that say the same never
    stand in one triplet, and share one vote's weight.

    Parameters
    ----------
    cardinality : number of classes k ≥ 2
    contrast : "agreement": one accuracy per LF, from agreement where both of two vote; whether an
        LF votes says nothing. "by_class": P(λ_j = v | Y = v) and P(λ_j = v | Y ≠ v) for every
        class, one class against the rest, abstentions counting as votes not cast: for one-sided
        LFs, exact if their errors do not depend on which of the other classes is true, and
        dependent on the class balance
    centre : accuracy of an LF that is in no triplet, above 1/k
    margin : accuracies stay above chance by this share of the way from chance to certainty
    redundancy : as in `OneCoin`
    seed : for bootstrap intervals and the tie policy "true-random"

    Attributes
    ----------
    accuracy_ : (m,) accuracies ("agreement"), else None
    mu_ : (m, k, k) P(λ_j = v | Y = y) ("by_class"), else None
    n_triplets_ : (m,) triplets behind each LF's strength (the fewest over classes)
    discount_ : (m,) one over the number of LFs that say the same, 1 for a witness of its own

    References
    ----------
    Fu et al. 2020, "Fast and three-rious" (FlyingSquid).
    """

    _n_replicates = 50

    def __init__(
        self,
        cardinality: int = 2,
        *,
        contrast: Contrast = "agreement",
        centre: float = 0.8,
        margin: float = 0.05,
        redundancy: float | None = 0.9,
        seed: int = 0,
    ) -> None:
        super().__init__(cardinality=cardinality, seed=seed)
        self.contrast = contrast
        self.centre = centre
        self.margin = margin
        self.redundancy = redundancy

    def _fit_scorer(
        self, statistics: VoteStatistics, balance: FloatArray, gold: GoldSample | None
    ) -> LogLinear:
        if statistics.m < MIN_LFS:
            raise LabelModelError(
                f"Triplets need {MIN_LFS} labeling functions or more; there are {statistics.m}. "
                'Use method="majority", or write another function.'
            )
        if self.contrast not in get_args(Contrast):
            raise LabelModelError(
                f"contrast={self.contrast!r} is neither 'agreement' nor 'by_class'."
            )
        together = np.eye(statistics.m, dtype=bool)
        if self.redundancy is not None:
            together = redundant_pairs(statistics, self.redundancy)
        self._together = together
        self.discount_ = np.asarray(1 / together.sum(axis=1))
        self.accuracy_: FloatArray | None = None
        self.mu_: FloatArray | None = None
        moments = statistics.moments()
        if self.contrast == "agreement":
            self.accuracy_, self.n_triplets_ = self._found(moments)
            return self._one_coin(self.accuracy_, balance)
        self.mu_, self.n_triplets_ = self._by_class(moments, balance)
        return self._from_mu(self.mu_, balance)

    def _found(self, moments: Moments) -> tuple[FloatArray, npt.NDArray[np.intp]]:
        k = self.cardinality
        strength, number = triplet_strengths(agreement_pairs(moments, self._together))
        found = (1 + (k - 1) * strength) / k
        cast = np.diag(moments.counts).reshape(-1, k).sum(axis=1)
        lowest = 1 / k + self.margin * (1 - 1 / k)
        # No LF is surer than never having been wrong in all its votes.
        highest = np.maximum((cast + 1) / (cast + 2), lowest)
        accuracy = np.where(np.isnan(found), self.centre, found)
        return np.clip(accuracy, lowest, highest), number

    def _by_class(
        self, moments: Moments, balance: FloatArray
    ) -> tuple[FloatArray, npt.NDArray[np.intp]]:
        k, n = self.cardinality, moments.n
        m = len(self._together)
        q = np.diag(moments.counts).reshape(m, k) / n
        mu = np.empty((m, k, k))
        number = np.full(m, np.iinfo(np.intp).max)
        for v in range(k):
            pairs = class_pairs(moments, balance, self._together, v)
            slope, triplets = triplet_strengths(pairs)
            # Without a triplet: as an LF of the expected accuracy would vote.
            expected = q[:, v] * (self.centre / balance[v] - (1 - self.centre) / (1 - balance[v]))
            slope = np.where(np.isnan(slope), np.maximum(expected, 0.0), slope)
            # P(vote | rest) stays at or above 0 and P(vote | class) at or below 1.
            most = np.minimum(q[:, v] / balance[v], (1 - q[:, v]) / (1 - balance[v]))
            slope = np.minimum(slope, most * n * q[:, v] / (n * q[:, v] + 1))
            mu[:, v, :] = (q[:, v] - balance[v] * slope)[:, None]
            mu[:, v, v] = q[:, v] + (1 - balance[v]) * slope
            votes = q[:, v] > 0
            number[votes] = np.minimum(number[votes], triplets[votes])
        number[q.sum(axis=1) == 0] = 0
        return np.clip(mu, _FLOOR, 1.0), number

    def _one_coin(self, accuracy: FloatArray, balance: FloatArray) -> LogLinear:
        weights = one_coin_weights(accuracy, self.cardinality, self.discount_)
        return LogLinear(np.log(balance), weights)

    def _from_mu(self, mu: FloatArray, balance: FloatArray) -> LogLinear:
        return LogLinear(np.log(balance), np.log(mu) * self.discount_[:, None, None])

    def _refitter(
        self, statistics: VoteStatistics, balance: FloatArray
    ) -> Callable[[VoteStatistics], LogLinear]:
        def refit(resampled: VoteStatistics) -> LogLinear:
            moments = resampled.moments()
            if self.contrast == "agreement":
                return self._one_coin(self._found(moments)[0], balance)
            return self._from_mu(self._by_class(moments, balance)[0], balance)

        return refit
