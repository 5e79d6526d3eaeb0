"""When the labels will be there, and what they will take."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import numpy as np
import numpy.typing as npt

from labelkit.errors import RoundError
from labelkit.rounds.effort import mean_time


@dataclass(frozen=True)
class Forecast:
    """When ``n_left`` labels will be there at the pace so far.

    Parameters
    ----------
    per_day : labels a day so far, days without one included
    days, low_days, high_days : from now on; ``high_days`` is None where the pace so far does not
        show that the work ever ends
    finish, low, high : the same as dates (UTC)
    hours : work of people, where answers were timed
    cost : of ``n_left`` labels, where a price is known
    n_days : days that the pace rests on
    """

    n_left: int
    per_day: float | None
    days: float | None
    low_days: float | None
    high_days: float | None
    finish: date | None
    low: date | None
    high: date | None
    hours: float | None
    cost: float | None
    n_days: int
    level: float


def forecast(
    at: list[datetime],
    *,
    n_left: int,
    now: datetime,
    lead_times_s: list[float] | None = None,
    cost_per_label: float | None = None,
    level: float = 0.9,
) -> Forecast:
    """Predict the end from the times of the answers so far.

    Parameters
    ----------
    at : aware times of the answers
    n_left : labels still wanted, at least 0
    now : aware time; the pace is that of whole spans of 24 hours back from here
    lead_times_s : seconds that answers took
    cost_per_label : price of one
    level : of the prediction interval, in (0, 1)

    Notes
    -----
    Labels of a day have mean m and variance s² (at least m), both estimated from n days: after T
    further days their sum misses T·m by s·√(T + T²/n) times a t variate with n - 1 degrees of
    freedom. The limits are the two T at which ``n_left`` is just reached (Fieller). Days are taken
    as independent and alike; a weekend in so few days is not, and widens s.
    """
    if n_left < 0 or not 0 < level < 1:
        raise RoundError(f"n_left = {n_left} and level = {level}: at least 0, and within (0, 1).")
    seconds = mean_time(lead_times_s or [])
    hours = None if seconds is None else n_left * seconds / 3600
    cost = None if cost_per_label is None else n_left * cost_per_label
    per_day = _daily(at, now)
    n = len(per_day)
    mean = float(per_day.mean()) if n else None
    days: tuple[float | None, float | None, float | None] = (None, None, None)
    if n_left == 0:
        days = (0.0, 0.0, 0.0)
    elif mean:
        days = (n_left / mean, *_limits(per_day, n_left, level))

    def when(d: float | None) -> date | None:
        # Beyond a lifetime a date says nothing.
        too_far = d is None or d > 36_500
        return None if d is None or too_far else (now.astimezone(UTC) + timedelta(days=d)).date()

    return Forecast(
        n_left=n_left, per_day=mean, days=days[0], low_days=days[1], high_days=days[2],
        finish=when(days[0]), low=when(days[1]), high=when(days[2]),
        hours=hours, cost=cost, n_days=n, level=level,
    )  # fmt: skip


def _daily(at: list[datetime], now: datetime) -> npt.NDArray[np.float64]:
    """Labels in each whole span of 24 hours before ``now``, since the first answer.

    The span in which the first answer fell is left out unless it is all there is: it began before
    anybody worked.
    """
    ages = np.array([(now - time).total_seconds() / 86_400 for time in at])
    ages = ages[ages >= 0]
    if not len(ages):
        return np.empty(0)
    n = max(math.floor(ages.max()), 1)
    return np.bincount(np.floor(ages).astype(int), minlength=n)[:n].astype(np.float64)


def _limits(
    per_day: npt.NDArray[np.float64], n_left: int, level: float
) -> tuple[float | None, float | None]:
    from scipy import stats

    n, mean = len(per_day), float(per_day.mean())
    if n < 2:
        return None, None
    variance = max(float(per_day.var(ddof=1)), mean)
    reach = float(stats.t.ppf((1 + level) / 2, n - 1)) ** 2 * variance
    a, b = mean**2 - reach / n, 2 * n_left * mean + reach
    root = math.sqrt(max(b**2 - 4 * a * n_left**2, 0.0))
    # The stable form of the smaller root, good for a ≤ 0 too.
    low = 2 * n_left**2 / (b + root)
    return low, (b + root) / (2 * a) if a > 0 else None
