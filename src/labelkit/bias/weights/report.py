"""``weight_report``: schemes of weighting side by side, with the variance that each buys."""

from __future__ import annotations

from collections.abc import Sequence

import narwhals as nw
import numpy as np
import numpy.typing as npt

from labelkit.bias.estimator import PositionBias
from labelkit.bias.propensities import Propensities
from labelkit.bias.weights.examples import align_baseline, example_keys
from labelkit.bias.weights.schemes import ExampleSums, Scheme, click_weights, leave_one_out, weigh
from labelkit.bias.weights.slots import DEFAULT_CLIP, SlotCounts, check_clip, curve_of
from labelkit.engine import NativeFrame, to_native_like
from labelkit.logs import InteractionLog

FloatArray = npt.NDArray[np.float64]

# Directions of the covariance of log θ beyond those that make up this share of it change nothing.
ENOUGH = 0.999


def weight_report(
    log: InteractionLog,
    bias: PositionBias | Propensities,
    *,
    clips: Sequence[float] = (10.0, DEFAULT_CLIP),
    baseline: NativeFrame | None = None,
) -> NativeFrame:
    """What each way of weighting makes of the log, and what variance it buys at what bias.

    Parameters
    ----------
    clips : bounds to try for the schemes that clip; "self_normalised" is shown at 1 too
    baseline : for "doubly_robust"; see ``example_weights``

    Returns
    -------
    frame of the kind that the log was read from, one row per scheme and clip:

    - ``scheme``, ``clip`` (null where nothing is clipped)
    - ``click_rate``, ``click_rate_low``, ``click_rate_high``: mean attractiveness Σ n_e γ_e / Σ n_e
      over what was shown: the click rate if every impression were looked at
    - ``bias``: its difference from plain IPS, the scheme without bias
    - ``standard_error``: of ``click_rate``, by the chance of clicks and by what is not known of θ
    - ``rmse``: root of squared bias (less the part that is chance) plus variance
    - ``example_error``: root mean squared standard error of one example's rate, by impressions
    - ``effective_n``: (Σw)²/Σw² over clicks; ``largest``: largest weight of a click
    - ``clipped``: clicks whose weight was cut

    Notes
    -----
    The variance is conditional on what was shown: Σ_e (n_e/total_e)² · noise_e / N² for the clicks,
    plus dᵀ cov(log θ) d for the curve, d the derivatives by log θ, along the leading directions of
    the covariance. The two are added as if independent. They are not quite:
    the curve was fitted to the same clicks, and the sum errs on the side of too wide.
    """
    curve = curve_of(bias)
    cells = SlotCounts.of(log, curve)
    rates = align_baseline(baseline, example_keys(log)) if baseline is not None else None
    rates = leave_one_out(cells) if rates is None else rates
    directions = _directions(curve)
    wanted: list[tuple[Scheme, float]] = [("unweighted", np.inf), ("ips", np.inf)]
    wanted += [("clipped", check_clip(clip)) for clip in clips]
    wanted += [("self_normalised", clip) for clip in (1.0, *clips)]
    wanted += [("doubly_robust", clip) for clip in clips]
    reference = weigh(cells, "ips", clip=np.inf)
    rows = [
        _row(
            scheme,
            clip,
            cells=cells,
            curve=curve,
            directions=directions,
            reference=reference,
            baseline=rates,
        )
        for scheme, clip in wanted
    ]
    import polars as pl

    frame = pl.DataFrame(rows, schema_overrides={"clip": pl.Float64}).fill_nan(None)
    return to_native_like(nw.from_native(frame, eager_only=True), log.native)


def _row(
    scheme: Scheme,
    clip: float,
    *,
    cells: SlotCounts,
    curve: Propensities,
    directions: Sequence[FloatArray],
    reference: ExampleSums,
    baseline: FloatArray | None,
) -> dict[str, object]:
    from scipy.special import stdtrit

    sums = weigh(cells, scheme, clip=clip, baseline=baseline)
    n = sums.impressions
    shown = n.sum()
    value = _value(sums)
    weights = click_weights(cells, scheme, clip)
    lean = _stretch(sums)
    variance = float(lean**2 @ sums.noise) / shown**2
    per_example = sums.variance
    for direction in () if scheme == "unweighted" else directions:
        moved = _moved(cells, sums, scheme, weights, baseline=baseline, by=direction)
        variance += float(n @ moved / shown) ** 2
        per_example = per_example + moved**2
    bias = value - _value(reference)
    # What the two estimates do not share, of the chance of clicks.
    apart = lean[cells.example] * weights - 1 / cells.theta
    chance = float(apart**2 @ cells.clicks) / shown**2
    squared_bias = max(bias**2 - chance, 0.0) if scheme != "ips" else 0.0
    reach = float(stdtrit(curve.df, 0.975)) * np.sqrt(variance)
    clicks = cells.clicks
    square = float(clicks @ weights**2)
    return {
        "scheme": scheme,
        "clip": clip if np.isfinite(clip) else None,
        "click_rate": value,
        "click_rate_low": max(value - reach, 0.0),
        "click_rate_high": value + reach,
        "bias": bias,
        "standard_error": float(np.sqrt(variance)),
        "rmse": float(np.sqrt(squared_bias + variance)),
        "example_error": float(np.sqrt(np.nansum(n * per_example) / shown)),
        "effective_n": float(clicks @ weights) ** 2 / square if square else 0.0,
        "largest": float(weights[clicks > 0].max(initial=0.0)),
        "clipped": int(clicks[1 / cells.theta > clip].sum()),
    }


def _stretch(sums: ExampleSums) -> FloatArray:
    """What one unit of an example's ``positive`` adds to Σ n_e γ_e: n_e/total_e."""
    return np.where(sums.total > 0, sums.impressions / np.where(sums.total > 0, sums.total, 1), 0.0)


def _value(sums: ExampleSums) -> float:
    """Mean attractiveness over impressions."""
    return float(_stretch(sums) @ sums.positive / sums.impressions.sum())


def _directions(curve: Propensities) -> tuple[FloatArray, ...]:
    """log θ one standard error along each leading direction of its covariance, (S,) each."""
    known = ~np.isnan(curve.theta)
    covariance = np.where(known[:, None] & known, np.nan_to_num(curve.covariance), 0.0)
    sizes, vectors = np.linalg.eigh(covariance)
    sizes = np.maximum(sizes, 0)
    if not sizes.sum() > 0:
        return ()
    order = np.argsort(-sizes)
    n_enough = 1 + int(np.searchsorted(np.cumsum(sizes[order]), ENOUGH * sizes.sum()))
    return tuple(np.sqrt(sizes[j]) * vectors[:, j] for j in order[:n_enough])


def _moved(
    cells: SlotCounts,
    sums: ExampleSums,
    scheme: Scheme,
    weights: FloatArray,
    *,
    baseline: FloatArray | None,
    by: FloatArray,
) -> FloatArray:
    """How each example's rate moves as log θ moves by ``by``, to first order, (n_examples,).

    An unclipped weight moves by −w; a clipped one stays, but then wθ moves. A baseline is held.
    """
    cut = weights * cells.theta < 1 - 1e-12
    step = by[cells.slot]
    positive = cells.by_example(
        np.where(cut, 0.0, -step * weights * (cells.clicks - cells.beta * cells.n))
    )
    total = np.zeros_like(positive)
    if cut.any() and scheme in ("self_normalised", "doubly_robust"):
        freed = cells.by_example(np.where(cut, step * weights * cells.theta * cells.n, 0.0))
        if scheme == "self_normalised":
            total = freed
        elif baseline is not None:
            positive = positive - baseline * freed
    whole = np.where(sums.total > 0, sums.total, 1.0)
    return np.asarray((positive - sums.positive / whole * total) / whole)
