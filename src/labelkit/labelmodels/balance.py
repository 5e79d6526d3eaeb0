"""Shares of the classes: from votes, from gold, or given; with an interval, or with the reason why
they cannot be told.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from labelkit.labelmodels.statistics import FloatArray, GoldSample, IntArray, VoteStatistics

if TYPE_CHECKING:
    import polars as pl

    from labelkit.labelmodels.rates import VoteRates

Source: TypeAlias = Literal["given", "gold", "votes", "assumed"]

N_REPLICATES = 50
# Replicates are no larger than this: spread shrinks with √n (Bickel, Götze & van Zwet 1997).
LARGEST_REPLICATE = 5_000
Z_95 = 1.959963984540054


@dataclass(frozen=True)
class ClassBalance:
    """Shares of the classes and what they rest on.

    Parameters
    ----------
    share, low, high : (k,) the estimate and its 95 % interval; NaN where nothing was estimated
    source : "votes" or "gold" if estimated from them, "given", or "assumed" (uniform)
    reason : one sentence on why that source
    """

    share: FloatArray
    low: FloatArray
    high: FloatArray
    source: Source
    reason: str

    def table(self) -> pl.DataFrame:
        """``class``, ``share``, ``low``, ``high``, ``source``; null where there is no interval."""
        import polars as pl

        return pl.DataFrame(
            {
                "class": np.arange(len(self.share)),
                "share": self.share,
                "low": self.low,
                "high": self.high,
            }
        ).with_columns(pl.col("low", "high").fill_nan(None), source=pl.lit(self.source))

    @classmethod
    def of_table(cls, source: Source, reason: str, table: list[dict[str, Any]]) -> ClassBalance:
        """The inverse of `table`, from rows."""
        share, low, high = (
            np.array([np.nan if row[name] is None else row[name] for row in table], float)
            for name in ("share", "low", "high")
        )
        return cls(share, low, high, source, reason)

    @classmethod
    def without_interval(cls, share: FloatArray, source: Source, reason: str) -> ClassBalance:
        """A balance that was not estimated."""
        nothing = np.full(len(share), np.nan)
        return cls(share, nothing, nothing, source, reason)


def balance_from_gold(gold: GoldSample, cardinality: int) -> ClassBalance:
    """Weighted shares of gold, shrunk to uniform by Laplace's rule, with credible intervals.

    Given n effective labels a share has a Beta posterior under a flat Dirichlet prior, of which
    `GoldSample.balance` is the mean.
    """
    from scipy.special import betaincinv

    share = gold.balance(cardinality)
    total = gold.effective_n + cardinality
    shape = share * total
    low, high = (betaincinv(shape, total - shape, q) for q in (0.025, 0.975))
    reason = f"{len(gold):,} gold labels, worth {gold.effective_n:.0f} equally weighted ones"
    return ClassBalance(share, np.asarray(low), np.asarray(high), "gold", reason)


def balance_by_confusion(
    statistics: VoteStatistics, gold: GoldSample, proba: FloatArray, *, seed: int = 0
) -> ClassBalance:
    """Shares of the classes from the labels of all examples, corrected by gold's confusion.

    Gold says how often an example of class y is labeled l, C[y, l]; the labels of all examples
    have the shares q = Cᵀp, solved for p ≥ 0, Σp = 1 (Gart & Buck 1966; "adjusted counting",
    Forman 2008). It needs gold that is fair within each class, not gold that shows the classes
    as often as they are: labels chosen class by class will do.

    Parameters
    ----------
    proba : (p, k) a model's probabilities of the unique rows

    Notes
    -----
    The interval is from 400 bootstrap samples of the gold labels, percentiles.
    """
    k = statistics.cardinality
    label = proba.argmax(axis=1)
    shares = np.bincount(label, weights=statistics.counts, minlength=k) / statistics.n
    rng = np.random.default_rng(seed)

    def inverted(index: IntArray) -> FloatArray:
        confusion = np.full((k, k), 0.5 / k)
        np.add.at(confusion, (gold.label[index], label[gold.pattern[index]]), gold.weight[index])
        return _on_simplex(confusion / confusion.sum(axis=1, keepdims=True), shares)

    everything = np.arange(len(gold))
    draws = [inverted(rng.choice(everything, len(gold))) for _ in range(400)]
    low, high = np.quantile(draws, [0.025, 0.975], axis=0)
    reason = (
        f"labels of all examples, corrected by the confusion that {len(gold):,} gold labels show"
    )
    return ClassBalance(inverted(everything), low, high, "gold", reason)


def _on_simplex(confusion: FloatArray, shares: FloatArray) -> FloatArray:
    """p ≥ 0, Σp = 1, whose expected label shares Cᵀp lie nearest to ``shares`` (k,)."""
    from scipy.optimize import nnls

    # A heavy row keeps the sum at one.
    heavy = 1e3
    system = np.vstack([confusion.T, np.full(len(shares), heavy)])
    p, _ = nnls(system, np.append(shares, heavy))
    return np.asarray(p / p.sum())


def balance_from_votes(
    statistics: VoteStatistics, model: VoteRates, *, reason: str, seed: int
) -> ClassBalance:
    """The balance that rates of voting estimated, with a bootstrap interval over examples.

    Normal on the logit scale; it trusts the model, as intervals of LF accuracies do.
    """
    share = model.rates_.balance
    rng = np.random.default_rng(seed)
    n = round(statistics.n)
    size = min(n, LARGEST_REPLICATE)
    weights = statistics.counts / statistics.counts.sum()
    refit = model.refitted_rates(share)
    replicates = []
    for _ in range(N_REPLICATES):
        resampled = statistics.drawn(rng.multinomial(size, weights).astype(np.float64))
        replicates.append(_logit(refit(resampled).balance))
    spread = np.std(replicates, axis=0, ddof=1) * np.sqrt(size / n)
    middle = _logit(share)
    low, high = (_expit(middle + side * Z_95 * spread) for side in (-1, 1))
    return ClassBalance(share, low, high, "votes", reason)


def _logit(p: FloatArray) -> FloatArray:
    inside = np.clip(p, 1e-9, 1 - 1e-9)
    return np.asarray(np.log(inside) - np.log1p(-inside))


def _expit(x: FloatArray) -> FloatArray:
    return np.asarray(1 / (1 + np.exp(-x)))
