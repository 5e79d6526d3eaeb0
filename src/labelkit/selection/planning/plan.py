"""``plan_labels``: how many labels a target takes, and what they cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from labelkit.engine import NativeFrame
from labelkit.errors import SelectionError
from labelkit.selection.design import AUDITS
from labelkit.selection.planning.forecast import (
    NextDesign,
    forecast,
    half_width_now,
    queue_up,
    truths,
)
from labelkit.selection.planning.state import State, read_state
from labelkit.selection.planning.target import Target, read_target
from labelkit.selection.scores import SCORES

if TYPE_CHECKING:
    import polars as pl

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

_N_TRUTHS = 200
_N_STEPS = 14
_SMALLEST_STEP = 20
_FUTURES = (0.05, 0.95)


@dataclass(frozen=True)
class LabelPlan:
    """Labels that a target takes, beyond those that are there.

    ::

        target            what was asked for
        n_labels          further labels after which the predicted half-width meets the target;
                          0 if it is met now, None if labeling ``n_max`` would not meet it
        low, high         the same in 5 % and 95 % of the futures that pool and gold allow; None:
                          not within ``n_max``
        half_width_now    of the interval that the gold so far gives; NaN without sampled gold
        frame             the curve (Polars): ``n_labels``, ``half_width``, ``half_width_low``,
                          ``half_width_high`` (5 % and 95 % of futures), ``gain_per_label`` (by how
                          much each label of that step narrows the half-width), ``cost``, ``hours``
        cost_per_label    in the user's currency; None if not given
        seconds_per_label time that one answer takes; None if not known
        n_max             most further labels that were considered
    """

    target: Target
    n_labels: int | None
    low: int | None
    high: int | None
    half_width_now: float
    frame: pl.DataFrame
    cost_per_label: float | None
    seconds_per_label: float | None
    n_max: int

    @property
    def cost(self) -> float | None:
        """What ``n_labels`` cost; None where either is not known."""
        if self.n_labels is None or self.cost_per_label is None:
            return None
        return self.n_labels * self.cost_per_label

    @property
    def hours(self) -> float | None:
        """Hours of answering that ``n_labels`` take; None where either is not known."""
        if self.n_labels is None or self.seconds_per_label is None:
            return None
        return self.n_labels * self.seconds_per_label / 3600

    def __str__(self) -> str:
        if self.n_labels is None:
            end = float(self.frame["half_width"][-1])
            return (
                f"{self.target} is out of reach: {self.n_max:,} more labels would come to about "
                f"± {end:.3g}. Audit a larger share, or ask for less."
            )
        now = "" if np.isnan(self.half_width_now) else f" (now ± {self.half_width_now:.3g})"
        if self.n_labels == 0:
            return f"{self.target} is met already{now}."
        low = f"{self.low:,}" if self.low is not None else "?"
        high = f"{self.high:,}" if self.high is not None else f"more than {self.n_max:,}"
        text = f"{self.target} takes about {self.n_labels:,} more labels{now}: {low} to {high} in "
        text += "9 of 10 futures"
        if self.cost is not None:
            text += f"; they cost about {self.cost:,.2f}"
        if self.hours is not None:
            text += f"; {self.hours:,.1f} hours of answering"
        return text + "."


def plan_labels(
    labels: NativeFrame,
    target: str | Target,
    *,
    gold: NativeFrame | None = None,
    n_max: int | None = None,
    strategy: str = "margin",
    audit_share: float = 0.2,
    audit: Literal["equal", "pps", "poisson", "class", "score"] = "equal",
    cost_per_label: float | None = None,
    seconds_per_label: float | None = None,
    positive: int = 1,
    level: float = 0.95,
    keys: Sequence[str] = ("query", "item"),
    seed: int = 0,
) -> LabelPlan:
    """How many further labels until ``validate`` prints an interval as narrow as ``target``.

    Further labels are taken to come as one round drawn by ``select`` with the given settings. What
    the truth may be is drawn from the gold so far and, where gold is thin, from the soft labels;
    for each truth the round is simulated and its interval computed as ``validate`` would.

    Parameters
    ----------
    labels : weak labels of the pool: ``keys``, ``p_0`` … ``p_{k-1}``, and ``label`` if present
    target : a metric and a half-width: "f1 ± 0.03", "recall +- 5 %"
    gold : labels so far: ``keys``, ``label``, ``inclusion_probability``, ``round``; None: none yet,
        and the soft labels are all there is to go by
    n_max : most further labels to consider; the whole pool unless given
    strategy : name of a score, or "random"; batch strategies choose among the highest scores, so
        that the plan of their score stands for them
    audit_share, audit : as in ``select``
    cost_per_label : in your currency
    seconds_per_label : time that one answer takes
    positive : class that precision, recall and F1 are about when there are two classes
    level : of the interval, in (0, 1)
    keys : columns that identify an example
    seed : of the simulated futures

    Returns
    -------
    LabelPlan; print it for one sentence.

    Raises
    ------
    SelectionError
        The target is not understood, or pool or gold cannot be read.
    """
    wanted = read_target(target)
    _check(strategy, audit, audit_share, level, cost_per_label, seconds_per_label)
    state = read_state(labels, gold, keys=keys)
    if not 0 <= positive < state.k:
        raise SelectionError(f"positive = {positive} is none of the classes 0 … {state.k - 1}.")
    most = len(state.unlabeled) if n_max is None else min(n_max, len(state.unlabeled))
    if most < 1:
        raise SelectionError(
            f"There is nothing left to plan: {len(state.at):,} of {len(state.pool):,} examples are "
            f"labeled, and n_max = {n_max}."
        )
    design = NextDesign(strategy, audit_share, audit)
    steps = np.unique(np.geomspace(min(_SMALLEST_STEP, most), most, _N_STEPS).round().astype(int))
    futures = _futures(state, steps, design, wanted.metric, positive, level, seed)
    now = half_width_now(
        state,
        metric=wanted.metric,
        positive=positive,
        level=level,
        rng=np.random.default_rng([seed, 1]),
    )
    middle = np.minimum.accumulate(np.nanmean(futures, axis=1))
    narrow, wide = np.minimum.accumulate(np.nanquantile(futures, _FUTURES, axis=1), axis=1)
    n_labels: int | None
    low: int | None
    high: int | None
    if now <= wanted.half_width:
        n_labels, low, high = (0, 0, 0)
    else:
        n_labels, low, high = (
            _crossing(steps, c, wanted.half_width) for c in (middle, narrow, wide)
        )
    frame = _curve(steps, middle, narrow, wide, now, cost_per_label, seconds_per_label)
    return LabelPlan(
        target=wanted,
        n_labels=n_labels,
        low=low,
        high=high,
        half_width_now=now,
        frame=frame,
        cost_per_label=cost_per_label,
        seconds_per_label=seconds_per_label,
        n_max=most,
    )


def _futures(
    state: State,
    steps: IntArray,
    design: NextDesign,
    metric: str,
    positive: int,
    level: float,
    seed: int,
) -> FloatArray:
    """Half-widths after each step in each future, (steps, futures)."""
    draw, ties = np.random.default_rng(seed).spawn(2)
    truth = truths(state, _N_TRUTHS, draw)
    queue = queue_up(state, design.strategy, ties)
    return np.array(
        [
            forecast(
                state, int(n), truth, queue, design=design, metric=metric, positive=positive,
                level=level, rng=np.random.default_rng([seed, 2]),
            )
            for n in steps
        ]
    )  # fmt: skip


def _crossing(steps: IntArray, half: FloatArray, wanted: float) -> int | None:
    """First count at which a falling curve meets ``wanted``; log-log between the steps."""
    below = np.flatnonzero(half <= wanted)
    if not len(below):
        return None
    i = int(below[0])
    if i == 0:
        return int(steps[0])
    x, y = np.log(steps[i - 1 : i + 1]), np.log(np.maximum(half[i - 1 : i + 1], 1e-12))
    return int(np.ceil(np.exp(x[0] + (np.log(wanted) - y[0]) / (y[1] - y[0]) * (x[1] - x[0]))))


def _curve(
    steps: IntArray,
    middle: FloatArray,
    narrow: FloatArray,
    wide: FloatArray,
    now: float,
    cost_per_label: float | None,
    seconds_per_label: float | None,
) -> pl.DataFrame:
    import polars as pl

    # The first step's gain is that over what is there now, if anything is.
    before = np.r_[now, middle[:-1]]
    gain = np.maximum((before - middle) / np.diff(np.r_[0, steps]), 0)
    return pl.DataFrame(
        {
            "n_labels": steps,
            "half_width": middle,
            "half_width_low": narrow,
            "half_width_high": wide,
            "gain_per_label": gain,
            "cost": None if cost_per_label is None else steps * cost_per_label,
            "hours": None if seconds_per_label is None else steps * seconds_per_label / 3600,
        },
        schema_overrides={"cost": pl.Float64, "hours": pl.Float64},
    ).with_columns(pl.col("gain_per_label").fill_nan(None))


def _check(
    strategy: str,
    audit: str,
    audit_share: float,
    level: float,
    cost_per_label: float | None,
    seconds_per_label: float | None,
) -> None:
    if strategy not in (*SCORES, "random"):
        names = ", ".join(map(repr, (*SCORES, "random")))
        raise SelectionError(f"strategy = {strategy!r} cannot be planned; choose from {names}.")
    if audit not in AUDITS:
        raise SelectionError(f"audit = {audit!r} is not known; choose from {', '.join(AUDITS)}.")
    if not 0 < audit_share <= 1:
        raise SelectionError(
            f"audit_share = {audit_share}: only an audit sample narrows an interval, so it must be "
            f"above 0 and at most 1."
        )
    if not 0 < level < 1:
        raise SelectionError(f"level = {level} is not between 0 and 1.")
    for name, value in (("cost", cost_per_label), ("seconds", seconds_per_label)):
        if value is not None and not value >= 0:
            raise SelectionError(f"{name}_per_label = {value} is not a number of at least 0.")
