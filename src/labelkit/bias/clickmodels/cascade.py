"""Cascade model: read from the top, click the first attractive result, stop."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from labelkit.bias.clickmodels.base import inside
from labelkit.bias.clickmodels.counts import PageCounts
from labelkit.bias.clickmodels.pages import Pages
from labelkit.bias.clickmodels.smoothing import fit_beta_prior

FloatArray = npt.NDArray[np.float64]


class Cascade:
    """P(click at k | no click above) = a_e; after a click nothing is examined.

    The published model gives pages with two clicks probability zero. Here every result below a
    click is clicked with one small probability ε, the share of them that were: the published
    model with the least noise under which a page with several clicks is possible at all. Those
    later clicks say nothing about items. a_e is the share of clicks among impressions with no
    click above, the maximum of the likelihood.

    Attributes
    ----------
    attraction_ : (n_examples + 1,) a by example; last, of an example never seen
    after_click_ : ε

    References
    ----------
    Craswell, Zoeter, Taylor & Ramsey (2008), *An experimental comparison of click position-bias
    models*, equation 4.
    """

    name = "cascade"
    converged_ = True

    def fit(self, counts: PageCounts, sample: Pages | None = None) -> Cascade:
        open_ = counts.previous == 0
        clicks = counts.by_example(counts.clicks * open_)
        shown = counts.by_example(counts.impressions * open_)
        self.prior_ = fit_beta_prior(clicks, shown)
        self.attraction_ = self.prior_.rates(clicks, shown)
        below = counts.impressions[~open_].sum()
        self.after_click_ = float((counts.clicks[~open_].sum() + 0.5) / (below + 1))
        self.n_parameters_ = counts.n_examples + 1
        return self

    def click_probability(self, pages: Pages) -> FloatArray:
        open_ = pages.previous == 0
        return inside(np.where(open_, self.attraction_[pages.example], self.after_click_))
