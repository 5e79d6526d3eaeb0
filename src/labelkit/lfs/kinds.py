"""What kind of value an expression has, known from the schema before any row is read."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from enum import Enum
from typing import Protocol, TypeAlias

import narwhals as nw
from narwhals.dtypes import DType

from labelkit.errors import LFError

# The constants that a condition may be written with.
Constant: TypeAlias = int | float | str | bool | date | datetime
Schema: TypeAlias = Mapping[str, DType]


class Kind(Enum):
    """The kinds of value that conditions tell apart."""

    INTEGER = "a whole number"
    FLOAT = "a number"
    TEXT = "text"
    BOOLEAN = "true or false"
    DATE = "a date"
    TIME = "a date and time"
    MOMENT = "a date and time with a time zone"
    OTHER = "of a type that conditions cannot read"

    @property
    def is_number(self) -> bool:
        return self in (Kind.INTEGER, Kind.FLOAT)


class Operand(Protocol):
    """Anything with a value per example: a column, a constant, arithmetic on them."""

    @property
    def columns(self) -> frozenset[str]:
        """Names of the columns that are read."""

    def kind(self, schema: Schema) -> Kind:
        """The kind of the value; raises `LFError` where the parts do not go together."""

    def value(self, schema: Schema) -> nw.Expr:
        """The value as an engine expression: Int64, Float64, String, Boolean or as it stands."""

    def may_be_nan(self, schema: Schema) -> bool:
        """Whether a NaN can come out; nulls always can."""


def kind_of_dtype(dtype: DType) -> Kind:
    """The kind of a column of this type."""
    if dtype == nw.UInt64 or dtype == nw.Int128 or dtype == nw.UInt128:
        # Not all of them fit Int64, the one whole number on which all engines agree.
        return Kind.FLOAT
    if dtype.is_integer():
        return Kind.INTEGER
    if dtype.is_numeric():
        return Kind.FLOAT
    if dtype in (nw.String, nw.Categorical, nw.Enum):
        return Kind.TEXT
    if dtype == nw.Boolean:
        return Kind.BOOLEAN
    if dtype == nw.Date:
        return Kind.DATE
    if isinstance(dtype, nw.Datetime):
        return Kind.TIME if dtype.time_zone is None else Kind.MOMENT
    return Kind.OTHER


def kind_of_constant(constant: object) -> Kind:
    """The kind of a Python constant.

    Raises
    ------
    LFError
        ``None``, NaN or a type that no condition can be written with.
    """
    if constant is None or constant != constant:
        raise LFError(
            f"{constant!r} cannot be compared with: a missing value makes an LF abstain. "
            "Ask for it with .is_null()."
        )
    if isinstance(constant, bool):
        return Kind.BOOLEAN
    if isinstance(constant, int):
        return Kind.INTEGER if -(2**63) <= constant < 2**63 else Kind.FLOAT
    if isinstance(constant, float):
        return Kind.FLOAT
    if isinstance(constant, str):
        return Kind.TEXT
    if isinstance(constant, datetime):
        return Kind.TIME if constant.tzinfo is None else Kind.MOMENT
    if isinstance(constant, date):
        return Kind.DATE
    raise LFError(f"{constant!r} ({type(constant).__name__}) is no value to compare with.")


def comparable(left: Kind, right: Kind) -> bool:
    """Whether values of these kinds can be compared."""
    if left == right:
        return left != Kind.OTHER
    return (left.is_number and right.is_number) or {left, right} == {Kind.DATE, Kind.TIME}


def common_kind(left: Kind, right: Kind) -> Kind:
    """The kind as which two comparable values are compared; a date is its midnight."""
    kinds = {left, right}
    return next((kind for kind in (Kind.FLOAT, Kind.TIME) if kind in kinds), left)


def as_kind(operand: Operand, kind: Kind, schema: Schema) -> nw.Expr:
    """The operand's value, turned into a number or a time where ``kind`` asks for one."""
    value, own = operand.value(schema), operand.kind(schema)
    if kind == Kind.FLOAT and own == Kind.INTEGER:
        return value.cast(nw.Float64)
    if kind == Kind.TIME and own == Kind.DATE:
        return value.cast(nw.Datetime("us"))
    return value


def time_zones(operand: Operand, schema: Schema) -> set[str]:
    """The time zones of the columns that are read; all moments of a column share one."""
    types = [schema[name] for name in operand.columns]
    return {t.time_zone for t in types if isinstance(t, nw.Datetime) and t.time_zone}
