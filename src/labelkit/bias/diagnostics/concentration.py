"""Who holds the weight? Effective sample size, concentration and clipping of the weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from labelkit.bias.propensities import Diagnosis, Level, Propensities
from labelkit.bias.weights.slots import DEFAULT_CLIP, SlotCounts, check_clip
from labelkit.bias.weights.summary import WeightSummary, summarise

if TYPE_CHECKING:
    import polars as pl

FloatArray = npt.NDArray[np.float64]

# Fewer equal clicks than these describe no log, whatever their share.
LEAST_EFFECTIVE = 30
# A share of all weight that one click should not hold alone.
ONE_CLICK = 0.01


def weights_by_slot(
    cells: SlotCounts, curve: Propensities, *, clip: float = DEFAULT_CLIP
) -> pl.DataFrame:
    """What each slot of the curve contributes to a weighted sum of clicks.

    Returns
    -------
    Polars frame, one row per slot with a known propensity: the context columns, ``position``,
    ``clicks``, ``weight`` (mean of min(1/θ, clip) over clicks, or over impressions where none was
    clicked), ``share_of_clicks``, ``share_of_weight``, ``effective_n`` ((Σw)²/Σw² of the clicks at
    this position and above: what cutting the log here would leave).
    """
    import polars as pl

    size = len(curve.positions)
    w = np.minimum(1 / cells.theta, check_clip(clip))

    def by_slot(values: FloatArray) -> FloatArray:
        return np.bincount(cells.slot, values, size).astype(np.float64)

    clicks, shown = by_slot(cells.clicks), by_slot(cells.n)
    total, square = by_slot(cells.clicks * w), by_slot(cells.clicks * w**2)
    mean = np.where(clicks > 0, total / np.maximum(clicks, 1), 0.0)
    mean = np.where(clicks > 0, mean, by_slot(cells.n * w) / np.maximum(shown, 1))
    order = np.argsort(curve.positions, kind="stable")
    above = np.empty((2, size))
    above[:, order] = np.cumsum(np.stack([total, square])[:, order], axis=1)
    # Contexts share positions: all slots of a position and above count together.
    last = np.searchsorted(curve.positions[order], curve.positions, side="right") - 1
    sums = above[:, order][:, last]
    frame = pl.DataFrame(
        {
            **curve.context,
            "position": curve.positions,
            "clicks": clicks.astype(np.int64),
            "weight": mean,
            "share_of_clicks": clicks / max(float(clicks.sum()), 1.0),
            "share_of_weight": total / max(float(total.sum()), 1e-12),
            "effective_n": sums[0] ** 2 / np.maximum(sums[1], 1e-12),
        }
    )
    return frame.filter(pl.Series(shown > 0))


def concentration(
    cells: SlotCounts, curve: Propensities, *, clip: float = DEFAULT_CLIP
) -> tuple[Diagnosis, ...]:
    """Findings on effective sample size, concentration, exploding weights, and clipping."""
    summary = summarise(cells, clip)
    if not summary.n:
        return (
            Diagnosis(
                "effective sample size",
                "stop",
                "No click fell where the propensity is known: there is nothing to weight. Read a "
                "longer period.",
            ),
        )
    return (
        _effective(summary),
        _held_by_few(summary),
        _exploding(cells, curve, clip),
        _clipping(summary),
    )


def _effective(summary: WeightSummary) -> Diagnosis:
    share = summary.effective_n / summary.n
    level: Level = "fine" if share >= 0.3 else "look"
    advice = "" if level == "fine" else " Clip harder, or self-normalise: see the table of weights."
    if summary.effective_n < LEAST_EFFECTIVE:
        level = "stop"
        advice = (
            " That is too few for any weighted estimate: read a longer period, or cut the log at a "
            "higher position."
        )
    return Diagnosis(
        "effective sample size",
        level,
        f"{summary.n:,} weighted clicks tell as much as {summary.effective_n:,.0f} equal ones "
        f"({share:.0%}).{advice}",
    )


def _held_by_few(summary: WeightSummary) -> Diagnosis:
    share = summary.top_share
    level: Level = "fine" if share < 0.1 else "look" if share < 0.3 else "stop"
    advice = {
        "fine": "",
        "look": " Compare weighted results with a lower clip before you trust them.",
        "stop": " A few clicks decide: use evidence from exposure (ctr, ctr_low) in place of "
        "weights (ips_ctr), or cut the log at a higher position.",
    }[level]
    return Diagnosis(
        "weight concentration",
        level,
        f"The heaviest 1 % of the clicks hold {share:.0%} of the weight.{advice}",
    )


def _exploding(cells: SlotCounts, curve: Propensities, clip: float) -> Diagnosis:
    w = np.minimum(1 / cells.theta, clip)
    alone = w / float(cells.clicks @ w)
    heavy = alone >= ONE_CLICK
    if not heavy.any():
        return Diagnosis(
            "exploding weights",
            "fine",
            f"No click holds more than {100 * alone[cells.clicks > 0].max():.2g} % of the weight.",
        )
    position = int(curve.positions[cells.slot[heavy]].min())
    return Diagnosis(
        "exploding weights",
        "look",
        f"From position {position} on weights explode: one click there holds "
        f"{alone.max():.0%} of all weight or would. Clip at {1 / cells.theta[~heavy].min():,.0f} "
        f"or cut the log above position {position}."
        if (~heavy).any()
        else f"Each click holds at least {ONE_CLICK:.0%} of all weight: read a longer period.",
    )


def _clipping(summary: WeightSummary) -> Diagnosis:
    share = summary.clipped_mass
    level: Level = "fine" if share < 0.01 else "look" if share < 0.1 else "stop"
    if level == "fine":
        text = f"Clipping at {summary.clip:g} takes {share:.1%} of the weight"
        text += f" ({summary.n_clipped:,} clicks)." if summary.n_clipped else "."
    else:
        text = (
            f"Clipping at {summary.clip:g} takes {share:.0%} of the weight, from "
            f"{summary.n_clipped:,} clicks: sums of weights are too low by as much. "
            "Self-normalised or doubly robust weights repair it; so does evidence from exposure."
        )
    return Diagnosis("clipping", level, text)
