"""Accuracies of LFs as a fitted posterior sees them, with bootstrap intervals from patterns."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from labelkit.labelmodels.posterior import Posterior, Scorer
from labelkit.labelmodels.statistics import FloatArray, VoteStatistics

if TYPE_CHECKING:
    import polars as pl

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
    refitter: Callable[[VoteStatistics], Callable[[VoteStatistics], Scorer] | None],
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
    import polars as pl

    estimate = expected_agreement(statistics, posterior.proba(statistics))
    rng = np.random.default_rng(seed)
    n = round(statistics.n)
    size = min(n, LARGEST_REPLICATE)
    share = statistics.counts / statistics.counts.sum()
    sample = statistics
    if len(statistics.rows) > LARGEST_REPLICATE:
        sample = statistics.drawn(rng.multinomial(4 * size, share).astype(np.float64))
    refit = refitter(sample)
    replicates = np.full((n_replicates, statistics.m), np.nan)
    for b in range(n_replicates):
        resampled = statistics.drawn(rng.multinomial(size, share).astype(np.float64))
        scorer = posterior.scorer if refit is None else refit(resampled)
        refitted = Posterior(scorer, posterior.calibration, posterior.balance)
        replicates[b] = expected_agreement(resampled, refitted.proba(resampled))
    spread = _spread(_logit(replicates)) * np.sqrt(size / n)
    middle = _logit(estimate)
    return pl.DataFrame(
        {
            "lf": list(statistics.lf_names),
            "accuracy": estimate,
            "low": _expit(middle - Z_95 * spread),
            "high": _expit(middle + Z_95 * spread),
        }
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


def _logit(p: FloatArray) -> FloatArray:
    inside = np.clip(p, 1e-9, 1 - 1e-9)
    logit: FloatArray = np.log(inside) - np.log1p(-inside)
    return logit


def _expit(x: FloatArray) -> FloatArray:
    expit: FloatArray = 1 / (1 + np.exp(-x))
    return expit
