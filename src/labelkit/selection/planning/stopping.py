"""Stop rules: the interval is narrow enough, nothing more is learnt, all is found, or too dear.

A rule that is asked after every round has as many chances to be wrong. ``looks`` is the number of
times that it will be asked; the error 1 − level is shared out over them (Bonferroni), so that it
holds for the whole labeling and not for each round.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from labelkit.errors import SelectionError
from labelkit.selection.planning.plan import LabelPlan
from labelkit.selection.planning.recall import Found
from labelkit.selection.planning.target import Target, read_target

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Verdict:
    """Whether to stop, and why.

    ::

        stop    True: another round is not worth it by this rule
        value   what the rule looked at: half-width, upper limit of the gain, lower limit of recall,
                worth of a label
        bound   what it was held against
        reason  one sentence
    """

    stop: bool
    value: float
    bound: float
    reason: str


def stop_at_width(low: float, high: float, target: str | Target) -> Verdict:
    """Stop when an interval that ``validate`` printed is as narrow as ``target`` asks.

    Width is no evidence on where the truth lies, so asking after every round costs nothing in
    coverage when labels are many (Chow & Robbins 1965).

    Examples
    --------
    >>> stop_at_width(0.70, 0.75, "f1 ± 0.03").stop
    True
    """
    wanted = read_target(target)
    half = (high - low) / 2
    stop = half <= wanted.half_width
    said = "as narrow as asked" if stop else "still too wide"
    return Verdict(
        stop, half, wanted.half_width, f"{wanted.metric} is known to ± {half:.3g}: {said}."
    )


def stop_at_plateau(
    before: npt.ArrayLike,
    after: npt.ArrayLike,
    *,
    min_gain: float,
    weight: npt.ArrayLike | None = None,
    level: float = 0.95,
    looks: int = 1,
) -> Verdict:
    """Stop when it is shown that the last labels taught less than ``min_gain``.

    An equivalence test, not a test of no difference: "no significant gain" after a handful of
    labels would stop everything. Stops when the upper confidence limit of the gain is below
    ``min_gain``, so a small sample goes on.

    Parameters
    ----------
    before, after : (n,) quality of each of n gold examples under the older and the newer model
        (1 right, 0 wrong; or minus its loss), the same examples in the same order, none of them
        trained on
    min_gain : smallest gain in mean quality that is worth another round, above 0
    weight : (n,) of ``pooled_weights``; None: all alike
    level : of the one-sided limit, in (0, 1)
    looks : times that this will be asked

    Raises
    ------
    SelectionError
        Lengths differ, there are fewer than two examples, or a number makes no sense.
    """
    from scipy import stats

    a, b = np.asarray(before, dtype=float), np.asarray(after, dtype=float)
    w = np.ones(len(a)) if weight is None else np.asarray(weight, dtype=float)
    if not (a.shape == b.shape == w.shape and a.ndim == 1):
        raise SelectionError(
            f"before, after and weight must be alike; got shapes {a.shape}, {b.shape}, {w.shape}."
        )
    if len(a) < 2 or not w.sum() > 0 or not min_gain > 0:
        raise SelectionError(
            f"A plateau needs at least two weighted examples and min_gain above 0; got {len(a)} "
            f"examples, weights that sum to {w.sum():g}, min_gain = {min_gain}."
        )
    gap = b - a
    gain = float(w @ gap / w.sum())
    effective = w.sum() ** 2 / (w**2).sum()
    spread = float(np.sqrt(w**2 @ (gap - gain) ** 2) / w.sum())
    # Two models that agree on every example have shown no spread, not that there is none: one
    # example that might have changed, as in the rule of three.
    least = np.ptp(np.r_[gap, 0.0, 1.0]) * _rule_of_three(effective, _one_look(level, looks))
    quantile = float(stats.t.ppf(_one_look(level, looks), max(effective - 1, 1)))
    upper = gain + max(quantile * spread, least)
    stop = upper < min_gain
    said = "shown to be" if stop else "not shown to be"
    return Verdict(
        stop, upper, min_gain,
        f"The last labels brought {gain:+.3g} (at most {upper:+.3g}): {said} below {min_gain:g}.",
    )  # fmt: skip


def stop_at_recall(found: Found, wanted: float, *, looks: int = 1) -> Verdict:
    """Stop when it is shown that at least ``wanted`` of the relevant items have been found.

    Parameters
    ----------
    found : of ``found_share``, computed with ``level=1 - (1 - level) / looks``
    wanted : share of the relevant items, in (0, 1)
    looks : times that this will be asked
    """
    if not 0 < wanted < 1:
        raise SelectionError(f"wanted = {wanted} is not a share between 0 and 1.")
    if looks > 1 and found.level < _one_look(0.5, looks):
        raise SelectionError(
            f"found was computed at level {found.level:g}, which {looks} looks would use up. "
            f"Compute it with level = 1 - (1 - level) / {looks}."
        )
    stop = found.low >= wanted
    said = "enough" if stop else f"{wanted:.0%} is not shown yet"
    return Verdict(
        stop, found.low, wanted,
        f"{found.n_found:,} relevant items are found, about {found.n_left:,.0f} are left; at least "
        f"{found.low:.1%} are found: {said}.",
    )  # fmt: skip


def stop_at_price(plan: LabelPlan, *, n_next: int, worth_per_point: float) -> Verdict:
    """Stop when the next labels narrow the interval by less than they cost.

    Parameters
    ----------
    plan : of ``plan_labels``, with ``cost_per_label``
    n_next : labels of the next round
    worth_per_point : what it is worth, in the currency of the cost, to know the metric more closely
        by 0.01 (half-width)

    Raises
    ------
    SelectionError
        The plan has no cost, or no present interval to start from.
    """
    if plan.cost_per_label is None or np.isnan(plan.half_width_now):
        lacks = "cost_per_label" if plan.cost_per_label is None else "sampled gold to start from"
        raise SelectionError(f"The plan has no {lacks}.")
    steps = np.r_[0, plan.frame["n_labels"].to_numpy()].astype(float)
    half = np.r_[plan.half_width_now, plan.frame["half_width"].to_numpy()]
    gained = plan.half_width_now - float(np.interp(n_next, steps, half))
    worth = max(gained, 0.0) * 100 * worth_per_point / n_next
    stop = worth < plan.cost_per_label
    return Verdict(
        stop, worth, plan.cost_per_label,
        f"{n_next:,} more labels would narrow ± {plan.half_width_now:.3g} by {gained:.3g}: each is "
        f"worth {worth:.3g} and costs {plan.cost_per_label:g}.",
    )  # fmt: skip


def _one_look(level: float, looks: int) -> float:
    if looks < 1 or not 0 < level < 1:
        raise SelectionError(f"looks = {looks} and level = {level}: at least 1, and within (0, 1).")
    return 1 - (1 - level) / looks


def _rule_of_three(effective: float, level: float) -> float:
    """Largest rate at which no event in ``effective`` trials is not yet surprising."""
    return float(1 - (1 - level) ** (1 / effective))
