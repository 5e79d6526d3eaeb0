"""``col("x")``: a recorded expression that knows its columns, prints itself, and runs anywhere."""

from __future__ import annotations

import operator
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, ClassVar, Literal, NoReturn

import narwhals as nw

from labelkit.engine import NativeFrame
from labelkit.errors import LFError
from labelkit.lfs.kinds import Constant, Kind, Schema, kind_of_constant, kind_of_dtype
from labelkit.lfs.logic import Condition, Flag, as_condition, no_truth_value
from labelkit.lfs.over import OverGroups
from labelkit.lfs.questions import Compare, Missing, OneOf, Relation, TextIs, TextTest
from labelkit.lfs.times import OfTimes
from labelkit.lfs.words import OfText

Operation = Literal["+", "-", "*", "/"]

_OPERATIONS: dict[Operation, Callable[[Any, Any], Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
}


def col(name: str) -> Value:
    """A column of the examples, to write conditions with.

    Examples
    --------
    >>> from labelkit import col
    >>> condition = (col("ctr_high") < 0.02) & (col("impressions") >= 10)
    >>> print(condition)
    ctr_high < 0.02 and impressions >= 10
    >>> sorted(condition.columns)
    ['ctr_high', 'impressions']
    """
    if not isinstance(name, str) or not name:
        raise LFError(f"col(...) takes the name of a column; got {name!r}.")
    return Column(name)


class Value(OverGroups, OfText, OfTimes, ABC):
    """One value per example: a column, a constant, or arithmetic on them."""

    # NumPy would otherwise turn `np.float64(1) < col("x")` into an array of its own.
    __array_ufunc__ = None
    binding: ClassVar[int] = 3  # how tightly it prints: + and - 1, * and / 2, the rest 3

    @property
    @abstractmethod
    def columns(self) -> frozenset[str]:
        """Names of the columns that are read."""

    @abstractmethod
    def kind(self, schema: Schema) -> Kind:
        """The kind of the value; raises `LFError` where the parts do not go together."""

    @abstractmethod
    def value(self, schema: Schema) -> nw.Expr:
        """The value as an engine expression."""

    def may_be_nan(self, schema: Schema) -> bool:
        """Whether a NaN can come out."""
        return self.kind(schema) == Kind.FLOAT

    def asks_polars(self, schema: Schema, implementation: nw.Implementation) -> bool:
        """Whether only Polars can make it from examples of this engine."""
        return False

    # Comparisons make conditions, so a value can be neither hashed by value nor compared by it.
    def __eq__(self, other: object) -> Condition:  # type: ignore[override]
        return self._compare("==", other)

    def __ne__(self, other: object) -> Condition:  # type: ignore[override]
        return self._compare("!=", other)

    def __lt__(self, other: object) -> Condition:
        return self._compare("<", other)

    def __le__(self, other: object) -> Condition:
        return self._compare("<=", other)

    def __gt__(self, other: object) -> Condition:
        return self._compare(">", other)

    def __ge__(self, other: object) -> Condition:
        return self._compare(">=", other)

    __hash__ = object.__hash__

    def _compare(self, relation: Relation, other: object) -> Condition:
        if isinstance(other, Condition):
            raise LFError(f"`{other}` is a condition already: combine conditions with & and |.")
        return Compare(self, relation, as_value(other))

    def __add__(self, other: object) -> Value:
        return Arithmetic(self, "+", as_value(other))

    def __radd__(self, other: object) -> Value:
        return Arithmetic(as_value(other), "+", self)

    def __sub__(self, other: object) -> Value:
        return Arithmetic(self, "-", as_value(other))

    def __rsub__(self, other: object) -> Value:
        return Arithmetic(as_value(other), "-", self)

    def __mul__(self, other: object) -> Value:
        return Arithmetic(self, "*", as_value(other))

    def __rmul__(self, other: object) -> Value:
        return Arithmetic(as_value(other), "*", self)

    def __truediv__(self, other: object) -> Value:
        return Arithmetic(self, "/", as_value(other))

    def __rtruediv__(self, other: object) -> Value:
        return Arithmetic(as_value(other), "/", self)

    def __neg__(self) -> Value:
        return Arithmetic(Constantly(0), "-", self)

    # A column of true and false is a condition.
    def __and__(self, other: object) -> Condition:
        return Flag(self) & other

    def __rand__(self, other: object) -> Condition:
        return as_condition(other) & self

    def __or__(self, other: object) -> Condition:
        return Flag(self) | other

    def __ror__(self, other: object) -> Condition:
        return as_condition(other) | self

    def __invert__(self) -> Condition:
        return ~Flag(self)

    def __bool__(self) -> bool:
        no_truth_value(self)

    def __iter__(self) -> NoReturn:
        raise LFError(f"`{self}` stands for a whole column and cannot be looped over.")

    def __len__(self) -> int:
        raise LFError(f"len({self}) is not known here: write .length() for the length of a text.")

    def between(self, low: Constant | Value, high: Constant | Value) -> Condition:
        """At least ``low`` and at most ``high``."""
        return (self >= low) & (self <= high)

    def is_in(self, values: Iterable[Constant]) -> Condition:
        """One of the ``values``: constants of one kind."""
        if isinstance(values, str):
            raise LFError(f"is_in takes a list of values; got the text {values!r}.")
        constants = tuple(_plain(value) for value in values)
        kinds = {kind_of_constant(constant) for constant in constants}
        kind = Kind.FLOAT if kinds == {Kind.INTEGER, Kind.FLOAT} else next(iter(kinds), None)
        if kind is None:
            raise LFError(f"is_in([]) on {self} never holds: the list is empty.")
        if len(kinds) > 1 and kind != Kind.FLOAT:
            raise LFError(f"is_in on {self} takes values of one kind; got {constants[:5]!r}.")
        return OneOf(self, constants, kind)

    def is_in_table(self, table: NativeFrame, column: str) -> Condition:
        """One of the values in a column of a table: of any engine, of any size.

        Missing values of the column say nothing; a missing value of the examples is unknown.

        Examples
        --------
        >>> import polars as pl
        >>> from labelkit import col
        >>> brands = pl.DataFrame({"name": ["acme", "globex"]})
        >>> print(col("brand").is_in_table(brands, "name"))
        brand in table column name (2 rows)
        """
        from labelkit.lfs.lookups import InTable
        from labelkit.lfs.tables import Table

        return InTable((self,), Table.read(table, (column,), None))

    def is_null(self) -> Condition:
        """Missing: null or NaN."""
        return Missing(self)

    def contains(self, text: str) -> Condition:
        """Text that contains ``text``, taken as it stands."""
        return self._text("contains", text)

    def starts_with(self, text: str) -> Condition:
        """Text that begins with ``text``."""
        return self._text("starts with", text)

    def ends_with(self, text: str) -> Condition:
        """Text that ends with ``text``."""
        return self._text("ends with", text)

    def matches(self, pattern: str) -> Condition:
        """Text in which the regular expression ``pattern`` is found anywhere.

        The dialect is that of Polars (Rust's ``regex``: linear time, no look-around and no
        back-references) whatever engine holds the examples; ``(?i)`` in front ignores case.
        """
        import polars as pl

        condition = self._text("matches", pattern)
        try:
            pl.select(pl.lit("").str.contains(pattern))
        except pl.exceptions.ComputeError as error:
            raise LFError(f"matches({pattern!r}): not a regular expression: {error}") from None
        return condition

    def _text(self, test: TextTest, text: str) -> Condition:
        if not isinstance(text, str):
            raise LFError(f"`{self} {test}` takes a text; got {text!r}.")
        return TextIs(self, test, text)

    def length(self) -> Value:
        """Number of characters of a text."""
        return Length(self)


@dataclass(frozen=True, eq=False)
class Column(Value):
    """A column by its name."""

    name: str

    @property
    def columns(self) -> frozenset[str]:
        return frozenset({self.name})

    def kind(self, schema: Schema) -> Kind:
        return kind_of_dtype(schema[self.name])

    def value(self, schema: Schema) -> nw.Expr:
        dtype, kind, column = schema[self.name], self.kind(schema), nw.col(self.name)
        # One width for all engines: Float32 0.1 is not 0.1, and unsigned differences wrap around.
        if kind == Kind.INTEGER and dtype != nw.Int64:
            return column.cast(nw.Int64)
        if kind == Kind.FLOAT and dtype != nw.Float64:
            return column.cast(nw.Float64)
        if kind == Kind.TEXT and dtype != nw.String:
            return column.cast(nw.String)
        return column

    def may_be_nan(self, schema: Schema) -> bool:
        return schema[self.name].is_float()

    def __str__(self) -> str:
        return self.name if self.name.isidentifier() else f"col({self.name!r})"


@dataclass(frozen=True, eq=False)
class Constantly(Value):
    """A constant."""

    constant: Constant

    @property
    def columns(self) -> frozenset[str]:
        return frozenset()

    def kind(self, schema: Schema) -> Kind:
        return kind_of_constant(self.constant)

    def value(self, schema: Schema) -> nw.Expr:
        if self.kind(schema) == Kind.FLOAT:
            return nw.lit(float(self.constant), dtype=nw.Float64)  # type: ignore[arg-type]
        if self.kind(schema) == Kind.INTEGER:
            return nw.lit(self.constant, dtype=nw.Int64)
        return nw.lit(self.constant)

    def may_be_nan(self, schema: Schema) -> bool:
        return False

    def __str__(self) -> str:
        if isinstance(self.constant, date | datetime):
            return str(self.constant)
        return repr(self.constant)


@dataclass(frozen=True, eq=False)
class Arithmetic(Value):
    """``left + right`` and its kin, in double precision on every engine.

    Division by zero is unknown, so the LF abstains.
    """

    left: Value
    operation: Operation
    right: Value

    @property
    def binding(self) -> int:  # type: ignore[override]
        return 1 if self.operation in "+-" else 2

    @property
    def columns(self) -> frozenset[str]:
        return self.left.columns | self.right.columns

    def kind(self, schema: Schema) -> Kind:
        for part in (self.left, self.right):
            kind = part.kind(schema)
            if not kind.is_number:
                raise LFError(f"`{self}` computes with numbers, but {part} is {kind.value}.")
        return Kind.FLOAT

    def value(self, schema: Schema) -> nw.Expr:
        left, right = (
            part.value(schema).cast(nw.Float64)
            if part.kind(schema) == Kind.INTEGER
            else part.value(schema)
            for part in (self.left, self.right)
        )
        result: nw.Expr = _OPERATIONS[self.operation](left, right)
        if self.operation == "/":
            return nw.when(right != 0.0).then(result)
        return result

    def __str__(self) -> str:
        left = str(self.left) if self.left.binding >= self.binding else f"({self.left})"
        right = str(self.right) if self.right.binding > self.binding else f"({self.right})"
        return f"{left} {self.operation} {right}"


@dataclass(frozen=True, eq=False)
class Length(Value):
    """Number of characters of a text."""

    part: Value

    @property
    def columns(self) -> frozenset[str]:
        return self.part.columns

    def kind(self, schema: Schema) -> Kind:
        kind = self.part.kind(schema)
        if kind != Kind.TEXT:
            raise LFError(f"`{self}` asks for text, but {self.part} is {kind.value}.")
        return Kind.INTEGER

    def value(self, schema: Schema) -> nw.Expr:
        text = self.part.value(schema)
        # pandas counts in floats where a text is missing, so the missing are named before the cast.
        return nw.when(~text.is_null()).then(text.str.len_chars().fill_null(0).cast(nw.Int64))

    def __str__(self) -> str:
        return f"length({self.part})"


def as_value(part: object) -> Value:
    """``part`` as a value: a constant stands for itself."""
    if isinstance(part, Value):
        return part
    constant = _plain(part)
    kind_of_constant(constant)
    return Constantly(constant)


def _plain(constant: Any) -> Any:
    """A NumPy scalar as the Python constant that it is; anything else as it stands."""
    return constant.item() if hasattr(constant, "item") else constant
