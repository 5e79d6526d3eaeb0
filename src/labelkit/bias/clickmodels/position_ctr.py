"""The baseline: click rate by position, blind to items."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from labelkit.bias.clickmodels.base import at_position, inside
from labelkit.bias.clickmodels.counts import PageCounts
from labelkit.bias.clickmodels.pages import Pages
from labelkit.bias.clickmodels.smoothing import FEW_STRENGTH, BetaPrior

FloatArray = npt.NDArray[np.float64]


class PositionRate:
    """Rank-based click-through rate: P(click | position k) = ρ_k.

    A model of items that does not beat it has learned nothing about them that lasts.

    Attributes
    ----------
    rate_ : (depth + 1,) ρ by position; entry 0 is unused

    References
    ----------
    Chuklin, Markov & de Rijke (2015), *Click Models for Web Search*, section 3.2 (RCTR).
    """

    name = "position rate"
    converged_ = True

    def fit(self, counts: PageCounts, sample: Pages | None = None) -> PositionRate:
        clicks = counts.by_position(counts.clicks)
        shown = counts.by_position(counts.impressions)
        overall = BetaPrior(float(clicks.sum() / max(shown.sum(), 1)), FEW_STRENGTH)
        self.rate_ = overall.rates(clicks, shown)[:-1]
        self.n_parameters_ = counts.depth
        return self

    def click_probability(self, pages: Pages) -> FloatArray:
        return inside(at_position(self.rate_, pages))
