"""User browsing model: examination depends on position and distance to the click above."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from labelkit.bias.clickmodels.base import inside
from labelkit.bias.clickmodels.counts import PageCounts
from labelkit.bias.clickmodels.examination import ExaminedCells, fit_examination
from labelkit.bias.clickmodels.pages import Pages
from labelkit.bias.clickmodels.position_based import PositionBased
from labelkit.bias.clickmodels.smoothing import FEW_STRENGTH
from labelkit.bias.clickmodels.squarem import EMFit

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


class UserBrowsing:
    """P(click | e, k, previous click at r) = θ_{k,r} γ_e, r = 0 where nothing above was clicked.

    Position and previous click name the same groups as position and distance. EM (see
    ``examination``) starts from the position-based model; its θ_k is worth ten observations in each
    group, so that pairs (k, r) that hardly occur fall back on it.

    Attributes
    ----------
    theta_ : (depth + 1, depth + 1) θ by position and previous click; [k, 0] is no click above
    gamma_ : (n_examples + 1,) γ by example; last, of an example never seen
    below_click_ : examination directly below a click, relative to the same positions with no click
        above; NaN if that never occurred
    fit_ : ``EMFit``, the proof of convergence

    References
    ----------
    Dupret & Piwowarski (2008), *A user browsing model to predict search engine click data from
    past observations*, the single browsing model, section 3.
    """

    name = "UBM"

    def __init__(self, start: PositionBased | None = None) -> None:
        self.start = start

    def fit(self, counts: PageCounts, sample: Pages | None = None) -> UserBrowsing:
        pbm = PositionBased().fit(counts) if self.start is None else self.start
        side = counts.depth + 1
        theta = np.repeat(pbm.theta_, side)
        cells = ExaminedCells(
            counts.example,
            counts.position * side + counts.previous,
            counts.impressions.astype(np.float64),
            counts.clicks.astype(np.float64),
            theta,
            FEW_STRENGTH,
            pbm.prior_,
        )
        self.fit_: EMFit = fit_examination(cells, theta=theta, gamma=pbm.gamma_[:-1])
        theta, gamma = np.split(self.fit_.rates, [len(theta)])
        self.theta_ = theta.reshape(side, side)
        self.gamma_ = np.append(gamma, pbm.prior_.mean)
        self.below_click_ = _below_click(counts, self.theta_)
        self.converged_ = self.fit_.converged
        occurring = len(np.unique(cells.group))
        self.n_parameters_ = counts.n_examples + occurring
        return self

    def click_probability(self, pages: Pages) -> FloatArray:
        deepest = len(self.theta_) - 1
        k, r = np.minimum(pages.position, deepest), np.minimum(pages.previous, deepest)
        return inside(self.theta_[k, r] * self.gamma_[pages.example])


def _below_click(counts: PageCounts, theta: FloatArray) -> float:
    below = (counts.previous > 0) & (counts.previous == counts.position - 1)
    n, k = counts.impressions[below], counts.position[below]
    if not n.sum():
        return float("nan")
    return float((n @ theta[k, k - 1]) / (n @ theta[k, 0]))
