"""Is one curve enough? Propensities of time windows, and of rankers, held against the others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import narwhals as nw
import numpy as np
import numpy.typing as npt

from labelkit.bias.diagnostics.contrasts import SlotFit, adjust, fit_slots, measure, simes
from labelkit.bias.diagnostics.cutting import group_cells, window_starts
from labelkit.bias.poisson import ClickedCells, smoothing_matrix
from labelkit.bias.propensities import Diagnosis
from labelkit.errors import LabelkitError, LogError
from labelkit.logs import InteractionLog, PositionCounts

if TYPE_CHECKING:
    import polars as pl

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

# A slot that fewer clicks than these join to the others is not tested: its t-values are no t.
LEAST_STRENGTH = 10.0
# One group's curve that is surely off by this factor somewhere makes one curve for all a mistake.
SEVERE = 1.5
# Where a curve like 1/k² beside the usual 1/k would not show, nothing is called fine.
BLIND = 1.0


@dataclass(frozen=True)
class Stability:
    """Curves of groups of impressions, and which of them depart from the others.

    ::

        groups    one row per group: group, impressions, clicks, steepness, steepness_low,
                  steepness_high      log θ per e-fold of position, less that of the other groups
                  position, ratio, ratio_low, ratio_high      where it departs most, and how much
                  p_value             adjusted for the number of groups; null where not tested
                  departs
        curves    one row per group and position: group, position, propensity, low, high

    Both are Polars frames. ``ratio`` compares a group's propensity with that of the others, both
    relative to their average over positions.

    Parameters
    ----------
    kind : "window" or "ranker"
    false_alarm : share of stable logs in which some group is said to depart, at most
    """

    kind: str
    groups: pl.DataFrame
    curves: pl.DataFrame
    false_alarm: float
    diagnosis: Diagnosis

    @property
    def tested(self) -> int:
        """How many groups had enough clicks to be tested."""
        return int(self.groups["p_value"].is_not_null().sum())


def stability_over_time(
    log: InteractionLog, *, n_windows: int = 4, false_alarm: float = 0.05
) -> Stability:
    """Does the propensity curve hold over the time of the log?

    Parameters
    ----------
    log : with a ``timestamp`` column
    n_windows : windows with about as many impressions each, at least 2
    false_alarm : share of stable logs that may be called unstable, in (0, 1)

    Raises
    ------
    LogError
        The log has no timestamp, or all of it has the same.

    Notes
    -----
    One group-by with the window in the key. Every window has attractivenesses of its own, so that
    items may come, go and change: all that counts is where an item's clicks fell *within* a window.
    Each window is compared with the average of the others, position by position and in steepness,
    by clustered t-tests; Simes (1986) makes one p-value per window of them, and Benjamini and
    Hochberg (1995) bound the false discoveries among windows.
    """
    if "timestamp" not in log.columns:
        raise LogError("Stability over time needs a log with a timestamp: map 'timestamp'.")
    if n_windows < 2:
        raise LabelkitError(f"n_windows is at least 2; got {n_windows}.")
    known = log.frame.filter(~nw.col("timestamp").is_null())
    starts = window_starts(known, n_windows)
    window = nw.lit(0)
    for start in starts[1:]:
        window = window + (nw.col("timestamp") >= nw.lit(start)).cast(nw.Int64)
    names = [f"{number}: from {str(start)[:16]}" for number, start in enumerate(starts, start=1)]
    cells = group_cells(known.with_columns(__group__=window.cast(nw.Int64)))
    return _judge(cells, names, kind="window", shared=False, false_alarm=false_alarm)


def stability_between_rankers(log: InteractionLog, *, false_alarm: float = 0.05) -> Stability:
    """Is a position looked at alike whichever ranker filled the page?

    Parameters
    ----------
    log : with a ``ranker`` column of two or more rankers
    false_alarm : as in :func:`stability_over_time`

    Raises
    ------
    LogError
        The log has no ranker column, or names one ranker only.

    Notes
    -----
    A ranker alone shows an item at one position, so its curve is known only through items that
    other rankers show elsewhere: one fit of all (ranker, position) slots with attractivenesses that
    the rankers share. Overall levels of rankers are left free.
    """
    if "ranker" not in log.columns:
        raise LogError("Stability between rankers needs a log that names them: map 'ranker'.")
    name = nw.col("ranker").cast(nw.String)
    known = log.frame.filter(~nw.col("ranker").is_null()).with_columns(__group__=name)
    cells = group_cells(known)
    names = sorted(cells["__group__"].unique().to_list())
    if len(names) < 2:
        raise LogError(f"Stability between rankers needs two rankers; the log names {names}.")
    return _judge(cells, names, kind="ranker", shared=True, false_alarm=false_alarm)


def _judge(
    cells: pl.DataFrame, names: list[str], *, kind: str, shared: bool, false_alarm: float
) -> Stability:
    import polars as pl

    if not 0 < false_alarm < 1:
        raise LabelkitError(f"false_alarm is in (0, 1); got {false_alarm}.")
    positions = np.unique(cells["position"].to_numpy()).astype(np.int64)
    if kind == "ranker":
        order = {name: number for number, name in enumerate(names)}
        group = cells["__group__"].replace_strict(order, return_dtype=pl.Int64).to_numpy()
    else:
        group = cells["__group__"].to_numpy().astype(np.int64)
    query = cells["query"].rle_id().to_numpy().astype(np.int64)
    parts = ["query", "item"] if shared else ["query", "item", "__group__"]
    example = cells.select(pl.struct(parts).rle_id())[parts[0]].to_numpy().astype(np.int64)
    place = np.searchsorted(positions, cells["position"].to_numpy())
    size = len(positions)
    counts = PositionCounts.from_arrays(
        query,
        example,
        # Slots are counted from 1, as positions are.
        group * size + place + 1,
        cells["impressions"].to_numpy(),
        cells["clicks"].to_numpy(),
    )
    fit, slots = _fit(counts, positions, len(names))
    strength = np.zeros((len(names), size))
    strength.flat[slots] = fit.strength
    shown = np.bincount(group, cells["impressions"].to_numpy(), len(names))
    clicks = np.bincount(group, cells["clicks"].to_numpy(), len(names))

    rows: list[dict[str, object]] = []
    curves: list[pl.DataFrame] = []
    for number, name in enumerate(names):
        row: dict[str, object] = {
            "group": name,
            "impressions": int(shown[number]),
            "clicks": int(clicks[number]),
        }
        rows.append(row | _departure(fit, slots, strength, positions, number, false_alarm))
        curves.append(_curve(fit, slots, strength, positions, number, name))
    numbers = ("steepness", "steepness_low", "steepness_high")
    ratios = ("ratio", "ratio_low", "ratio_high", "p_value")
    schema = {
        **{"group": pl.String, "impressions": pl.Int64, "clicks": pl.Int64},
        **dict.fromkeys(numbers, pl.Float64),
        **{"position": pl.Int64, **dict.fromkeys(ratios, pl.Float64)},
    }
    groups = pl.DataFrame(rows, schema=schema)
    tested = groups["p_value"].is_not_null()
    adjusted = np.full(len(groups), np.nan)
    adjusted[tested.to_numpy()] = adjust(groups["p_value"].drop_nulls().to_numpy())
    groups = groups.with_columns(
        p_value=pl.Series(adjusted, nan_to_null=True), departs=pl.Series(adjusted <= false_alarm)
    )
    diagnosis = _diagnosis(groups, kind, false_alarm)
    return Stability(kind, groups, pl.concat(curves), false_alarm, diagnosis)


def _fit(counts: PositionCounts, positions: IntArray, n_groups: int) -> tuple[SlotFit, IntArray]:
    """The fit of all slots, and the slot number of each of its parameters."""
    slot_cells = ClickedCells.of(counts)
    slots = slot_cells.positions - 1
    size = len(positions)
    walk = smoothing_matrix(positions, 1.0)
    # The level of a group is not identified by itself; a whisper of a prior makes it definite.
    whole = np.kron(np.eye(n_groups), walk + 1e-3 / size)
    penalty = whole[np.ix_(slots, slots)] + 1e-9 * np.eye(len(slots))
    return fit_slots(slot_cells, penalty), slots


def _departure(
    fit: SlotFit,
    slots: IntArray,
    strength: FloatArray,
    positions: IntArray,
    number: int,
    false_alarm: float,
) -> dict[str, object]:
    """How one group's curve differs from the average of the others."""
    strong = strength >= LEAST_STRENGTH
    others = np.arange(len(strength)) != number
    common = np.flatnonzero(strong[number] & strong[others].any(0))
    if len(common) < 2:
        return {}
    # Group less the others, position by position: (S, J).
    rest = np.where(strong & others[:, None], strength, 0.0)[:, common]
    rest /= rest.sum(0)
    by_slot = np.zeros((strength.size, len(common)))
    size = strength.shape[1]
    for j, k in enumerate(common):
        by_slot[np.arange(len(strength)) * size + k, j] = -rest[:, j]
        by_slot[number * size + k, j] = 1.0
    gaps: FloatArray = by_slot[slots]
    # Both curves relative to their own average, weighted by what is known of a position.
    of_others = np.where(others[:, None], strength, 0.0)[:, common].sum(0)
    weight = 1 / (1 / strength[number, common] + 1 / of_others)
    weight /= weight.sum()
    centred = gaps - (gaps @ weight)[:, None]
    x = np.log(positions[common])
    lever = weight * (x - weight @ x)
    steep = gaps @ (lever / (lever @ x))
    tests = measure(fit, np.column_stack([steep, centred]))
    p = tests.p_value
    low, high = tests.interval(0.95)
    # Simultaneous over positions: the largest of several ratios is looked at.
    wide_low, wide_high = tests.interval(1 - false_alarm / len(common))
    worst = 1 + int(np.argmin(p[1:]))
    return {
        "steepness": float(tests.value[0]),
        "steepness_low": float(low[0]),
        "steepness_high": float(high[0]),
        "position": int(positions[common[worst - 1]]),
        "ratio": float(np.exp(tests.value[worst])),
        "ratio_low": float(np.exp(wide_low[worst])),
        "ratio_high": float(np.exp(wide_high[worst])),
        "p_value": simes(p),
    }


def _curve(
    fit: SlotFit,
    slots: IntArray,
    strength: FloatArray,
    positions: IntArray,
    number: int,
    name: str,
) -> pl.DataFrame:
    """One group's propensities relative to the first position that is known well there."""
    import polars as pl

    known = np.flatnonzero(strength[number] >= LEAST_STRENGTH)
    weights = np.zeros((strength.size, len(known)))
    if len(known):
        weights[number * len(positions) + known, np.arange(len(known))] = 1.0
        weights[number * len(positions) + known[0]] -= 1.0
    tests = measure(fit, weights[slots])
    low, high = tests.interval(0.95)
    theta = np.exp(np.column_stack([tests.value, low, high]))
    return pl.DataFrame(
        {
            "group": [name] * len(known),
            "position": positions[known],
            "propensity": theta[:, 0],
            "low": theta[:, 1],
            "high": theta[:, 2],
        },
        schema_overrides={"group": pl.String},
    )


def _diagnosis(groups: pl.DataFrame, kind: str, false_alarm: float) -> Diagnosis:
    import polars as pl

    name = "stability over time" if kind == "window" else "stability between rankers"
    what = "time window" if kind == "window" else "ranker"
    n_tested = int(groups["p_value"].is_not_null().sum())
    if n_tested < 2:
        return Diagnosis(
            name,
            "look",
            f"Not enough clicks on items shown at several positions to compare {what}s: read a "
            "longer period, or take one curve for all on trust.",
        )
    gone = groups.filter(groups["departs"]).sort("p_value").to_dicts()
    reach = groups.select(
        pl.max_horizontal(-pl.col("steepness_low"), "steepness_high").max()
    ).item()
    if not gone and reach > BLIND:
        return Diagnosis(
            name,
            "look",
            f"Nobody can tell whether {n_tested} {what}s share a curve: one might be steeper than "
            f"the others by {reach:.1f} per e-fold of position, and it would not show. Read a "
            "longer period.",
        )
    if not gone:
        return Diagnosis(
            name,
            "fine",
            f"The curves of {n_tested} {what}s agree within chance: none is steeper or flatter "
            f"than the others by more than {reach:.2f} per e-fold of position (a stable log is "
            f"called unstable in at most {false_alarm:.0%} of cases).",
        )
    worst = gone[0]
    # A ratio of curves is surely large where its whole interval lies beyond the bound.
    severe = any(row["ratio_low"] > SEVERE or row["ratio_high"] < 1 / SEVERE for row in gone)
    advice = (
        "fit the curve on the period that your labels are for, or label the windows apart"
        if kind == "window"
        else "propensities depend on who ranked the page: fit each ranker with a share of "
        "randomised traffic, or leave the departing one out"
    )
    return Diagnosis(
        name,
        "stop" if severe else "look",
        f"{len(gone)} of {n_tested} {what}s depart from the others; most clearly {worst['group']}, "
        f"by a factor of {worst['ratio']:.2f} ({worst['ratio_low']:.2f} to "
        f"{worst['ratio_high']:.2f}) at position {worst['position']}: {advice}.",
    )
