"""Ages, weekdays and hours, by calendar arithmetic that is the same on every engine.

Engines disagree on what the difference of two times is, and DuckDB and Spark show a time with a
zone in the zone of the session. Ages are therefore counted in whole microseconds from the year, the
day of the year and the clock, in UTC where there is a zone; weekdays and hours of a time with a
zone need that zone to be named. Clocks of zones are known until 2037 (Polars' tables end there).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Literal, cast

import narwhals as nw

from labelkit.errors import LFError
from labelkit.lfs.expression import Constantly, Value
from labelkit.lfs.kinds import Kind, Schema, time_zones

_UTC = {"UTC", "Etc/UTC", "Z", "+00:00", "GMT", "Etc/GMT", "Etc/UCT", "UCT", "Zulu"}
_DAY = 86_400_000_000  # µs
_EPOCH = date(1970, 1, 1).toordinal()


@dataclass(frozen=True, eq=False)
class Age(Value):
    """Days from a time to another, as a double."""

    part: Value
    at: Value

    @property
    def columns(self) -> frozenset[str]:
        return self.part.columns | self.at.columns

    def kind(self, schema: Schema) -> Kind:
        zoned = set()
        for part in (self.part, self.at):
            kind = part.kind(schema)
            if kind not in (Kind.DATE, Kind.TIME, Kind.MOMENT):
                raise LFError(f"`{self}` asks for dates or times, but {part} is {kind.value}.")
            zoned.add(kind == Kind.MOMENT)
        if len(zoned) > 1:
            raise LFError(
                f"`{self}` compares unlike things: {self.part} is {self.part.kind(schema).value}, "
                f"{self.at} is {self.at.kind(schema).value}."
            )
        return Kind.FLOAT

    def value(self, schema: Schema) -> nw.Expr:
        elapsed = _microseconds(self.at, schema) - _microseconds(self.part, schema)
        return elapsed.cast(nw.Float64) / float(_DAY)

    def may_be_nan(self, schema: Schema) -> bool:
        return False

    def asks_polars(self, schema: Schema, implementation: nw.Implementation) -> bool:
        return any(not time_zones(part, schema) <= _UTC for part in (self.part, self.at))

    def __str__(self) -> str:
        return f"age({self.part}) at {self.at} in days"


@dataclass(frozen=True, eq=False)
class Calendar(Value):
    """Weekday, hour or month of a time, in the calendar of a zone if it has one."""

    part: Value
    field: Literal["weekday", "hour", "month"]
    zone: str | None

    @property
    def columns(self) -> frozenset[str]:
        return self.part.columns

    def kind(self, schema: Schema) -> Kind:
        kind = self.part.kind(schema)
        if kind not in (Kind.DATE, Kind.TIME, Kind.MOMENT):
            raise LFError(f"`{self}` asks for a date or time, but {self.part} is {kind.value}.")
        if kind == Kind.DATE and self.field == "hour":
            raise LFError(f"`{self}` asks for a time, but {self.part} is a date.")
        if kind == Kind.MOMENT and self.zone is None:
            raise LFError(
                f"`{self}` depends on the zone, and {self.part} is {kind.value}: say whose "
                f"calendar is meant, as in .{self.field}(zone='Europe/Berlin')."
            )
        if kind != Kind.MOMENT and self.zone is not None:
            raise LFError(f"`{self}` names a zone, but {self.part} is {kind.value} without one.")
        return Kind.INTEGER

    def value(self, schema: Schema) -> nw.Expr:
        clock = _clock(self.part, self.zone, schema)
        if self.field == "weekday":
            # Counted, because Sunday is 0 where Narwhals asks Spark. Day 1 of year 1 is a Monday.
            since = _ordinal(clock) - 1
            return since - _quotient(since, 7) * 7 + 1
        return (clock.dt.hour() if self.field == "hour" else clock.dt.month()).cast(nw.Int64)

    def asks_polars(self, schema: Schema, implementation: nw.Implementation) -> bool:
        return not time_zones(self.part, schema) | {self.zone or "UTC"} <= _UTC

    def __str__(self) -> str:
        return f"{self.field}({self.part}{f' in {self.zone}' if self.zone else ''})"


def _clock(part: Value, zone: str | None, schema: Schema) -> nw.Expr:
    """A date or time as what a clock of the zone shows, without a zone."""
    value, kind = part.value(schema), part.kind(schema)
    if kind == Kind.DATE:
        return value.cast(nw.Datetime("us"))
    if kind == Kind.TIME:
        return value
    zones = time_zones(part, schema)
    if zones <= _UTC and (zone is None or zone in _UTC):
        return value.dt.replace_time_zone(None)
    return value.dt.convert_time_zone(zone or "UTC").dt.replace_time_zone(None)


def _microseconds(part: Value, schema: Schema) -> nw.Expr:
    """Whole microseconds since 1970 (UTC)."""
    if isinstance(part, Constantly):
        return nw.lit(_of_constant(cast(date, part.constant)), dtype=nw.Int64)
    shown = _clock(part, None, schema)
    days, clock = _ordinal(shown) - _EPOCH, shown.dt
    if part.kind(schema) == Kind.DATE:
        return days * _DAY
    seconds = (
        clock.hour().cast(nw.Int64) * 3600
        + clock.minute().cast(nw.Int64) * 60
        + clock.second().cast(nw.Int64)
    )
    return days * _DAY + seconds * 1_000_000 + clock.microsecond().cast(nw.Int64)


def _ordinal(clock: nw.Expr) -> nw.Expr:
    """The proleptic Gregorian day: 1 January of the year 1 is day 1."""
    before = clock.dt.year().cast(nw.Int64) - 1
    leap = _quotient(before, 4) - _quotient(before, 100) + _quotient(before, 400)
    return before * 365 + leap + clock.dt.ordinal_day().cast(nw.Int64)


def _quotient(number: nw.Expr, divisor: int) -> nw.Expr:
    return (number.cast(nw.Float64) / float(divisor)).floor().cast(nw.Int64)


def _of_constant(constant: date) -> int:
    if not isinstance(constant, datetime):
        return (constant.toordinal() - _EPOCH) * _DAY
    clock = constant if constant.tzinfo is None else constant.astimezone(UTC).replace(tzinfo=None)
    elapsed = clock - datetime(1970, 1, 1)
    return (elapsed.days * 86_400 + elapsed.seconds) * 1_000_000 + elapsed.microseconds
