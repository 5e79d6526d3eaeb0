"""Questions about dates and times, as methods of a value."""

from __future__ import annotations

from datetime import date, datetime
from typing import TYPE_CHECKING, cast
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from labelkit.errors import LFError

if TYPE_CHECKING:
    from labelkit.lfs.expression import Value
    from labelkit.lfs.logic import Condition


class OfTimes:
    """``col("first_seen").within_last(30, at=…)`` and its kin; ``calendar`` computes them."""

    def age_days(self, *, at: date | datetime | Value) -> Value:
        """Days from this time until ``at``, with fractions; below zero if it comes later.

        Parameters
        ----------
        at : a date (its midnight), a time, or a column with either. There is no "now": labels that
            depend on the day on which they are made cannot be made again.

        Examples
        --------
        >>> from datetime import date
        >>> from labelkit import col
        >>> print(col("published").age_days(at=date(2024, 5, 1)) < 7)
        age(published) at 2024-05-01 in days < 7
        """
        from labelkit.lfs.calendar import Age
        from labelkit.lfs.expression import as_value

        return Age(_value(self), as_value(at))

    def within_last(self, days: float, *, at: date | datetime | Value) -> Condition:
        """At most ``days`` days before ``at``, and not after it."""
        if isinstance(days, bool) or not isinstance(days, int | float) or not days > 0:
            raise LFError(f"within_last takes a number of days above 0; got {days!r}.")
        return self.age_days(at=at).between(0, days)

    def weekday(self, *, zone: str | None = None) -> Value:
        """Day of the week, 1 (Monday) to 7 (Sunday), as ISO 8601 counts.

        Parameters
        ----------
        zone : for times with a time zone, the zone whose calendar is meant, such as
            ``"Europe/Berlin"``: engines do not agree in which one such a time is shown
        """
        from labelkit.lfs.calendar import Calendar

        return Calendar(_value(self), "weekday", _known(zone))

    def hour(self, *, zone: str | None = None) -> Value:
        """Hour of the day, 0 to 23; ``zone`` as of `weekday`."""
        from labelkit.lfs.calendar import Calendar

        return Calendar(_value(self), "hour", _known(zone))

    def month(self, *, zone: str | None = None) -> Value:
        """Month, 1 to 12; ``zone`` as of `weekday`."""
        from labelkit.lfs.calendar import Calendar

        return Calendar(_value(self), "month", _known(zone))


def _known(zone: str | None) -> str | None:
    if zone is not None:
        try:
            ZoneInfo(zone)
        except (ZoneInfoNotFoundError, ValueError, TypeError, OSError):
            raise LFError(f"{zone!r} is no time zone: write one such as 'Europe/Berlin'.") from None
    return zone


def _value(self: OfTimes) -> Value:
    return cast("Value", self)
