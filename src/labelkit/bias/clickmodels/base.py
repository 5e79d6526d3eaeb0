"""The contract of a click model: fit on counts, then predict clicks on pages row by row."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import numpy.typing as npt

from labelkit.bias.clickmodels.counts import PageCounts
from labelkit.bias.clickmodels.pages import Pages

FloatArray = npt.NDArray[np.float64]


class PageModel(Protocol):
    """A model of which results of a page are clicked.

    ``click_probability`` is P(click | clicks above on the same page) under the model, so that the
    logarithms add up to the likelihood of whole pages, and models that look at clicks above and
    models that do not are compared on the same footing.
    """

    name: str
    n_parameters_: int
    converged_: bool

    def fit(self, counts: PageCounts, sample: Pages | None = None) -> PageModel:
        """Learn from counts, and where these do not suffice from pages; returns self.

        Parameters
        ----------
        sample : the pages that were counted, or a random sample of them
        """

    def click_probability(self, pages: Pages) -> FloatArray:
        """P(click | clicks above), (n,) in (0, 1)."""


def at_position(values: FloatArray, pages: Pages) -> FloatArray:
    """``values[position]``; positions below the deepest one fitted get the deepest value."""
    return np.asarray(values[np.minimum(pages.position, len(values) - 1)])


def inside(probability: FloatArray) -> FloatArray:
    """Probabilities kept off 0 and 1, so that no single click costs an infinite amount."""
    return np.clip(probability, 1e-6, 1 - 1e-6)
