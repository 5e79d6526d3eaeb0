"""Ranks, extremes, medians and counts of an example among those of its query.

Every engine gives the same bits: medians and runners-up are picked by rank, never interpolated.
Sums and means, which need more care for that, are in ``totals``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import narwhals as nw

from labelkit.errors import LFError
from labelkit.lfs.expression import Constantly, Value
from labelkit.lfs.kinds import Kind, Schema
from labelkit.lfs.logic import Condition
from labelkit.lfs.stages import Derived, Step, not_nan

Aggregate = Literal["min", "max", "sum", "count", "rank", "rank from below", "place"]
_ORDERED = (Kind.INTEGER, Kind.FLOAT, Kind.DATE, Kind.TIME, Kind.MOMENT)


def shown(over: tuple[str, ...]) -> str:
    """How the columns of a group are printed."""
    return ", ".join(over)


class OfGroup(Value):
    """A number of ``part`` over the examples that share the values of ``over``."""

    part: Value
    over: tuple[str, ...]

    @property
    def columns(self) -> frozenset[str]:
        return self.part.columns | set(self.over)


class OfNumbers(OfGroup, Derived):
    """A number that is computed, so that ``part`` has to be one."""

    def kind(self, schema: Schema) -> Kind:
        needs_numbers(self, self.part, schema)
        return Kind.FLOAT


@dataclass(frozen=True, eq=False)
class Window(OfGroup, Step):
    """An aggregate that needs no arithmetic on doubles, over the examples of a group.

    Missing values do not count; in a group whose own name is missing the result is unknown.
    ``place`` numbers ties apart, from the largest down; which of them comes first is left open, so
    only what does not depend on it may be built on it.
    """

    part: Value
    aggregate: Aggregate
    over: tuple[str, ...]

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
class Median(OfNumbers):
    """The middle number of a group, or half-way between the two in the middle."""

    part: Value
    over: tuple[str, ...]

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
class OfOthers(OfGroup, Derived):
    """The largest, or smallest, value among the other examples of the group."""

    part: Value
    aggregate: Literal["max", "min"]
    over: tuple[str, ...]

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


def needs_numbers(whole: Value, part: Value, schema: Schema) -> None:
    kind = part.kind(schema)
    if not kind.is_number:
        raise LFError(f"`{whole}` computes with numbers, but {part} is {kind.value}.")
