"""Ranks, shares, means and other numbers of an example among those of its query.

Every engine gives the same bits. Sums of doubles depend on their order, which engines choose as
they like; so doubles are summed as whole multiples of 2⁻³⁶ of the largest in their group, and whole
numbers in two halves that cannot overflow. A mean of equal numbers is then that number, too, which
0.1 + 0.1 + 0.1 over 3 is not. Medians and runners-up are picked by rank, never interpolated.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import narwhals as nw

from labelkit.errors import LFError
from labelkit.lfs.expression import Constantly, Value
from labelkit.lfs.kinds import Kind, Schema
from labelkit.lfs.logic import Condition
from labelkit.lfs.stages import Derived, Step, not_nan

# Steps of 2⁻³⁶ of the largest: an error of 7·10⁻¹² of it, and room for 2²⁷ examples in a group.
_UNITS = float(2**36)
_HALF = float(2**31)

Aggregate = Literal["min", "max", "sum", "count", "rank", "rank from below", "place"]
_ORDERED = (Kind.INTEGER, Kind.FLOAT, Kind.DATE, Kind.TIME, Kind.MOMENT)


def shown(over: tuple[str, ...]) -> str:
    """How the columns of a group are printed."""
    return ", ".join(over)


@dataclass(frozen=True, eq=False)
class Window(Step):
    """An aggregate that needs no arithmetic on doubles, over the examples of a group.

    Missing values do not count; in a group whose own name is missing the result is unknown.
    ``place`` numbers ties apart, from the largest down; which of them comes first is left open, so
    only what does not depend on it may be built on it.
    """

    part: Value
    aggregate: Aggregate
    over: tuple[str, ...]

    @property
    def columns(self) -> frozenset[str]:
        return self.part.columns | set(self.over)

    def kind(self, schema: Schema) -> Kind:
        kind = self.part.kind(schema)
        if self.aggregate == "count":
            return Kind.INTEGER
        if kind not in _ORDERED:
            raise LFError(f"`{self}` needs numbers or times, but {self.part} is {kind.value}.")
        return kind if self.aggregate in ("min", "max", "sum") else Kind.INTEGER

    def made(self, schema: Schema) -> nw.Expr:
        part = not_nan(self.part, schema)
        if self.aggregate == "place":
            result = part.rank("ordinal", descending=True)
        elif self.aggregate in ("rank", "rank from below"):
            result = part.rank("min", descending=self.aggregate == "rank")
        else:
            result = getattr(part, self.aggregate)()
        result = result.over(*self.over)
        if self.kind(schema) == Kind.INTEGER:
            result = result.cast(nw.Int64)
        named = ~nw.any_horizontal(*(_unnamed(n, schema) for n in self.over), ignore_nulls=True)
        return nw.when(named).then(result)

    def __str__(self) -> str:
        if self.aggregate.startswith("rank"):
            first = "largest" if self.aggregate == "rank" else "smallest"
            return f"rank({self.part}, {first} first) per {shown(self.over)}"
        return f"{self.aggregate}({self.part}) per {shown(self.over)}"


def _unnamed(name: str, schema: Schema) -> nw.Expr:
    # pandas holds whole-number names with gaps as floats.
    column = nw.col(name)
    missing = column.is_null()
    return missing | column.is_nan().fill_null(True) if schema[name].is_float() else missing


@dataclass(frozen=True, eq=False)
class _Pick(Value):
    """``part`` where a whole number of this example says so, else null, or else ``other``."""

    number: Value
    relation: Literal["==", ">", "<", "2x<=", "2x>="]
    than: Value
    part: Value
    other: Value | None = None

    @property
    def columns(self) -> frozenset[str]:
        others = self.other.columns if self.other else frozenset()
        return self.number.columns | self.than.columns | self.part.columns | others

    def kind(self, schema: Schema) -> Kind:
        return self.part.kind(schema)

    def may_be_nan(self, schema: Schema) -> bool:
        return False

    def value(self, schema: Schema) -> nw.Expr:
        number, than = self.number.value(schema), self.than.value(schema)
        part = not_nan(self.part, schema)
        picked = {
            "==": number == than,
            ">": number > than,
            "<": number < than,
            "2x<=": number * 2 <= than + 1,
            "2x>=": number * 2 >= than + 1,
        }[self.relation]
        # A null number picks nothing on some engines and everything on none.
        picked = picked.fill_null(False)
        if self.other is None:
            return nw.when(picked).then(part)
        return nw.when(picked).then(part).otherwise(not_nan(self.other, schema))

    def __str__(self) -> str:
        return str(self.part)


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
class Total(Derived):
    """Sum or mean of a group, whatever the order of its rows.

    Infinity among the numbers makes it infinite, and infinities of both signs unknown.
    """

    part: Value
    aggregate: Literal["sum", "mean"]
    over: tuple[str, ...]

    @property
    def columns(self) -> frozenset[str]:
        return self.part.columns | set(self.over)

    def kind(self, schema: Schema) -> Kind:
        _needs_numbers(self, self.part, schema)
        return Kind.FLOAT

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
class Spread(Derived):
    """Standard deviation of the known numbers of a group, with n - 1; unknown for one alone."""

    part: Value
    over: tuple[str, ...]

    @property
    def columns(self) -> frozenset[str]:
        return self.part.columns | set(self.over)

    def kind(self, schema: Schema) -> Kind:
        _needs_numbers(self, self.part, schema)
        return Kind.FLOAT

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
        _needs_numbers(self, self.part, schema)
        return Kind.FLOAT

    def value(self, schema: Schema) -> nw.Expr:
        number = self.part.value(schema).cast(nw.Float64)
        return nw.when(number >= 0.0).then(number).sqrt()

    def __str__(self) -> str:
        return f"sqrt({self.part})"


@dataclass(frozen=True, eq=False)
class Median(Derived):
    """The middle number of a group, or half-way between the two in the middle."""

    part: Value
    over: tuple[str, ...]

    @property
    def columns(self) -> frozenset[str]:
        return self.part.columns | set(self.over)

    def kind(self, schema: Schema) -> Kind:
        _needs_numbers(self, self.part, schema)
        return Kind.FLOAT

    def means(self, schema: Schema) -> Value:
        place, n = Window(self.part, "place", self.over), Window(self.part, "count", self.over)
        # Places count from the largest down: from the middle on, the largest, and up to it, the
        # smallest.
        lower = Window(_Pick(place, "2x>=", n, self.part), "max", self.over)
        upper = Window(_Pick(place, "2x<=", n, self.part), "min", self.over)
        return lower / 2 + upper / 2

    def __str__(self) -> str:
        return f"median({self.part}) per {shown(self.over)}"


@dataclass(frozen=True, eq=False)
class OfOthers(Derived):
    """The largest, or smallest, value among the other examples of the group."""

    part: Value
    aggregate: Literal["max", "min"]
    over: tuple[str, ...]

    @property
    def columns(self) -> frozenset[str]:
        return self.part.columns | set(self.over)

    def means(self, schema: Schema) -> Value:
        over, part = self.over, self.part
        place, outer = Window(part, "place", over), Window(part, self.aggregate, over)
        largest = self.aggregate == "max"
        edge: Value = Constantly(1) if largest else Window(part, "count", over)
        # Of several with the outermost value one is at the edge, and the next has that value too.
        rest = _Pick(place, ">" if largest else "<", edge, part)
        return _Pick(place, "==", edge, Window(rest, self.aggregate, over), outer)

    def __str__(self) -> str:
        return f"{self.aggregate}({self.part}) of the others per {shown(self.over)}"


@dataclass(frozen=True, eq=False)
class Share(Derived):
    """A number over the sum of its group's."""

    part: Value
    over: tuple[str, ...]

    @property
    def columns(self) -> frozenset[str]:
        return self.part.columns | set(self.over)

    def kind(self, schema: Schema) -> Kind:
        _needs_numbers(self, self.part, schema)
        return Kind.FLOAT

    def means(self, schema: Schema) -> Value:
        return self.part / Total(self.part, "sum", self.over)

    def __str__(self) -> str:
        return f"share({self.part}) per {shown(self.over)}"


@dataclass(frozen=True, eq=False)
class Times(Derived):
    """For how many examples of a group a condition is known to hold."""

    condition: Condition
    over: tuple[str, ...]

    @property
    def columns(self) -> frozenset[str]:
        return self.condition.columns | set(self.over)

    def means(self, schema: Schema) -> Value:
        return Window(_One(self.condition), "sum", self.over)

    def __str__(self) -> str:
        return f"count({self.condition}) per {shown(self.over)}"


@dataclass(frozen=True, eq=False)
class _One(Value):
    """1 where a condition is known to hold, else 0."""

    condition: Condition

    @property
    def columns(self) -> frozenset[str]:
        return self.condition.columns

    def kind(self, schema: Schema) -> Kind:
        self.condition.check(schema)
        return Kind.INTEGER

    def value(self, schema: Schema) -> nw.Expr:
        one, zero = nw.lit(1, dtype=nw.Int64), nw.lit(0, dtype=nw.Int64)
        return nw.when(self.condition.holds(schema)).then(one).otherwise(zero)

    def __str__(self) -> str:
        return str(self.condition)


def _needs_numbers(whole: Value, part: Value, schema: Schema) -> None:
    kind = part.kind(schema)
    if not kind.is_number:
        raise LFError(f"`{whole}` computes with numbers, but {part} is {kind.value}.")
