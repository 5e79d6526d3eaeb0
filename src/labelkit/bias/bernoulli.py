"""Bernoulli position-based model: a click is a coin, not a count.

Under P(click) = θ_k γ_e a cell's clicks vary by n θγ(1 − θγ), less than the Poisson likelihood
assumes where θγ is large. The best estimating function for θ that no γ_e can bias weighs every
impression by v_ek = 1/(1 − θ_k γ̃_e) (Godambe 1960; Wedderburn 1974): the Poisson profile
likelihood of the weighted clicks v·c and impressions v·n, with the same Newton steps and the same
proof of convergence.

The plain joint maximum of the Bernoulli likelihood over θ and all γ_e is biased, since there are
as many γ_e as examples (Neyman & Scott 1948). Integrating γ_e over one prior for all is worse,
because rankers put better items higher, so that γ and position hang together: measured on three
rankers, log θ at position 10 is off by −1.1. Here every γ_e stays free, and θ is consistent
whatever they are, because an impression's weight never looks at its own click: impressions are
dealt into two halves (see ``thinning``), and each half is weighed by what the other says of γ_e.
Examples with too few impressions to halve are weighed by the average γ.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from labelkit.bias.poisson import ClickedCells, PoissonFit, fit_poisson
from labelkit.bias.thinning import Halves, deal
from labelkit.logs import PositionCounts

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

# Odd impressions cannot be halved: an example is dealt out only if its rarest cell has this many.
FEWEST_TO_HALVE = 8
# No impression counts more than ten others, however sure its click seems.
SUREST = 0.9


@dataclass(frozen=True)
class BernoulliFit:
    """The weighted cells and the maximum of their likelihood."""

    poisson: PoissonFit
    cells: ClickedCells


def fit_bernoulli(
    counts: PositionCounts,
    cells: ClickedCells,
    start: PoissonFit,
    *,
    smoothing: float,
    reference: int,
    seed: int,
    n_rounds: int = 2,
) -> BernoulliFit:
    """Start from the Poisson fit, weigh, refit; the second round moves θ by next to nothing.

    Parameters
    ----------
    start : Poisson fit of ``cells``
    seed : of the deal
    """
    halves = deal(cells, np.random.default_rng(seed), fewest=FEWEST_TO_HALVE)
    fit = start
    for _ in range(n_rounds):
        theta = np.exp(fit.beta - fit.beta.max())
        mean, strength = _prior(counts, theta, cells.positions)
        weighed = _weigh(cells, halves, theta, mean, strength)
        fit = fit_poisson(weighed, smoothing=smoothing, reference=reference, start=fit.beta)
    return BernoulliFit(fit, weighed)


def _prior(counts: PositionCounts, theta: FloatArray, positions: IntArray) -> tuple[float, float]:
    """Mean of γ over examples, and how many examined impressions it is worth, by moments."""
    slot = np.searchsorted(positions, counts.position)
    size = counts.n_examples
    exposure = np.bincount(counts.example, counts.impressions * theta[slot], size)
    clicks = np.bincount(counts.example, counts.clicks, size)
    seen = exposure > 0
    exposure, clicks = exposure[seen], clicks[seen]
    mean = float(np.clip(clicks.sum() / exposure.sum(), 1e-6, 0.99))
    # Var(C) = E·m(1 − m) + E(E − 1)·Var(γ), as if clicks were binomial in the exposure.
    square = float(((clicks - exposure * mean) ** 2 - exposure * mean * (1 - mean)).sum())
    spread = square / max(float((exposure * np.maximum(exposure - 1, 0)).sum()), 1e-9)
    spread = float(np.clip(spread, 1e-6, mean * (1 - mean) * 0.99))
    return mean, mean * (1 - mean) / spread - 1


def _weigh(
    cells: ClickedCells, halves: Halves, theta: FloatArray, mean: float, strength: float
) -> ClickedCells:
    """Weighted cells: two copies of every example that was dealt, one of every other."""
    at = theta[cells.index]
    parts = []
    halved = [(halves.n, halves.clicks), (cells.n - halves.n, cells.clicks - halves.clicks)]
    for (n, clicks), (other_n, other_clicks) in (halved, halved[::-1]):
        exposure = cells.sum_by_example(other_n * at)
        posterior = (strength * mean + cells.sum_by_example(other_clicks)) / (strength + exposure)
        parts.append((n, clicks, _weight(at * posterior[cells.segment]), halves.dealt))
    whole = (cells.n, cells.clicks, _weight(at * mean), ~halves.dealt)
    columns = []
    for number, (n, clicks, weight, mask) in enumerate((*parts, whole)):
        columns.append(
            (
                cells.segment[mask] * 3 + number,
                cells.index[mask],
                (n * weight)[mask],
                (clicks * weight)[mask],
            )
        )
    segment, index, n, clicks = (np.concatenate(c) for c in zip(*columns, strict=True))
    order = np.argsort(segment, kind="stable")
    segment, index, n, clicks = segment[order], index[order], n[order], clicks[order]
    new = np.ones(len(segment), dtype=bool)
    new[1:] = segment[1:] != segment[:-1]
    starts = np.flatnonzero(new)
    source = segment[starts] // 3
    return ClickedCells(
        segment=np.cumsum(new) - 1,
        starts=starts,
        index=index,
        n=n,
        clicks=clicks,
        query=cells.query[source],
        example=cells.example[source],
        positions=cells.positions,
    )


def _weight(probability: FloatArray) -> FloatArray:
    weight: FloatArray = 1 / (1 - np.minimum(probability, SUREST))
    return weight


def click_probability(cells: ClickedCells) -> float:
    """Mean of θ_k γ_e over the clicks that tell positions apart: Σ n p²/Σ n p.

    c(c − 1)/(n − 1) has the mean n p², whatever γ_e, in cells of two impressions or more. It is by
    how much the Poisson likelihood overstates the variance of a click.
    """
    several = cells.n >= 2
    n, clicks = cells.n[several], cells.clicks[several]
    total = float(clicks.sum())
    return float((clicks * (clicks - 1) / (n - 1)).sum()) / total if total else 0.0
