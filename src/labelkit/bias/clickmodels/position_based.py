"""Position-based model: examination depends on the position alone."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from labelkit.bias.clickmodels.base import at_position, inside
from labelkit.bias.clickmodels.counts import PageCounts
from labelkit.bias.clickmodels.examination import ExaminedCells, fit_examination
from labelkit.bias.clickmodels.pages import Pages
from labelkit.bias.clickmodels.smoothing import FEW_STRENGTH, BetaPrior, fit_beta_prior
from labelkit.bias.clickmodels.squarem import FINE, ROUGH, EMFit
from labelkit.bias.poisson import ClickedCells, fit_poisson
from labelkit.logs import PositionCounts

FloatArray = npt.NDArray[np.float64]


class PositionBased:
    """P(click | e, k) = θ_k γ_e, whatever was clicked above.

    θ starts at labelkit's Poisson fit, and both are then brought to the maximum of the Bernoulli
    posterior, so that it meets its rivals at its best.

    Attributes
    ----------
    theta_ : (depth + 1,) θ by position; entry 0 is unused
    gamma_ : (n_examples + 1,) γ by example; last, of an example never seen
    fit_ : ``EMFit``, the proof of convergence

    References
    ----------
    Richardson, Dominowska & Ragno (2007), *Predicting clicks*; Craswell et al. (2008), section 3.
    """

    name = "PBM"

    def fit(self, counts: PageCounts, sample: Pages | None = None) -> PositionBased:
        merged = _by_position(counts)
        theta = start_curve(merged, counts.depth)
        # The prior of γ depends on θ through the exposures, and θ on the prior a little: once
        # more with the θ that was found is as far as it moves anything.
        for tolerance in (ROUGH, FINE):
            prior = exposure_prior(counts, theta)
            cells = ExaminedCells(
                merged.example,
                merged.position,
                merged.impressions.astype(np.float64),
                merged.clicks.astype(np.float64),
                theta,
                FEW_STRENGTH,
                prior,
            )
            gamma = start_gamma(counts, theta, prior)
            self.fit_: EMFit = fit_examination(cells, theta=theta, gamma=gamma, tolerance=tolerance)
            theta, gamma = np.split(self.fit_.rates, [len(theta)])
        self.theta_, self.prior_ = theta, prior
        self.gamma_ = np.append(gamma, prior.mean)
        self.converged_ = self.fit_.converged
        self.n_parameters_ = counts.n_examples + counts.depth
        return self

    def click_probability(self, pages: Pages) -> FloatArray:
        return inside(at_position(self.theta_, pages) * self.gamma_[pages.example])


def _by_position(counts: PageCounts) -> PositionCounts:
    # θ knows nothing of queries; one for all of them will do.
    return PositionCounts.from_arrays(
        np.zeros(len(counts), np.int64),
        counts.example,
        counts.position,
        counts.impressions,
        counts.clicks,
    )


def start_curve(counts: PositionCounts, depth: int) -> FloatArray:
    """θ (depth + 1,) to start from, its largest value 0.9; entry 0 is unused.

    The Poisson fit; where no item was clicked that stood at two positions, the shape of the click
    rates. It stays below 1, where EM would not leave again.
    """
    clicks = np.bincount(counts.position, counts.clicks, depth + 1).astype(np.float64)
    shown = np.bincount(counts.position, counts.impressions, depth + 1)
    theta = (clicks + 0.5) / (shown + 1.0)
    cells = ClickedCells.of(counts)
    if len(cells.segment):
        theta[cells.positions] = np.exp(fit_poisson(cells, smoothing=1.0).beta)
    # A position that few clicks touch must not set the scale.
    theta *= 0.9 / theta[clicks >= 0.1 * clicks.max()].max()
    return np.clip(theta, 1e-4, 0.9)


def exposure_prior(counts: PageCounts, theta: FloatArray) -> BetaPrior:
    """The prior of γ, from clicks and effective exposures Σ θ_k n_ek as trials."""
    exposure = counts.by_example(counts.impressions * theta[counts.position])
    return fit_beta_prior(counts.by_example(counts.clicks), exposure)


def start_gamma(counts: PageCounts, theta: FloatArray, prior: BetaPrior) -> FloatArray:
    """Clicks over expected clicks (Zhang & Jones 2007), smoothed and below 1."""
    exposure = counts.by_example(counts.impressions * theta[counts.position])
    rates = prior.rates(counts.by_example(counts.clicks), exposure)[:-1]
    return np.minimum(rates, 0.95)
