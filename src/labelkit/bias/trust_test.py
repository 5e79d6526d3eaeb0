"""Does the curve depend on how good the item is? A test for trust bias that needs no gold.

Under the position-based model θ_k/θ_1 is the same for every example. Under trust bias it is not:
good items are clicked like α_k γ, bad ones like β_k, which falls faster with k where users trust
the top of the page (Agarwal et al. 2019). So let the curve's exponent move with attractiveness,

    log θ_ek = β_k − d·z_e·log k,      z_e = log γ̃_e, centred,

and test d = 0 by its score. γ̃_e may not look at the clicks under test, or chance alone would bind
the two: impressions are dealt into halves, and each half is tested with the γ̃ of the other (data
thinning, Neufeld et al. 2024). Scores are summed by query, and their signs drawn by lot give the
p-value (Kline & Santos 2012).

It finds any dependence of this kind, whatever its cause: cascading users, or two populations with
different curves and different tastes, look alike.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from labelkit.bias.poisson import ClickedCells, fit_poisson
from labelkit.bias.score_test import wild_p_value
from labelkit.bias.thinning import Halves, deal
from labelkit.bias.uncertainty import MOST_GROUPS, effective_df
from labelkit.errors import NotIdentifiable
from labelkit.logs import PositionCounts

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class TrustTest:
    """Departure from the position-based model in the direction of trust bias.

    Parameters
    ----------
    departure : d, how much steeper (> 0) or flatter the curve is in k^−η, per e-fold of
        attractiveness; 0 under the position-based model, negative under trust in the top: bad
        items lose their clicks faster
    low, high : its interval at ``level``
    p_value : of d = 0
    n_examples : examples that bear on it
    """

    departure: float
    low: float
    high: float
    p_value: float
    n_examples: int
    level: float = 0.95


def trust_test(
    counts: PositionCounts, *, level: float = 0.95, n_draws: int = 999, seed: int = 0
) -> TrustTest:
    """Test the position-based model against trust bias.

    Raises
    ------
    NotIdentifiable
        No example was shown often enough to be dealt into halves that both have clicks at
        several positions.
    """
    from scipy.special import stdtrit

    cells = ClickedCells.of(counts)
    if not len(cells.segment):
        raise NotIdentifiable("No clicked example was shown at two positions: nothing to test.")
    beta = fit_poisson(cells, smoothing=1.0).beta
    halves = deal(cells, np.random.default_rng(seed), fewest=1)
    direction = -np.log(cells.positions / cells.positions[0])
    theta_at = np.exp(beta)[cells.index]
    queries, cluster = np.unique(cells.query, return_inverse=True)
    n_groups = min(len(queries), MOST_GROUPS)
    group = cluster % n_groups
    both = (halves, halves.other(cells))
    sizes = [_attractiveness(cells, other, theta_at) for other in both[::-1]]
    size = len(cells.positions)
    scores = np.zeros((n_groups, size))
    moved = np.zeros((n_groups, size))
    plain, crossed, square = np.zeros((size, size)), np.zeros((size, size)), 0.0
    used = np.zeros(len(cells.starts), dtype=bool)
    weights = np.concatenate([half_clicks(cells, half) for half in both])
    centre = float(weights @ np.concatenate(sizes) / max(weights.sum(), 1.0))
    for half, size_of in zip(both, sizes, strict=True):
        part = ClickedCells(
            cells.segment,
            cells.starts,
            cells.index,
            half.n,
            half.clicks,
            cells.query,
            cells.example,
            cells.positions,
        )
        z = size_of - centre
        of_half, information, squared, crossing = _sums(part, beta, z, group, n_groups)
        scores += of_half[0]
        moved += of_half[1]
        plain += information
        crossed += crossing
        square += float(direction @ squared @ direction)
        used |= half_clicks(cells, half) > 0
    # Efficient score: less what moving β itself would explain.
    explained = np.linalg.solve(plain + 1e-9 * np.eye(size), crossed @ direction)
    efficient = moved @ direction - scores @ explained
    curvature = square - float(direction @ crossed @ explained)
    if curvature <= 1e-9:
        raise NotIdentifiable(
            "Too few impressions to tell attractive from unattractive examples: nothing to test."
        )
    departure = float(efficient.sum()) / curvature
    error = float(np.sqrt((efficient**2).sum() * n_groups / max(n_groups - 1, 1))) / curvature
    df = effective_df(np.bincount(group, cells.totals, n_groups).astype(np.float64))
    reach = float(stdtrit(df, 0.5 + level / 2)) * error
    p_value = wild_p_value(efficient[:, None], np.eye(1), n_draws=n_draws, seed=seed)
    return TrustTest(
        departure, departure - reach, departure + reach, p_value, int(used.sum()), level
    )


def half_clicks(cells: ClickedCells, half: Halves) -> FloatArray:
    """Clicks per example in one half, (E,)."""
    return cells.sum_by_example(half.clicks)


def _attractiveness(cells: ClickedCells, half: Halves, theta_at: FloatArray) -> FloatArray:
    """log γ̃ per example (E,) from one half, shrunk towards the mean by moments."""
    exposure = cells.sum_by_example(half.n * theta_at)
    clicks = cells.sum_by_example(half.clicks)
    mean = float(clicks.sum() / max(exposure.sum(), 1e-9))
    # Var(C) = E·m + E²·Var(γ) for counts; the prior is worth m/Var(γ) examined impressions.
    spread = float(((clicks - exposure * mean) ** 2 - exposure * mean).sum())
    spread /= max(float((exposure**2).sum()), 1e-9)
    strength = mean / max(spread, 1e-3 * mean**2)
    logs: FloatArray = np.log((clicks + strength * mean) / (exposure + strength))
    return logs


def _sums(
    cells: ClickedCells, beta: FloatArray, z: FloatArray, group: IntArray, n_groups: int
) -> tuple[tuple[FloatArray, FloatArray], FloatArray, FloatArray, FloatArray]:
    """Scores per group, plain and times z; information, and the same times z² and z."""
    size = len(beta)
    shown = cells.n * np.exp(beta)[cells.index]
    total = cells.sum_by_example(shown)
    share = np.divide(
        shown, total[cells.segment], out=np.zeros_like(shown), where=total[cells.segment] > 0
    )
    residual = cells.clicks - share * cells.totals[cells.segment]
    slot = group[cells.segment] * size + cells.index
    plain = np.bincount(slot, residual, n_groups * size).reshape(n_groups, size)
    moved = np.bincount(slot, residual * z[cells.segment], n_groups * size)
    informations = [_information(cells, share, w) for w in (np.ones(len(z)), z**2, z)]
    pair = (plain.astype(np.float64), moved.reshape(n_groups, size).astype(np.float64))
    return pair, informations[0], informations[1], informations[2]


def _information(cells: ClickedCells, share: FloatArray, weight: FloatArray) -> FloatArray:
    """Σ_e w_e C_e (diag p_e − p_e p_eᵀ), (K, K)."""
    from scipy import sparse

    shape = (len(cells.starts), len(cells.positions))
    rows = sparse.csr_matrix((share, cells.index, np.append(cells.starts, len(share))), shape)
    by_example = cells.totals * weight
    weighted = rows.multiply(by_example[:, None]).tocsr()
    expected = np.asarray(weighted.sum(0)).ravel()
    information: FloatArray = np.diag(expected) - (rows.T @ weighted).toarray()
    return information
