"""``ClickModel``: the position-based model, by an exponent or by any curve."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from labelkit.errors import LogError
from labelkit.logs.simulator.rows import BoolArray, FloatArray, PageRows


@dataclass(frozen=True)
class ClickModel:
    """Position-based model: P(click | item e at position k) = θ_k γ_e with θ_k = k^−η.

    Parameters
    ----------
    eta : severity of the bias, ≥ 0; 0 is no bias, 1 the usual 1/k
    n_positions : length K of a page; queries with fewer items have shorter pages
    curve : (K,) θ itself, in [0, 1] from θ_1 = 1, instead of k^−η: see :meth:`of_curve`

    References
    ----------
    Richardson, Dominowska, Ragno (2007), *Predicting clicks*; Craswell et al. (2008), *An
    experimental comparison of click position-bias models*, the examination hypothesis.
    Joachims, Swaminathan, Schnabel (2017), section 6.2, for θ_k = k^−η.
    """

    eta: float = 1.0
    n_positions: int = 10
    curve: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        if not self.eta >= 0 or self.n_positions < 1:
            raise LogError(f"A click model needs eta ≥ 0 and n_positions ≥ 1; got {self}.")
        check_curve(self.curve, self.n_positions)

    @classmethod
    def of_curve(cls, curve: Sequence[float]) -> ClickModel:
        """The model with θ = ``curve``, as long a page as the curve."""
        return cls(n_positions=len(curve), curve=tuple(float(theta) for theta in curve))

    @property
    def examination(self) -> FloatArray:
        """P(examined at k), (n_positions,)."""
        return examination(self.eta, self.n_positions, self.curve)

    @property
    def propensities(self) -> FloatArray:
        """θ, (n_positions,), with θ_1 = 1."""
        return self.examination

    @property
    def background(self) -> FloatArray:
        """β, (n_positions,): clicks that no attractiveness explains; there are none."""
        return np.zeros(self.n_positions)

    def draw(self, rng: np.random.Generator, rows: PageRows) -> BoolArray:
        if rows.patience is None:
            return np.asarray(rng.random(len(rows)) < self.probability(rows))
        looked = draw_examined(rng, rows, self.examination)
        return looked & (rng.random(len(rows)) < rows.gamma)

    def probability(self, rows: PageRows) -> FloatArray:
        return self.propensities[rows.slot] * rows.gamma

    def steeper(self, power: float) -> ClickModel:
        eta, curve = steeper_curve(self.eta, self.curve, power)
        return replace(self, eta=eta, curve=curve)


def check_curve(curve: tuple[float, ...] | None, n_positions: int) -> None:
    """Refuse a curve that is no θ_1 … θ_K."""
    if curve is None:
        return
    if len(curve) != n_positions:
        raise LogError(
            f"A curve needs one value for each of {n_positions} positions; got {len(curve)}."
        )
    if curve[0] != 1 or not all(0 <= theta <= 1 for theta in curve):
        raise LogError(
            f"A curve starts with 1 and stays in [0, 1]; got {curve}. Divide by its first value: "
            "what is lost there is part of attractiveness."
        )


def examination(eta: float, n_positions: int, curve: tuple[float, ...] | None) -> FloatArray:
    """(K,) the curve, or k^−η."""
    if curve is not None:
        return np.asarray(curve, dtype=np.float64)
    return np.arange(1, n_positions + 1, dtype=np.float64) ** -eta


def steeper_curve(
    eta: float, curve: tuple[float, ...] | None, power: float
) -> tuple[float, tuple[float, ...] | None]:
    """η and the curve of θ^power."""
    if curve is None:
        return eta * power, None
    return eta, tuple(theta**power for theta in curve)


def draw_examined(rng: np.random.Generator, rows: PageRows, theta: FloatArray) -> BoolArray:
    """(n,) which impressions are looked at, P = θ_k each, together where patience says so."""
    own = rng.random(len(rows))
    level = own if rows.patience is None else np.where(np.isnan(rows.patience), own, rows.patience)
    return np.asarray(level < theta[rows.slot])
