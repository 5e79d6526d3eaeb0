"""Dependent click model: after a click, users read on with a chance set by its position."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from labelkit.bias.clickmodels.base import at_position, inside
from labelkit.bias.clickmodels.counts import PageCounts
from labelkit.bias.clickmodels.pages import Pages
from labelkit.bias.clickmodels.reading import ReadingData, Tails, fit_reading, p_examined
from labelkit.bias.clickmodels.smoothing import FEW_STRENGTH, BetaPrior, fit_beta_prior
from labelkit.bias.clickmodels.squarem import EMFit

FloatArray = npt.NDArray[np.float64]


class DependentClick:
    """P(click | examined) = a_e; P(examine k+1 | click at k) = λ_k; without a click, 1.

    From counts alone, the closed form of the paper: below the last click nothing was examined;
    a_e = clicks ÷ impressions at or above the last click (all, on a page without a click), and
    λ_k = 1 − (pages whose last click is at k) ÷ (clicks at k). It maximises a lower bound of the
    likelihood. Given pages, EM goes on from there to the maximum of the posterior.

    Attributes
    ----------
    attraction_ : (n_examples + 1,) a by example; last, of an example never seen
    read_on_ : (depth + 1,) λ by position; entry 0 is unused
    fit_ : ``EMFit``, the proof of convergence; None for the closed form

    References
    ----------
    Guo, Liu & Wang (2009), *Efficient multiple-click models in web search*, equations 2 and 7–9.
    """

    name = "DCM"

    def fit(self, counts: PageCounts, sample: Pages | None = None) -> DependentClick:
        clicks, reached = counts.by_example(counts.clicks), counts.by_example(counts.reached)
        clicked = counts.by_position(counts.clicks)
        went_on = clicked - counts.by_position(counts.last)
        prior = fit_beta_prior(clicks, reached)
        on_prior = BetaPrior(float((went_on.sum() + 0.5) / (clicked.sum() + 1)), FEW_STRENGTH)
        attraction = prior.rates(clicks, reached)[:-1]
        self.read_on_ = on_prior.rates(went_on, clicked)[:-1]
        self.fit_: EMFit | None = None
        if sample is not None:
            tails = Tails.of(sample, int(counts.impressions.sum()) / max(len(sample), 1))
            data = ReadingData(clicks, reached, went_on, tails, tails.position, prior, on_prior)
            self.fit_, data = fit_reading(data, attraction=attraction, read_on=self.read_on_)
            attraction, self.read_on_ = np.split(self.fit_.rates, [len(attraction)])
            prior = data.a_prior
        self.prior_ = prior
        self.attraction_ = np.append(attraction, prior.mean)
        self.converged_ = self.fit_ is None or self.fit_.converged
        self.n_parameters_ = counts.n_examples + counts.depth
        return self

    def click_probability(self, pages: Pages) -> FloatArray:
        attraction = self.attraction_[pages.example]
        read_on = at_position(self.read_on_, pages)
        return inside(attraction * p_examined(pages, attraction, read_on))
