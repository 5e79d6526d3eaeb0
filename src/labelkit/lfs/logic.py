"""Conditions: what an LF's ``where`` is made of, with three values and two on the engine.

A condition holds, fails, or is unknown because a null or NaN reached it; an unknown one makes the
LF abstain. Engines disagree about NaN and about ``not`` of a null, so neither is left to them:
negations are pushed down to the comparisons (De Morgan), and every comparison is asked "does it
hold?" or "does it fail?", each answered by true or false and never by null. ``and`` and ``or``
then need only two values. This is Kleene's logic: ``unknown or true`` is true.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, NoReturn

import narwhals as nw

from labelkit.errors import LFError
from labelkit.lfs.kinds import Kind, Operand, Schema

if TYPE_CHECKING:
    from labelkit.lfs.expression import Value


def no_truth_value(expression: object) -> NoReturn:
    """Say what to write instead of ``if``, ``and``, ``or``, ``not``, ``in`` or ``a < b < c``."""
    raise LFError(
        f"`{expression}` is a condition on a whole column and is neither true nor false here. "
        "Write & for and, | for or, ~ for not, with each comparison in parentheses: "
        "(col('a') > 1) & (col('b') < 2); .between(low, high) for a chain; .is_in([...]) for in."
    )


class Condition(ABC):
    """True, false or unknown for each example; combined by ``&``, ``|`` and ``~``."""

    binding: ClassVar[int] = 3  # how tightly it prints: or 1, and 2, comparisons 3

    @property
    @abstractmethod
    def columns(self) -> frozenset[str]:
        """Names of the columns that are read."""

    @abstractmethod
    def check(self, schema: Schema) -> None:
        """Raise `LFError` if the condition cannot be asked of these columns."""

    @abstractmethod
    def holds(self, schema: Schema) -> nw.Expr:
        """True where the condition is known to hold, false elsewhere; never null."""

    @abstractmethod
    def fails(self, schema: Schema) -> nw.Expr:
        """True where the condition is known to fail, false elsewhere; never null."""

    @property
    def uses_regex(self) -> bool:
        """Whether a regular expression is asked, of which engines speak different dialects."""
        return False

    def __and__(self, other: object) -> Condition:
        if hasattr(other, "labels"):
            return NotImplemented  # a vote, which is cast only where this holds
        return Both(self, as_condition(other))

    def __rand__(self, other: object) -> Condition:
        return Both(as_condition(other), self)

    def __or__(self, other: object) -> Condition:
        return Either(self, as_condition(other))

    def __ror__(self, other: object) -> Condition:
        return Either(as_condition(other), self)

    def __invert__(self) -> Condition:
        return Not(self)

    def __bool__(self) -> bool:
        no_truth_value(self)

    def count(self, *, over: str | Sequence[str]) -> Value:
        """For how many of the examples that share a value of ``over`` it is known to hold.

        ``(col("conversions") > 0).count(over="query") == 1`` asks for the only sale of a query.
        """
        from labelkit.lfs.over import group
        from labelkit.lfs.windows import Times

        return Times(self, group(over))

    def _inside(self, part: Condition) -> str:
        return f"({part})" if part.binding < self.binding else str(part)


def as_condition(part: object) -> Condition:
    """``part`` as a condition: a column of true and false is one."""
    if isinstance(part, Condition):
        return part
    if hasattr(part, "value") and hasattr(part, "columns"):
        return Flag(part)  # type: ignore[arg-type]
    raise LFError(
        f"{part!r} is no condition. & and | bind more tightly than comparisons: put each "
        "comparison in parentheses, as in (col('a') > 1) & (col('b') < 2)."
    )


@dataclass(frozen=True, eq=False)
class Flag(Condition):
    """A column of true and false, used as a condition."""

    operand: Operand

    @property
    def columns(self) -> frozenset[str]:
        return self.operand.columns

    def check(self, schema: Schema) -> None:
        kind = self.operand.kind(schema)
        if kind != Kind.BOOLEAN:
            raise LFError(
                f"`{self.operand}` is {kind.value}, not a condition: compare it with something."
            )

    def holds(self, schema: Schema) -> nw.Expr:
        return self.operand.value(schema).fill_null(False)

    def fails(self, schema: Schema) -> nw.Expr:
        return ~self.operand.value(schema).fill_null(True)

    def __str__(self) -> str:
        return str(self.operand)


@dataclass(frozen=True, eq=False)
class Both(Condition):
    """``left and right``."""

    left: Condition
    right: Condition
    binding: ClassVar[int] = 2

    @property
    def columns(self) -> frozenset[str]:
        return self.left.columns | self.right.columns

    @property
    def uses_regex(self) -> bool:
        return self.left.uses_regex or self.right.uses_regex

    def check(self, schema: Schema) -> None:
        self.left.check(schema)
        self.right.check(schema)

    def holds(self, schema: Schema) -> nw.Expr:
        return self.left.holds(schema) & self.right.holds(schema)

    def fails(self, schema: Schema) -> nw.Expr:
        return self.left.fails(schema) | self.right.fails(schema)

    def __str__(self) -> str:
        return f"{self._inside(self.left)} and {self._inside(self.right)}"


@dataclass(frozen=True, eq=False)
class Either(Condition):
    """``left or right``."""

    left: Condition
    right: Condition
    binding: ClassVar[int] = 1

    @property
    def columns(self) -> frozenset[str]:
        return self.left.columns | self.right.columns

    @property
    def uses_regex(self) -> bool:
        return self.left.uses_regex or self.right.uses_regex

    def check(self, schema: Schema) -> None:
        self.left.check(schema)
        self.right.check(schema)

    def holds(self, schema: Schema) -> nw.Expr:
        return self.left.holds(schema) | self.right.holds(schema)

    def fails(self, schema: Schema) -> nw.Expr:
        return self.left.fails(schema) & self.right.fails(schema)

    def __str__(self) -> str:
        return f"{self._inside(self.left)} or {self._inside(self.right)}"


@dataclass(frozen=True, eq=False)
class Not(Condition):
    """``not part``: holds where the part is known to fail."""

    part: Condition

    @property
    def columns(self) -> frozenset[str]:
        return self.part.columns

    @property
    def uses_regex(self) -> bool:
        return self.part.uses_regex

    def check(self, schema: Schema) -> None:
        self.part.check(schema)

    def holds(self, schema: Schema) -> nw.Expr:
        return self.part.fails(schema)

    def fails(self, schema: Schema) -> nw.Expr:
        return self.part.holds(schema)

    def __invert__(self) -> Condition:
        return self.part

    def __str__(self) -> str:
        return f"not ({self.part})"
