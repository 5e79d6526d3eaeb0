"""Accuracies and confusions of LFs as a posterior sees them, with intervals from patterns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from labelkit.labelmodels.posterior import Posterior, Scorer
from labelkit.labelmodels.statistics import FloatArray, VoteStatistics

if TYPE_CHECKING:
    import polars as pl

# Given a sample of the statistics: how to fit again to resampled counts; None: nothing to fit.
Refitter: TypeAlias = Callable[[VoteStatistics], Callable[[VoteStatistics], Scorer] | None]

# Replicates are no larger than this: the spread of an estimate shrinks with √n, so that the
# spread at a smaller size tells that at the full size (Bickel, Götze & van Zwet 1997).
LARGEST_REPLICATE = 5_000
Z_95 = 1.959963984540054


def expected_agreement(statistics: VoteStatistics, proba: FloatArray) -> FloatArray:
    """Expected share of each LF's votes that are right, (m,): Σ n_r P(Y = λ_rj) / Σ n_r.

    NaN for an LF that never votes.
    """
    mass = proba * statistics.counts[:, None]
    right = np.trace(statistics.tallies(mass), axis1=1, axis2=2)
    cast = statistics.votes_cast.sum(axis=1)
    with np.errstate(invalid="ignore"):
        share: FloatArray = right / cast
    return share


def accuracy_table(
    statistics: VoteStatistics,
    posterior: Posterior,
    refitter: Refitter,
    *,
    n_replicates: int,
    seed: int,
) -> pl.DataFrame:
    """``lf``, ``accuracy``, ``low``, ``high`` (95 %), one row per LF; null for LFs without a vote.

    Parameters
    ----------
    refitter : given a sample of the statistics, a function that fits the model again to
        resampled counts; None where there is nothing to fit

    Notes
    -----
    Bootstrap over examples, that is over counts of vote patterns, normal on the logit scale. It
    measures what another sample of examples would change; it trusts the model, and cannot see
    that LFs err together.
    """
    estimate, low, high = bootstrap_interval(
        statistics,
        posterior,
        refitter,
        expected_agreement,
        n_replicates=n_replicates,
        seed=seed,
    )
    return interval_table(statistics.lf_names, estimate, low, high)


def expected_confusion(statistics: VoteStatistics, proba: FloatArray) -> FloatArray:
    """Expected P(LF j votes v | Y = y, it votes), (m · k · k,) in the order j, y, v.

    NaN where an LF never votes.
    """
    votes = statistics.tallies(proba * statistics.counts[:, None]).transpose(0, 2, 1)
    with np.errstate(invalid="ignore"):
        share: FloatArray = votes / votes.sum(axis=2, keepdims=True)
    return share.ravel()


def confusion_table(
    statistics: VoteStatistics,
    posterior: Posterior,
    refitter: Refitter,
    *,
    n_replicates: int,
    seed: int,
) -> pl.DataFrame:
    """``lf``, ``class``, ``vote``, ``probability``, ``low``, ``high`` (95 %); as `accuracy_table`.

    Null for LFs without a vote. A class that LF j's votes never meet has no interval either.
    """
    import polars as pl

    k = statistics.cardinality
    estimate, low, high = bootstrap_interval(
        statistics,
        posterior,
        refitter,
        expected_confusion,
        n_replicates=n_replicates,
        seed=seed,
    )
    grid = np.indices((statistics.m, k, k)).reshape(3, -1)
    return pl.DataFrame(
        {
            "lf": np.array(statistics.lf_names, dtype=object)[grid[0]].tolist(),
            "class": grid[1].astype(np.int64),
            "vote": grid[2].astype(np.int64),
            "probability": estimate,
            "low": low,
            "high": high,
        }
    ).with_columns(pl.col("probability", "low", "high").fill_nan(None))


def bootstrap_interval(
    statistics: VoteStatistics,
    posterior: Posterior,
    refitter: Refitter,
    estimator: Callable[[VoteStatistics, FloatArray], FloatArray],
    *,
    n_replicates: int,
    seed: int,
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Estimate, low and high (95 %) of shares (d,) that follow from votes and a fitted posterior.

    Bootstrap over counts of vote patterns, normal on the logit scale; see `accuracy_table`.
    """
    estimate = estimator(statistics, posterior.proba(statistics))
    rng = np.random.default_rng(seed)
    n = round(statistics.n)
    size = min(n, LARGEST_REPLICATE)
    share = statistics.counts / statistics.counts.sum()
    sample = statistics
    if len(statistics.rows) > LARGEST_REPLICATE:
        sample = statistics.drawn(rng.multinomial(4 * size, share).astype(np.float64))
    refit = refitter(sample)
    replicates = np.full((n_replicates, len(estimate)), np.nan)
    for b in range(n_replicates):
        resampled = statistics.drawn(rng.multinomial(size, share).astype(np.float64))
        scorer = posterior.scorer if refit is None else refit(resampled)
        refitted = Posterior(scorer, posterior.calibration, posterior.balance)
        replicates[b] = estimator(resampled, refitted.proba(resampled))
    spread = _spread(logit(replicates)) * np.sqrt(size / n)
    middle = logit(estimate)
    return estimate, expit(middle - Z_95 * spread), expit(middle + Z_95 * spread)


def interval_table(
    lf_names: Sequence[str], estimate: FloatArray, low: FloatArray, high: FloatArray
) -> pl.DataFrame:
    """``lf``, ``accuracy``, ``low``, ``high``, one row per LF; NaN becomes null."""
    import polars as pl

    return pl.DataFrame(
        {"lf": list(lf_names), "accuracy": estimate, "low": low, "high": high}
    ).with_columns(pl.col("accuracy", "low", "high").fill_nan(None))


def _spread(replicates: FloatArray) -> FloatArray:
    """Standard deviation (m,) over the replicates in which the LF votes; NaN if there is none."""
    known = np.isfinite(replicates)
    number = np.maximum(known.sum(axis=0), 1)
    filled = np.where(known, replicates, 0.0)
    mean = filled.sum(axis=0) / number
    squares = np.where(known, (replicates - mean) ** 2, 0.0).sum(axis=0)
    deviation = np.sqrt(squares / np.maximum(number - 1, 1))
    return np.asarray(np.where(known.any(axis=0), deviation, np.nan))


def logit(p: FloatArray) -> FloatArray:
    """log(p / (1 - p)), finite at 0 and 1."""
    inside = np.clip(p, 1e-9, 1 - 1e-9)
    logit: FloatArray = np.log(inside) - np.log1p(-inside)
    return logit


def expit(x: FloatArray) -> FloatArray:
    """The inverse of `logit`."""
    expit: FloatArray = 1 / (1 + np.exp(-x))
    return expit
