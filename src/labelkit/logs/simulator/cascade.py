"""``CascadeModel``: people read from the top until they are satisfied or give up."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from labelkit.errors import LogError
from labelkit.logs.simulator.rows import BoolArray, FloatArray, IntArray, PageRows


@dataclass(frozen=True)
class CascadeModel:
    """Reading from the top: an examined item is clicked with γ_e, a click satisfies with σ.

    Whoever is satisfied leaves; whoever is not reads on with probability λ. So examination
    depends on what stands above, and there is no θ_k: the position-based model is wrong here.

    Parameters
    ----------
    n_positions : length K of a page
    satisfaction : σ. A number; or (K,) by position, which is a dependent click model with
        λ_k = 1 − σ_k; or "item", the column ``satisfaction`` of the catalogue, which is a
        dynamic Bayesian network
    continuation : λ in [0, 1]; 1 is the simplified network

    Notes
    -----
    ``CascadeModel()`` is the plain cascade (Craswell et al. 2008): one click, then nothing.

    References
    ----------
    Craswell, Zoeter, Taylor, Ramsey (2008), *An experimental comparison of click position-bias
    models*; Guo, Liu, Wang (2009), *Efficient multiple-click models in web search*, for the
    dependent click model; Chapelle, Zhang (2009), *A dynamic Bayesian network click model*.
    """

    n_positions: int = 10
    satisfaction: float | tuple[float, ...] | Literal["item"] = 1.0
    continuation: float = 1.0

    def __post_init__(self) -> None:
        if self.n_positions < 1 or not 0 <= self.continuation <= 1:
            raise LogError(
                "A cascade needs n_positions ≥ 1 and continuation in [0, 1]; got "
                f"{self.n_positions} and {self.continuation}."
            )
        if isinstance(self.satisfaction, str):
            if self.satisfaction != "item":
                raise LogError(
                    "satisfaction is a probability, one for each position, or 'item'; "
                    f"got {self.satisfaction!r}."
                )
            return
        values = np.atleast_1d(np.asarray(self.satisfaction, dtype=np.float64))
        wanted = (1, self.n_positions) if np.isscalar(self.satisfaction) else (self.n_positions,)
        if len(values) not in wanted or not np.all((values >= 0) & (values <= 1)):
            raise LogError(
                f"satisfaction is a probability, or one for each of {self.n_positions} positions; "
                f"got {self.satisfaction}."
            )

    def draw(self, rng: np.random.Generator, rows: PageRows) -> BoolArray:
        n = len(rows)
        # Everyone is asked about every row; what comes after the first stop on a page is void.
        attracted = rng.random(n) < rows.gamma
        stops = attracted & (rng.random(n) < self._satisfaction(rows))
        if self.continuation < 1:
            stops |= rng.random(n) >= self.continuation
        before: IntArray = np.cumsum(stops) - stops
        starts = np.flatnonzero(rows.slot == 0)
        lengths = np.diff(starts, append=n)
        return np.asarray(attracted & (before == np.repeat(before[starts], lengths)))

    def probability(self, rows: PageRows) -> FloatArray:
        reads_on = self.continuation * (1.0 - rows.gamma * self._satisfaction(rows))
        reading = np.ones(int(np.count_nonzero(rows.slot == 0)))
        p = np.empty(len(rows))
        for _, pages, at in rows.from_the_top():
            p[at] = reading[pages] * rows.gamma[at]
            reading[pages] *= reads_on[at]
        return p

    def steeper(self, power: float) -> CascadeModel:
        return replace(self, continuation=self.continuation**power)

    def _satisfaction(self, rows: PageRows) -> FloatArray | float:
        if isinstance(self.satisfaction, str):
            if rows.satisfaction is None:
                raise LogError(
                    "satisfaction='item' needs a catalogue with a column 'satisfaction': "
                    "Catalogue.synthetic(satisfaction=(2, 2)) or Catalogue.of(satisfaction=...)."
                )
            return rows.satisfaction
        if isinstance(self.satisfaction, tuple):
            return np.asarray(self.satisfaction, dtype=np.float64)[rows.slot]
        return float(self.satisfaction)
