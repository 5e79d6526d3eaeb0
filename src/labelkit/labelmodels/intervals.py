"""Accuracies of LFs as a fitted posterior sees them, with bootstrap intervals from patterns."""

from __future__ import annotations

from collections.abc import Callable

import narwhals as nw
import numpy as np

from labelkit.engine import NativeFrame, to_native_like
from labelkit.labelmodels.posterior import Posterior, normalised
from labelkit.labelmodels.statistics import FloatArray, VoteStatistics

N_REPLICATES = 200
LEVEL = 0.95


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
    resampled_scores: Callable[[VoteStatistics], FloatArray],
    *,
    seed: int,
    native: NativeFrame,
) -> NativeFrame:
    """``lf``, ``accuracy``, ``low``, ``high``: percentile bootstrap over examples."""
    import polars as pl

    estimate = expected_agreement(statistics, posterior.proba(statistics))
    rng = np.random.default_rng(seed)
    n, share = round(statistics.n), statistics.counts / statistics.n
    replicates = np.empty((N_REPLICATES, statistics.m))
    for b in range(N_REPLICATES):
        resampled = statistics.reweighted(rng.multinomial(n, share).astype(np.float64))
        scores = posterior.calibration.apply(resampled_scores(resampled))
        proba = normalised(scores)
        proba[~statistics.covered] = posterior.balance
        replicates[b] = expected_agreement(resampled, proba)
    voted = np.isfinite(estimate)
    low, high = np.full((2, statistics.m), np.nan)
    tails = [(1 - LEVEL) / 2, (1 + LEVEL) / 2]
    low[voted], high[voted] = np.nanquantile(replicates[:, voted], tails, axis=0)
    table = pl.DataFrame(
        {
            "lf": list(statistics.lf_names),
            "accuracy": estimate,
            "low": np.minimum(low, estimate),
            "high": np.maximum(high, estimate),
        }
    ).with_columns(pl.col("accuracy", "low", "high").fill_nan(None))
    return to_native_like(nw.from_native(table), native)
