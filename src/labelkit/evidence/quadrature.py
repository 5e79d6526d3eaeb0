"""Posteriors of a rate without a closed form, integrated on a grid, many examples at a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]

# Points of the grid that finds where a posterior lies, and of the one that integrates it there.
COARSE, FINE = 64, 160
# Where the density is below e^−15 of its peak nothing that a 95 % interval sees is left.
NEGLIGIBLE = 15.0
CHUNK = 16_384


@dataclass(frozen=True)
class Posterior:
    """Mean and equal-tailed interval of a rate, each (n_examples,)."""

    mean: FloatArray
    low: FloatArray
    high: FloatArray


def integrate(
    log_density: Callable[[FloatArray, slice], FloatArray],
    upper: FloatArray,
    *,
    power: FloatArray,
    level: float,
) -> Posterior:
    """Posterior on [0, upper] by the midpoint rule, on a grid that first finds its place.

    Parameters
    ----------
    log_density : from rates (m, g) and the rows that they are of, to the log density of
        v = γ^power there, up to a constant per row
    upper : (n,) above which no mass lies
    power : (n,) a density ∝ γ^(a−1) near 0 is flat in v = γ^a, so that no pole is left
    """
    n = len(upper)
    result = np.empty((3, n))
    tails = (1 - level) / 2, (1 + level) / 2
    for start in range(0, n, CHUNK):
        rows = slice(start, min(start + CHUNK, n))
        p = power[rows]
        root = (1 / p)[:, None]
        left, right = np.zeros(rows.stop - start), upper[rows] ** p
        # Twice: the first grid finds a peak that may be narrower than its step.
        for _ in range(3):
            v, step = _grid(left, right, COARSE)
            density = log_density(v**root, rows)
            inside = density >= density.max(1, keepdims=True) - NEGLIGIBLE
            first = np.argmax(inside, 1)
            last = COARSE - 1 - np.argmax(inside[:, ::-1], 1)
            left, right = (
                left + np.maximum(first - 1, 0) * step,
                left + np.minimum(last + 2, COARSE) * step,
            )
        v, step = _grid(left, right, FINE)
        gamma = v**root
        density = log_density(gamma, rows)
        mass = np.exp(density - density.max(1, keepdims=True))
        mass /= mass.sum(1, keepdims=True)
        result[0, rows] = (mass * gamma).sum(1)
        total = np.cumsum(mass, 1)
        for i, tail in enumerate(tails, start=1):
            result[i, rows] = _quantile(total, mass, left, step, tail) ** (1 / p)
    return Posterior(*result)


def poisson_posterior(
    clicks: FloatArray,
    exposure: FloatArray,
    background: FloatArray,
    *,
    a: FloatArray,
    b: FloatArray,
    level: float,
) -> Posterior:
    """Posterior of γ ~ Gamma(a, b) given C ~ Poisson(γE + B).

    Parameters
    ----------
    clicks, exposure, background : (n,) C_e, E_e = Σ_k θ_k n_ek and B_e = Σ_k β_k n_ek
    a, b : (n,) shape and rate of the prior, the latter in examined impressions

    Notes
    -----
    p(γ | C) ∝ γ^(a−1) e^(−(b+E)γ) (γE + B)^C: a mixture of C + 1 Gamma densities, of which the
    Gamma(a + C, b + E) of B = 0 is the uppermost, and so bounds the grid from above.
    """
    from scipy.special import gammaincinv

    upper = gammaincinv(a + clicks, 1 - 1e-9) / (b + exposure)
    power = np.minimum(a, 1.0)

    def log_density(gamma: FloatArray, rows: slice) -> FloatArray:
        c, e, base, rate = (x[rows, None] for x in (clicks, exposure, background, b))
        flat = (a - power)[rows, None]
        expected = gamma * e + base
        with np.errstate(divide="ignore", invalid="ignore"):
            likelihood = np.where(c > 0, c * np.log(expected), 0.0)
        density: FloatArray = likelihood - (rate + e) * gamma + flat * np.log(gamma)
        return density

    return integrate(log_density, upper, power=power, level=level)


def gamma_posterior(
    clicks: FloatArray, exposure: FloatArray, *, a: FloatArray, b: FloatArray, level: float
) -> Posterior:
    """Posterior of γ ~ Gamma(a, b) given C ~ Poisson(γE): Gamma(a + C, b + E)."""
    from scipy.special import gammaincinv

    shape, rate = a + clicks, b + exposure
    tail = (1 - level) / 2
    return Posterior(
        shape / rate, gammaincinv(shape, tail) / rate, gammaincinv(shape, 1 - tail) / rate
    )


def _grid(left: FloatArray, right: FloatArray, size: int) -> tuple[FloatArray, FloatArray]:
    step = (right - left) / size
    return left[:, None] + (np.arange(size) + 0.5) * step[:, None], step


def _quantile(
    total: FloatArray, mass: FloatArray, left: FloatArray, step: FloatArray, tail: float
) -> FloatArray:
    """The point below which ``tail`` of the mass lies, the mass of a cell spread evenly."""
    cell = np.minimum((total < tail).sum(1), total.shape[1] - 1)
    row = np.arange(len(total))
    before = total[row, cell] - mass[row, cell]
    share = (tail - before) / np.maximum(mass[row, cell], 1e-300)
    value: FloatArray = left + (cell + np.clip(share, 0, 1)) * step
    return value
