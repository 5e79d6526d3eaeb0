"""The one smoothing of all click models: a Beta prior fitted to all examples together.

Rates of examples with few impressions are drawn towards the mean of all, by as much as the
examples' rates agree with each other (empirical Bayes: Robbins 1956, Morris 1983). An example that
the fit has never seen gets the mean. Every per-example rate of every model is smoothed so: models
differ by what they say of users, not by how they treat rare items.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]

# Rates per position, of which there are few with much data, are worth this many observations a
# priori: of the mean of all, or of the coarser model.
FEW_STRENGTH = 10.0
# Trials that differ by less than 2 % are one number of trials to the prior, which is fitted to all
# examples together.
BIN_WIDTH = 0.02
WEAKEST, STRONGEST = 0.05, 1e5


@dataclass(frozen=True)
class BetaPrior:
    """Beta(strength · mean, strength · (1 − mean)) over a rate; ``strength`` is in trials."""

    mean: float
    strength: float

    def rates(self, successes: FloatArray, trials: FloatArray) -> FloatArray:
        """Posterior means, (n + 1,): of each example, and last of an example never seen."""
        posterior = (self.strength * self.mean + successes) / (self.strength + trials)
        return np.append(posterior, self.mean)


def fit_beta_prior(successes: FloatArray, trials: FloatArray) -> BetaPrior:
    """Maximum marginal (beta-binomial) likelihood over all examples.

    Parameters
    ----------
    successes : (n,) ≥ 0
    trials : (n,) ≥ 0; effective trials may be broken numbers. Examples without trials do not count
    """
    from scipy.optimize import minimize
    from scipy.special import betaln, expit, logit

    seen = trials > 0
    if not seen.any():
        return BetaPrior(0.5, 1.0)
    s, t, weight = _bins(successes[seen], np.maximum(trials, successes)[seen])
    overall = float(np.clip((weight @ s + 0.5) / (weight @ t + 1.0), 1e-9, 1 - 1e-9))

    def negative(parameters: FloatArray) -> float:
        mean, strength = expit(parameters[0]), np.exp(parameters[1])
        a, b = strength * mean, strength * (1 - mean)
        return -float(weight @ (betaln(a + s, b + t - s) - betaln(a, b))) / float(weight.sum())

    centre = float(logit(overall))
    bounds = [(centre - 3, centre + 3), (np.log(WEAKEST), np.log(STRONGEST))]
    best = minimize(negative, np.array([centre, 1.0]), method="L-BFGS-B", bounds=bounds)
    return BetaPrior(float(expit(best.x[0])), float(np.exp(best.x[1])))


def _bins(successes: FloatArray, trials: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Distinct (successes, trials) after binning trials on a log scale, and how often each."""
    whole = successes.astype(np.int64)
    steps = np.rint(np.log(trials) / BIN_WIDTH).astype(np.int64)
    low, width = int(steps.min()), int(steps.max() - steps.min()) + 1
    code, count = np.unique(whole * width + (steps - low), return_counts=True)
    s = (code // width).astype(np.float64)
    t = np.exp((code % width + low) * BIN_WIDTH)
    return s, np.maximum(t, s), count.astype(np.float64)
