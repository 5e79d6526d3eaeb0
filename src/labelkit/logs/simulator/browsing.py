"""``BrowsingModel``: the eye moves on from the last click, not from the top."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from labelkit.errors import LogError
from labelkit.logs.simulator.rows import BoolArray, FloatArray, PageRows


@dataclass(frozen=True)
class BrowsingModel:
    """User browsing model: P(click | e, k, last click at j) = θ_kj γ_e, with θ_kj = (k − j)^−η.

    j = 0 where nothing above was clicked, so that a page without clicks reads like the
    position-based model, and a click brings the attention back.

    Parameters
    ----------
    eta : severity, ≥ 0
    n_positions : length K of a page
    table : row k has θ_k0 … θ_k,k−1 instead, each in [0, 1]

    References
    ----------
    Dupret, Piwowarski (2008), *A user browsing model to predict search engine click data from
    past observations*.
    """

    eta: float = 1.0
    n_positions: int = 10
    table: tuple[tuple[float, ...], ...] | None = None

    def __post_init__(self) -> None:
        if not self.eta >= 0 or self.n_positions < 1:
            raise LogError(f"A browsing model needs eta ≥ 0 and n_positions ≥ 1; got {self}.")
        if self.table is None:
            return
        lengths = [len(row) for row in self.table]
        if lengths != list(range(1, self.n_positions + 1)):
            raise LogError(
                f"A table has k values for each position k = 1 … {self.n_positions}; got {lengths}."
            )
        if not all(0 <= theta <= 1 for row in self.table for theta in row):
            raise LogError("A table holds probabilities; some are outside [0, 1].")

    @property
    def examination(self) -> FloatArray:
        """θ, (K, K): row position − 1, column last clicked position, 0 for none; 0 above."""
        theta = np.zeros((self.n_positions, self.n_positions))
        for k in range(self.n_positions):
            distance = np.arange(k + 1, 0, -1, dtype=np.float64)
            theta[k, : k + 1] = self.table[k] if self.table is not None else distance**-self.eta
        return theta

    def draw(self, rng: np.random.Generator, rows: PageRows) -> BoolArray:
        u, theta = rng.random(len(rows)), self.examination
        last = np.zeros(int(np.count_nonzero(rows.slot == 0)), dtype=np.int64)
        clicked = np.zeros(len(rows), dtype=bool)
        for k, pages, at in rows.from_the_top():
            clicked[at] = u[at] < theta[k, last[pages]] * rows.gamma[at]
            last[pages[clicked[at]]] = k + 1
        return clicked

    def probability(self, rows: PageRows) -> FloatArray:
        theta = self.examination
        # Where the last click is, before anything was seen: (n_pages, K), column 0 is none.
        last = np.zeros((int(np.count_nonzero(rows.slot == 0)), self.n_positions + 1))
        last[:, 0] = 1.0
        p = np.empty(len(rows))
        for k, pages, at in rows.from_the_top():
            each = last[pages, : k + 1] * (theta[k, : k + 1] * rows.gamma[at, None])
            p[at] = each.sum(axis=1)
            last[pages, : k + 1] -= each
            last[pages, k + 1] = p[at]
        return p

    def steeper(self, power: float) -> BrowsingModel:
        if self.table is None:
            return replace(self, eta=self.eta * power)
        return replace(self, table=tuple(tuple(t**power for t in row) for row in self.table))
