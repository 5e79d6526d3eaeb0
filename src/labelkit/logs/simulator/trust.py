"""``TrustModel``: what stands on top is clicked for standing there."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from labelkit.errors import LogError
from labelkit.logs.simulator.position import (
    check_curve,
    draw_examined,
    examination,
    steeper_curve,
)
from labelkit.logs.simulator.rows import BoolArray, FloatArray, PageRows


@dataclass(frozen=True)
class TrustModel:
    """Trust bias: P(click | e, k) = θ_k (ε⁺_k γ_e + ε⁻_k (1 − γ_e)) = α_k γ_e + β_k.

    Here γ is the probability that the item is relevant; a person who examines it perceives that
    rightly with ε⁺_k, and takes an irrelevant item for a relevant one with ε⁻_k.

    Parameters
    ----------
    eta, n_positions, curve : examination θ, as in :class:`ClickModel`
    strength : ε⁻_1 in [0, 1]; ε⁻_k = strength / min(k, 10)
    perceived, misled : (K,) ε⁺ and ε⁻ themselves, each in [0, 1], ε⁺_k > ε⁻_k; default are
        ε⁺_k = 1 − (min(k, 20) + 1)/100 and the above

    References
    ----------
    Agarwal, Wang, Li, Bendersky, Najork (2019), *Addressing trust bias for unbiased
    learning-to-rank*, for the model; Vardasbi, Oosterhuis, de Rijke (2020), *When inverse
    propensity scoring does not work*, for α and β; Vardasbi, de Rijke, Markov (2021),
    *Mixture-based correction for position and trust bias*, eqs. 10 and 11, for the defaults.
    """

    eta: float = 1.0
    n_positions: int = 10
    curve: tuple[float, ...] | None = None
    strength: float = 0.65
    perceived: tuple[float, ...] | None = None
    misled: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        if not self.eta >= 0 or self.n_positions < 1 or not 0 <= self.strength <= 1:
            raise LogError(
                "A trust model needs eta ≥ 0, n_positions ≥ 1 and strength in [0, 1]; "
                f"got eta = {self.eta}, n_positions = {self.n_positions}, "
                f"strength = {self.strength}."
            )
        check_curve(self.curve, self.n_positions)
        plus, minus = self.perceived_at, self.misled_at
        for name, values in (("perceived", plus), ("misled", minus)):
            if values.shape != (self.n_positions,) or np.any((values < 0) | (values > 1)):
                raise LogError(
                    f"A trust model needs {name} in [0, 1] for each of {self.n_positions} "
                    f"positions; got {values.tolist()}."
                )
        if np.any(plus <= minus):
            k = int(np.argmax(plus <= minus))
            raise LogError(
                f"At position {k + 1} a relevant item would not be clicked more often than an "
                f"irrelevant one: perceived {plus[k]:g}, misled {minus[k]:g}."
            )

    @property
    def perceived_at(self) -> FloatArray:
        """ε⁺, (n_positions,)."""
        if self.perceived is not None:
            return np.asarray(self.perceived, dtype=np.float64)
        k = np.arange(1, self.n_positions + 1)
        return np.asarray(1.0 - (np.minimum(k, 20) + 1.0) / 100.0)

    @property
    def misled_at(self) -> FloatArray:
        """ε⁻, (n_positions,)."""
        if self.misled is not None:
            return np.asarray(self.misled, dtype=np.float64)
        return np.asarray(self.strength / np.minimum(np.arange(1, self.n_positions + 1), 10))

    @property
    def examination(self) -> FloatArray:
        """θ, (n_positions,): P(examined at k)."""
        return examination(self.eta, self.n_positions, self.curve)

    @property
    def propensities(self) -> FloatArray:
        """α = θ (ε⁺ − ε⁻), (n_positions,): how far a click answers to relevance. α_1 < 1."""
        return self.examination * (self.perceived_at - self.misled_at)

    @property
    def background(self) -> FloatArray:
        """β = θ ε⁻, (n_positions,): how often an irrelevant item is clicked."""
        return self.examination * self.misled_at

    def draw(self, rng: np.random.Generator, rows: PageRows) -> BoolArray:
        if rows.patience is None:
            return np.asarray(rng.random(len(rows)) < self.probability(rows))
        looked = draw_examined(rng, rows, self.examination)
        plus, minus = self.perceived_at[rows.slot], self.misled_at[rows.slot]
        return looked & (rng.random(len(rows)) < minus + (plus - minus) * rows.gamma)

    def probability(self, rows: PageRows) -> FloatArray:
        return self.propensities[rows.slot] * rows.gamma + self.background[rows.slot]

    def steeper(self, power: float) -> TrustModel:
        eta, curve = steeper_curve(self.eta, self.curve, power)
        return replace(self, eta=eta, curve=curve)
