"""Trust bias: clicks that a place earns whatever it shows. P(click) = α_k γ + β_k.

Users who trust the ranker click high results that are not relevant (Agarwal et al. 2019,
*Addressing trust bias for unbiased learning-to-rank*): with ε⁺_k and ε⁻_k the chances that an
examined relevant or irrelevant result is clicked, α_k = θ_k(ε⁺_k − ε⁻_k) and β_k = θ_k ε⁻_k, and
the unbiased rate is (click rate − β_k)/α_k (Vardasbi et al. 2020, *When inverse propensity scoring
does not work*).

Clicks alone cannot tell β: adding c to every γ and taking c·α_k from β_k leaves every click
probability as it is. Gold labels fix it: examples of the lowest grade have γ = 0, those of the
highest γ = 1, and grades between find their own place. The likelihood is that of Poisson counts
per (position, grade), maximised by Fisher scoring in log α and log β with the random-walk prior of
``poisson.smoothing_matrix`` on both, twice as loose on β.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from labelkit.bias import trust_gold, trust_shuffled
from labelkit.bias.poisson import smoothing_matrix
from labelkit.bias.propensities import Diagnosis
from labelkit.bias.task import Estimate, FitTask
from labelkit.bias.uncertainty import bootstrap_covariance, effective_df
from labelkit.errors import NotIdentifiable

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

# Below one click in a million impressions a background is none.
LEAST = np.log(1e-6)
# Clicks on either end of the scale, below which α is a difference of two guesses.
FEWEST_CLICKS = 20
# Standard error of log α, at half of the positions, from which a curve says nothing: 95 % intervals
# reach a factor of four either way.
MOST_ERROR = 0.7


@dataclass(frozen=True)
class AffineFit:
    """Maximum of the penalised likelihood of clicks by position and grade.

    ::

        log_alpha  (K,) of the click rate that the highest grade adds
        log_beta   (K,) of the click rate of the lowest grade
        gamma      (L,) attractiveness of each grade, from 0 to 1
        gradient   largest absolute component left, in clicks
    """

    log_alpha: FloatArray
    log_beta: FloatArray
    gamma: FloatArray
    gradient: float
    converged: bool


def fit_affine(
    clicks: FloatArray,
    shown: FloatArray,
    positions: IntArray,
    *,
    smoothing: float,
    start: AffineFit | None = None,
    tolerance: float = 1e-6,
    max_steps: int = 500,
) -> AffineFit:
    """Fisher scoring on (log α, log β), with the grades between moved after every step.

    Parameters
    ----------
    clicks, shown : (K, L) per position and grade, grades ascending; weighted sums are allowed
    """
    size, n_grades = clicks.shape
    penalty = np.zeros((2 * size, 2 * size))
    penalty[:size, :size] = smoothing_matrix(positions, smoothing)
    # β_k is examination times trust, and may fall twice as steeply as either.
    penalty[size:, size:] = smoothing_matrix(positions, 2 * smoothing)
    if start is None:
        low = (clicks[:, 0].sum() + 0.5) / (shown[:, 0].sum() + 1)
        top = (clicks[:, -1].sum() + 0.5) / (shown[:, -1].sum() + 1)
        gap = max(top - low, 0.1 * top)
        x = np.repeat(np.log([gap, low]), size)
        gamma: FloatArray = np.linspace(0.0, 1.0, n_grades, dtype=np.float64)
    else:
        x, gamma = np.concatenate([start.log_alpha, start.log_beta]), start.gamma.copy()
    scale = max(float(clicks.sum()), 1.0)
    worst, damping, value = np.inf, 1e-6, -np.inf
    for _ in range(max_steps):
        gradient, information = _affine_score(x, gamma, clicks, shown)
        gradient -= penalty @ x
        floor = (x <= LEAST) & (gradient < 0)
        worst = float(np.abs(np.where(floor, 0.0, gradient)).max())
        inner = _grade_gradient(x, gamma, clicks, shown)
        if max(worst, float(np.abs(inner).max(initial=0))) <= tolerance * scale:
            return AffineFit(x[:size], x[size:], gamma, worst, True)
        value = _affine_value(x, gamma, clicks, shown, penalty)
        while True:
            curvature = information + penalty
            curvature = curvature + damping * np.diag(np.diag(curvature) + 1e-9)
            step = np.linalg.solve(curvature, np.where(floor, 0.0, gradient))
            step *= min(1.0, 2.0 / max(float(np.abs(step).max()), 1e-12))
            moved = np.maximum(x + step, LEAST)
            if _affine_value(moved, gamma, clicks, shown, penalty) >= value or damping > 1e6:
                break
            damping = max(damping * 10, 1e-4)
        x, damping = moved, max(damping / 10, 1e-9)
        gamma = _move_grades(x, gamma, clicks, shown)
    return AffineFit(x[:size], x[size:], gamma, worst, False)


def _rates(x: FloatArray, gamma: FloatArray) -> tuple[FloatArray, FloatArray]:
    """α_k γ_l (K, L) and β_k (K, 1)."""
    size = len(x) // 2
    return np.exp(x[:size])[:, None] * gamma, np.exp(x[size:])[:, None]


def _affine_value(
    x: FloatArray, gamma: FloatArray, clicks: FloatArray, shown: FloatArray, penalty: FloatArray
) -> float:
    due, background = _rates(x, gamma)
    rate = due + background
    return float((clicks * np.log(rate) - shown * rate).sum() - 0.5 * x @ penalty @ x)


def _affine_score(
    x: FloatArray, gamma: FloatArray, clicks: FloatArray, shown: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Gradient (2K,) and Fisher information (2K, 2K) in (log α, log β)."""
    due, background = _rates(x, gamma)
    rate = due + background
    residual = clicks / rate - shown
    gradient = np.concatenate([(residual * due).sum(1), (residual * background).sum(1)])
    weight = shown / rate
    cross = (weight * due * background).sum(1)
    size = len(due)
    information = np.zeros((2 * size, 2 * size))
    at = np.arange(size)
    information[at, at] = (weight * due**2).sum(1)
    information[at + size, at + size] = (weight * background**2).sum(1)
    information[at, at + size] = information[at + size, at] = cross
    return gradient, information


def _grade_gradient(
    x: FloatArray, gamma: FloatArray, clicks: FloatArray, shown: FloatArray
) -> FloatArray:
    """Gradient in the grades between, in clicks; 0 where one is held at an end of the scale."""
    due, background = _rates(x, gamma)
    alpha = np.exp(x[: len(due)])[:, None]
    slope = ((clicks / (due + background) - shown) * alpha).sum(0)[1:-1]
    inner = gamma[1:-1]
    held = ((inner <= 0) & (slope < 0)) | ((inner >= 1) & (slope > 0))
    gradient: FloatArray = np.where(held, 0.0, slope * np.maximum(inner, 1e-3))
    return gradient


def _move_grades(
    x: FloatArray, gamma: FloatArray, clicks: FloatArray, shown: FloatArray
) -> FloatArray:
    due, background = _rates(x, gamma)
    alpha, rate = np.exp(x[: len(due)])[:, None], due + background
    slope = ((clicks / rate - shown) * alpha).sum(0)
    curvature = (shown / rate * alpha**2).sum(0)
    moved: FloatArray = np.clip(gamma + slope / np.maximum(curvature, 1e-9), 0.0, 1.0)
    moved[0], moved[-1] = 0.0, 1.0
    return moved


def by_trust(task: FitTask) -> Estimate:
    """θ_k = α_k/α_1 and the background β_k, from gold labels, or without from shuffled pages."""
    flagged = None if task.log is None else task.log.randomised_counts
    if task.gold is None and flagged is not None:
        return trust_shuffled.by_shuffled(task, flagged)
    if task.gold is None:
        raise NotIdentifiable(
            "method='trust' needs gold labels: clicks alone cannot tell a click that the place "
            "earned from one that the item earned. Pass fit(log, gold=labels) with query, item and "
            "label for a few hundred examples of low and of high grade, or map 'randomised' if "
            "some pages were shuffled."
        )
    table = trust_gold.table_of(task)
    positions = task.counts.positions
    known = table.at_both_ends()
    n_clicks = (table.clicks[:, :, 0].sum(), table.clicks[:, :, -1].sum())
    if known.sum() < 2 or n_clicks[1] < FEWEST_CLICKS:
        raise NotIdentifiable(
            f"The gold labels do not identify trust bias: {int(known.sum())} position(s) show "
            f"examples of both the lowest grade and the highest, with {n_clicks[0]:,.0f} and "
            f"{n_clicks[1]:,.0f} clicks in all. Label more examples of the grade that is short, at "
            "positions that lack it."
        )
    outside = float(table.traffic[~known].sum() / table.traffic.sum())
    if outside > trust_gold.MOST_LEFT_OUT:
        lacking = int(positions[~known][0])
        raise NotIdentifiable(
            f"{outside:.0%} of the impressions stand at positions without gold examples of both "
            f"the lowest and the highest grade (first: position {lacking}). Label examples that "
            "were shown there."
        )
    at = positions[known]
    clicks, shown = table.clicks[:, known], table.shown[:, known]
    fit = fit_affine(clicks.sum(0), shown.sum(0), at, smoothing=task.smoothing)

    def estimate(weight: FloatArray) -> FloatArray:
        again = fit_affine(
            np.einsum("g,gkl->kl", weight, clicks),
            np.einsum("g,gkl->kl", weight, shown),
            at,
            smoothing=task.smoothing,
            start=fit,
            tolerance=1e-5,
        )
        return np.concatenate([again.log_alpha - again.log_alpha[0], again.log_beta])

    draws = bootstrap_covariance(
        estimate, n_clusters=len(clicks), n_bootstrap=task.n_bootstrap, seed=task.seed
    )
    size, n_known = len(positions), len(at)
    refuse_guesses(draws[:n_known, :n_known], table.n_examples)
    theta, background = np.full(size, np.nan), np.zeros(size)
    theta[known] = np.exp(fit.log_alpha - fit.log_alpha[0])
    background[known] = np.exp(fit.log_beta)
    covariance = np.zeros((size, size))
    covariance[np.ix_(known, known)] = draws[:n_known, :n_known]
    # The end of the scale with fewer clicks decides how well a difference is known.
    df = min(effective_df(clicks[:, :, end].sum(1)) for end in (0, -1))
    return Estimate(
        theta,
        covariance,
        df,
        "bootstrap over queries",
        (_finding(table, fit, draws, n_known), _converged(fit)),
        background=background,
    )


def refuse_guesses(covariance: FloatArray, n_examples: int) -> None:
    """Raise where log α, relative to the first position, is hardly known at half of the others.

    Parameters
    ----------
    covariance : (K, K) of log α
    """
    error = float(np.median(np.sqrt(np.maximum(np.diag(covariance)[1:], 0))))
    if error > MOST_ERROR:
        raise NotIdentifiable(
            f"{n_examples:,} gold examples tell propensities under trust bias to a factor of "
            f"{np.exp(1.96 * error):,.0f} either way at half of the positions, which is not worth "
            "a number. Label more examples that are often shown, of the lowest and of the highest "
            "grade, or map 'randomised' if some pages were shuffled."
        )


def _finding(
    table: trust_gold.GoldTable, fit: AffineFit, draws: FloatArray, n_known: int
) -> Diagnosis:
    error = float(np.sqrt(max(draws[n_known, n_known], 0.0)))
    beta, alpha = np.exp(fit.log_beta[0]), np.exp(fit.log_alpha[0])
    between = ", ".join(
        f"{grade:g} at {value:.2f}" for grade, value in zip(table.grades, fit.gamma, strict=True)
    )
    message = (
        f"At the first position the lowest grade draws {beta:.3f} clicks an impression (a factor "
        f"of {np.exp(1.96 * error):.2f} either way at 95 %) and the highest {alpha:.3f} more. "
        f"Grades lie at {between}; {table.n_examples:,} gold examples, {table.traffic_kind}."
    )
    return Diagnosis("trust bias", "fine", message)


def _converged(fit: AffineFit) -> Diagnosis:
    if fit.converged:
        message = f"Converged; the largest gradient left is {fit.gradient:.1g} clicks."
        return Diagnosis("convergence", "fine", message)
    message = f"Fisher scoring stopped with a gradient of {fit.gradient:.3g} clicks left."
    return Diagnosis("convergence", "look", message)
