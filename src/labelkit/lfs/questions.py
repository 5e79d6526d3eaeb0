"""Questions that a condition asks of values: comparisons, membership, missing values, text."""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from zoneinfo import ZoneInfo

import narwhals as nw

from labelkit.errors import LFError
from labelkit.lfs.kinds import (
    Constant,
    Kind,
    Operand,
    Schema,
    as_kind,
    common_kind,
    comparable,
    time_zones,
)
from labelkit.lfs.logic import Condition

Relation = Literal["<", "<=", ">", ">=", "==", "!="]
TextTest = Literal["contains", "starts with", "ends with", "matches"]

_RELATIONS: dict[Relation, Callable[[Any, Any], Any]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}
_OPPOSITE: dict[Relation, Relation] = {
    "<": ">=", ">=": "<", ">": "<=", "<=": ">", "==": "!=", "!=": "==",
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Compare(Condition):
    """``left < right`` and its kin."""

    left: Operand
    relation: Relation
    right: Operand

    @property
    def columns(self) -> frozenset[str]:
        return self.left.columns | self.right.columns

    def check(self, schema: Schema) -> None:
        left, right = self.left.kind(schema), self.right.kind(schema)
        if not comparable(left, right):
            raise LFError(
                f"`{self}` compares unlike things: {self.left} is {left.value}, "
                f"{self.right} is {right.value}."
            )
        zones = time_zones(self.left, schema) | time_zones(self.right, schema)
        if left == Kind.MOMENT and len(zones) > 1:
            raise LFError(f"`{self}` compares times of several zones: {', '.join(sorted(zones))}.")

    def holds(self, schema: Schema) -> nw.Expr:
        return self._ask(self.relation, schema)

    def fails(self, schema: Schema) -> nw.Expr:
        return self._ask(_OPPOSITE[self.relation], schema)

    def _ask(self, relation: Relation, schema: Schema) -> nw.Expr:
        kind = common_kind(self.left.kind(schema), self.right.kind(schema))
        left, right = as_kind(self.left, kind, schema), as_kind(self.right, kind, schema)
        if kind == Kind.MOMENT and not self.right.columns:
            right = nw.lit(_in_zone(self.right, time_zones(self.left, schema)))
        answer: nw.Expr = _RELATIONS[relation](left, right)
        # Some engines hold that NaN is above all numbers and equals itself, others that every
        # comparison with it is false; `!=` is true for both. Only a NaN that could make the answer
        # true must be ruled out, since each test is one more pass over the column.
        suspects = {
            "<": (self.right,),
            "<=": (self.right,),
            ">": (self.left,),
            ">=": (self.left,),
            "==": (self.right,),
            "!=": (self.left, self.right),
        }[relation]
        for operand in suspects:
            if operand.may_be_nan(schema):
                answer = answer & ~as_kind(operand, kind, schema).is_nan()
            if relation == "!=" and operand.columns:
                answer = answer & ~operand.value(schema).is_null()
        return answer.fill_null(False)

    def __str__(self) -> str:
        return f"{self.left} {self.relation} {self.right}"


@dataclass(frozen=True, eq=False)
class OneOf(Condition):
    """``operand`` is one of the ``values``."""

    operand: Operand
    values: tuple[Constant, ...]
    kind: Kind

    @property
    def columns(self) -> frozenset[str]:
        return self.operand.columns

    def check(self, schema: Schema) -> None:
        kind = self.operand.kind(schema)
        if not comparable(kind, self.kind):
            raise LFError(
                f"`{self}` compares unlike things: {self.operand} is {kind.value}, "
                f"the list holds {self.kind.value}."
            )

    def _found(self, schema: Schema) -> nw.Expr:
        kind = self.operand.kind(schema)
        values: list[Constant] = list(self.values)
        value = self.operand.value(schema)
        if kind == Kind.FLOAT:
            values = [float(v) for v in self.values]  # type: ignore[arg-type]
            value = value + 0.0  # -0.0 becomes 0.0, which look-ups tell apart on some engines
        elif kind == Kind.INTEGER:
            # A fraction is equal to no whole number.
            values = [int(v) for v in self.values if v == int(v)]  # type: ignore[arg-type]
        elif kind == Kind.MOMENT:
            zones = time_zones(self.operand, schema)
            values = [_in_zone(value, zones) for value in self.values]
        return value.is_in(values or [None])

    def holds(self, schema: Schema) -> nw.Expr:
        return (self._found(schema) & known(self.operand, schema)).fill_null(False)

    def fails(self, schema: Schema) -> nw.Expr:
        return (~self._found(schema) & known(self.operand, schema)).fill_null(False)

    def __str__(self) -> str:
        shown = ", ".join(repr(value) for value in self.values[:5])
        return f"{self.operand} in [{shown}{', …' if len(self.values) > 5 else ''}]"


@dataclass(frozen=True, eq=False)
class Missing(Condition):
    """``operand`` is null or NaN: the one question that a missing value answers."""

    operand: Operand

    @property
    def columns(self) -> frozenset[str]:
        return self.operand.columns

    def check(self, schema: Schema) -> None:
        self.operand.kind(schema)

    def holds(self, schema: Schema) -> nw.Expr:
        return ~known(self.operand, schema)

    def fails(self, schema: Schema) -> nw.Expr:
        return known(self.operand, schema)

    def __str__(self) -> str:
        return f"{self.operand} is missing"


@dataclass(frozen=True, eq=False)
class TextIs(Condition):
    """A test of text against a fixed string or a regular expression."""

    operand: Operand
    test: TextTest
    pattern: str

    @property
    def columns(self) -> frozenset[str]:
        return self.operand.columns

    @property
    def uses_regex(self) -> bool:
        return self.test == "matches"

    def check(self, schema: Schema) -> None:
        kind = self.operand.kind(schema)
        if kind != Kind.TEXT:
            raise LFError(f"`{self}` asks for text, but {self.operand} is {kind.value}.")

    def _found(self, schema: Schema) -> nw.Expr:
        text = self.operand.value(schema).str
        if self.test == "starts with":
            return text.starts_with(self.pattern)
        if self.test == "ends with":
            return text.ends_with(self.pattern)
        return text.contains(self.pattern, literal=self.test == "contains")

    def holds(self, schema: Schema) -> nw.Expr:
        return (self._found(schema) & known(self.operand, schema)).fill_null(False)

    def fails(self, schema: Schema) -> nw.Expr:
        return (~self._found(schema) & known(self.operand, schema)).fill_null(False)

    def __str__(self) -> str:
        shown = f"/{self.pattern}/" if self.uses_regex else repr(self.pattern)
        return f"{self.operand} {self.test} {shown}"


def _in_zone(moment: Operand | Constant, zones: set[str]) -> datetime:
    """A constant moment in the one zone of a column, since some engines compare no others."""
    constant: Any = getattr(moment, "constant", moment)
    zoned: datetime = constant.astimezone(ZoneInfo(next(iter(zones))))
    return zoned


def known(operand: Operand, schema: Schema) -> nw.Expr:
    """True where the operand is neither null nor NaN; never null."""
    present = ~operand.value(schema).is_null()
    if operand.may_be_nan(schema):
        # `is_nan` of a null is null on most engines.
        return present & ~operand.value(schema).is_nan().fill_null(True)
    return present
