"""Examination hypothesis: P(click) = θ_g γ_e over groups g of impressions, by EM.

With g the position it is the position-based model, with g = (position, distance to the click
above) the user browsing model. One fit for both, so that the two differ by their groups alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from labelkit.bias.clickmodels.smoothing import BetaPrior
from labelkit.bias.clickmodels.squarem import FINE, EMFit, EMStep, cross_entropy, squarem

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class ExaminedCells:
    """Impressions and clicks per (example, group), sorted by example, every example present.

    ::

        example, group      (c,)
        impressions, clicks (c,)
        theta_prior         (G,) prior mean of θ, each worth ``theta_strength`` impressions
        gamma_prior         of every γ
    """

    example: IntArray
    group: IntArray
    impressions: FloatArray
    clicks: FloatArray
    theta_prior: FloatArray
    theta_strength: float
    gamma_prior: BetaPrior

    @cached_property
    def skips(self) -> FloatArray:
        """Impressions without a click, (c,)."""
        return np.asarray(self.impressions - self.clicks)

    @cached_property
    def weight_e(self) -> FloatArray:
        """Impressions and prior observations of each example, (E,)."""
        return self.by_example(self.impressions) + self.gamma_prior.strength

    @cached_property
    def weight_g(self) -> FloatArray:
        """Impressions and prior observations of each group, (G,)."""
        return self.by_group(self.impressions) + self.theta_strength

    @cached_property
    def _starts(self) -> IntArray:
        return np.flatnonzero(np.diff(self.example, prepend=-1))

    def by_example(self, values: FloatArray) -> FloatArray:
        """Sums over each example's cells, (E,)."""
        return np.asarray(np.add.reduceat(values, self._starts), dtype=np.float64)

    def by_group(self, values: FloatArray) -> FloatArray:
        """Sums over each group's cells, (G,)."""
        return np.bincount(self.group, values, len(self.theta_prior)).astype(np.float64)


def em_step(cells: ExaminedCells, theta: FloatArray, gamma: FloatArray) -> EMStep:
    """One EM step from θ (G,) and γ (E,); its rates are θ and γ in one array.

    E: an unclicked impression was examined with probability θ(1 − γ)/(1 − θγ), and would attract
    with probability γ(1 − θ)/(1 − θγ) (Dupret & Piwowarski 2008, section 3.3; Wang et al. 2018,
    equation 1). M: shares of the expected counts, prior observations included. By Fisher's
    identity the score in log-odds is what the step changes, times its weight.
    """
    t, a = theta[cells.group], gamma[cells.example]
    product = t * a
    odds = cells.skips / (1 - product)
    mean, strength = cells.gamma_prior.mean, cells.gamma_prior.strength
    attractive = cells.by_example(cells.clicks + odds * (a - product)) + strength * mean
    examined = cells.by_group(cells.clicks + odds * (t - product))
    examined += cells.theta_strength * cells.theta_prior
    objective = float(
        cells.clicks @ np.log(product)
        + cells.skips @ np.log1p(-product)
        + strength * np.sum(cross_entropy(gamma, mean))
        + cells.theta_strength * np.sum(cross_entropy(theta, cells.theta_prior))
    )
    score = np.abs(examined - cells.weight_g * theta).sum()
    score += np.abs(attractive - cells.weight_e * gamma).sum()
    rates = np.concatenate([examined / cells.weight_g, attractive / cells.weight_e])
    return EMStep(rates, objective, float(score))


def fit_examination(
    cells: ExaminedCells, *, theta: FloatArray, gamma: FloatArray, tolerance: float = FINE
) -> EMFit:
    """Maximum a posteriori of θ and γ; ``rates`` holds θ (G,), then γ (E,).

    Parameters
    ----------
    theta, gamma : (G,), (E,) where to start, off 0 and 1, where EM would stay for ever
    tolerance : on the sum of absolute scores, relative to all clicks
    """
    size = len(theta)

    def step(rates: FloatArray) -> EMStep:
        return em_step(cells, rates[:size], rates[size:])

    bound = tolerance * max(float(cells.clicks.sum()), 1.0)
    return squarem(step, np.concatenate([theta, gamma]), bound=bound)
