"""Simplified dynamic Bayesian network: users read downwards until a click satisfies them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from labelkit.bias.clickmodels.base import inside
from labelkit.bias.clickmodels.counts import PageCounts
from labelkit.bias.clickmodels.pages import Pages
from labelkit.bias.clickmodels.reading import ReadingData, Tails, fit_reading, p_examined
from labelkit.bias.clickmodels.smoothing import fit_beta_prior
from labelkit.bias.clickmodels.squarem import EMFit

FloatArray = npt.NDArray[np.float64]


class SimplifiedDBN:
    """P(click | examined) = a_e; P(satisfied, and so stop | click) = s_e; without a click, go on.

    The dynamic Bayesian network with perseverance 1. From counts alone, the closed form of the
    paper: a_e = clicks ÷ impressions at or above the last click (all, on a page without a click);
    s_e = last clicks ÷ clicks. Given pages, EM goes on from there to the maximum of the posterior.

    Attributes
    ----------
    attraction_, satisfaction_ : (n_examples + 1,) a and s by example; last, of one never seen
    fit_ : ``EMFit``, the proof of convergence; None for the closed form

    References
    ----------
    Chapelle & Zhang (2009), *A dynamic Bayesian network click model for web search ranking*,
    section 5 and algorithm 1.
    """

    name = "DBN"

    def fit(self, counts: PageCounts, sample: Pages | None = None) -> SimplifiedDBN:
        clicks, reached = counts.by_example(counts.clicks), counts.by_example(counts.reached)
        went_on = clicks - counts.by_example(counts.last)
        prior, on_prior = fit_beta_prior(clicks, reached), fit_beta_prior(went_on, clicks)
        attraction, read_on = (
            prior.rates(clicks, reached)[:-1],
            on_prior.rates(went_on, clicks)[:-1],
        )
        self.fit_: EMFit | None = None
        if sample is not None:
            tails = Tails.of(sample, int(counts.impressions.sum()) / max(len(sample), 1))
            data = ReadingData(
                clicks, reached, went_on, tails, tails.clicked_example, prior, on_prior
            )
            self.fit_, data = fit_reading(data, attraction=attraction, read_on=read_on)
            attraction, read_on = np.split(self.fit_.rates, [len(attraction)])
            prior, on_prior = data.a_prior, data.on_prior
        self.prior_, self.read_on_prior_ = prior, on_prior
        self.attraction_ = np.append(attraction, prior.mean)
        self.satisfaction_ = 1 - np.append(read_on, on_prior.mean)
        self.converged_ = self.fit_ is None or self.fit_.converged
        self.n_parameters_ = 2 * counts.n_examples
        return self

    def click_probability(self, pages: Pages) -> FloatArray:
        attraction = self.attraction_[pages.example]
        read_on = 1 - self.satisfaction_[pages.example]
        return inside(attraction * p_examined(pages, attraction, read_on))
