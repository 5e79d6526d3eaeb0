"""Sums, means, spreads and shares of an example's group, the same bits on every engine.

Sums of doubles depend on their order, which engines choose as they like; so doubles are summed as
whole multiples of 2⁻³⁶ of the largest in their group, and whole numbers in two halves that cannot
overflow. A mean of equal numbers is then that number, too, which 0.1 + 0.1 + 0.1 over 3 is not.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import narwhals as nw

from labelkit.lfs.expression import Value
from labelkit.lfs.kinds import Kind, Schema
from labelkit.lfs.stages import not_nan
from labelkit.lfs.windows import OfNumbers, Window, needs_numbers, shown

# Steps of 2⁻³⁶ of the largest: an error of 7·10⁻¹² of it, and room for 2²⁷ examples in a group.
_UNITS = float(2**36)
_HALF = float(2**31)


@dataclass(frozen=True, eq=False)
class _Half(Value):
    """A whole number n = high·2³¹ + low, of which this is one: sums of either cannot overflow."""

    part: Value
    which: Literal["high", "low"]

    @property
    def columns(self) -> frozenset[str]:
        return self.part.columns

    def kind(self, schema: Schema) -> Kind:
        return Kind.INTEGER

    def value(self, schema: Schema) -> nw.Expr:
        number = self.part.value(schema).cast(nw.Float64)
        high = (number / _HALF).floor()
        return (high if self.which == "high" else number - high * _HALF).cast(nw.Int64)

    def __str__(self) -> str:
        return str(self.part)


@dataclass(frozen=True, eq=False)
class _Units(Value):
    """A double as a whole multiple of 2⁻³⁶ of the largest in its group; null among infinities."""

    part: Value
    high: Value
    low: Value

    @property
    def columns(self) -> frozenset[str]:
        return self.part.columns | self.high.columns | self.low.columns

    def kind(self, schema: Schema) -> Kind:
        return Kind.INTEGER

    def value(self, schema: Schema) -> nw.Expr:
        largest = _largest(self.high.value(schema), self.low.value(schema))
        usable = (largest > 0.0) & (largest < math.inf)
        share = not_nan(self.part, schema) / nw.when(usable).then(largest)
        # Half up rather than `round`, which engines do in two ways.
        return (share * _UNITS + 0.5).floor().cast(nw.Int64)

    def __str__(self) -> str:
        return str(self.part)


def _largest(high: nw.Expr, low: nw.Expr) -> nw.Expr:
    """The largest absolute value of a group."""
    return nw.when(high > low * -1).then(high).otherwise(low * -1)


@dataclass(frozen=True, eq=False)
class _WholeTotal(Value):
    """Sum or mean of whole numbers, from the sums of their halves."""

    highs: Value
    lows: Value
    n: Value
    per_example: bool

    @property
    def columns(self) -> frozenset[str]:
        return self.n.columns

    def kind(self, schema: Schema) -> Kind:
        return Kind.FLOAT

    def may_be_nan(self, schema: Schema) -> bool:
        return False

    def value(self, schema: Schema) -> nw.Expr:
        n = self.n.value(schema).cast(nw.Float64)
        high, low = (half.value(schema).cast(nw.Float64) for half in (self.highs, self.lows))
        total = high * _HALF + low
        # A group without a known number has none.
        return nw.when(n > 0.0).then(total / n if self.per_example else total)


@dataclass(frozen=True, eq=False)
class _DoubleTotal(Value):
    """Sum or mean of doubles, from the sum of their units."""

    units: Value
    high: Value
    low: Value
    n: Value
    per_example: bool

    @property
    def columns(self) -> frozenset[str]:
        return self.n.columns

    def kind(self, schema: Schema) -> Kind:
        return Kind.FLOAT

    def may_be_nan(self, schema: Schema) -> bool:
        return False

    def value(self, schema: Schema) -> nw.Expr:
        high, low = self.high.value(schema), self.low.value(schema)
        largest, units = _largest(high, low), self.units.value(schema).cast(nw.Float64)
        if self.per_example:
            n = self.n.value(schema).cast(nw.Float64)
            units = units / nw.when(n > 0.0).then(n)
        endless: nw.Expr = nw.when((low < math.inf) & (low > -math.inf)).then(high)
        endless = nw.when((high < math.inf) & (low == -math.inf)).then(low).otherwise(endless)
        endless = nw.when((high == math.inf) & (low == math.inf)).then(high).otherwise(endless)
        sums = nw.when(largest > 0.0).then(units / _UNITS * largest).otherwise(largest)
        return nw.when(largest < math.inf).then(sums).otherwise(endless)


@dataclass(frozen=True, eq=False)
class Total(OfNumbers):
    """Sum or mean of a group, whatever the order of its rows.

    Infinity among the numbers makes it infinite, and infinities of both signs unknown.
    """

    part: Value
    aggregate: Literal["sum", "mean"]
    over: tuple[str, ...]

    def means(self, schema: Schema) -> Value:
        part, over, mean = self.part, self.over, self.aggregate == "mean"
        n = Window(part, "count", over)
        if part.kind(schema) == Kind.INTEGER:
            highs, lows = (Window(_Half(part, half), "sum", over) for half in ("high", "low"))
            return _WholeTotal(highs, lows, n, mean)
        high, low = Window(part, "max", over), Window(part, "min", over)
        return _DoubleTotal(Window(_Units(part, high, low), "sum", over), high, low, n, mean)

    def __str__(self) -> str:
        return f"{self.aggregate}({self.part}) per {shown(self.over)}"


@dataclass(frozen=True, eq=False)
class Spread(OfNumbers):
    """Standard deviation of the known numbers of a group, with n - 1; unknown for one alone."""

    part: Value
    over: tuple[str, ...]

    def means(self, schema: Schema) -> Value:
        off = self.part - Total(self.part, "mean", self.over)
        n = Window(self.part, "count", self.over)
        return Root(Total(off * off, "sum", self.over) / (n - 1))

    def __str__(self) -> str:
        return f"std({self.part}) per {shown(self.over)}"


@dataclass(frozen=True, eq=False)
class Root(Value):
    """Square root; unknown below zero."""

    part: Value

    @property
    def columns(self) -> frozenset[str]:
        return self.part.columns

    def kind(self, schema: Schema) -> Kind:
        needs_numbers(self, self.part, schema)
        return Kind.FLOAT

    def value(self, schema: Schema) -> nw.Expr:
        number = self.part.value(schema).cast(nw.Float64)
        return nw.when(number >= 0.0).then(number).sqrt()

    def __str__(self) -> str:
        return f"sqrt({self.part})"


@dataclass(frozen=True, eq=False)
class Share(OfNumbers):
    """A number over the sum of its group's."""

    part: Value
    over: tuple[str, ...]

    def means(self, schema: Schema) -> Value:
        return self.part / Total(self.part, "sum", self.over)

    def __str__(self) -> str:
        return f"share({self.part}) per {shown(self.over)}"
