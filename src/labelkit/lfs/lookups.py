"""``lookup`` and ``.is_in_table``: what a table of the user's own says of an example."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import narwhals as nw

from labelkit.engine import NativeFrame
from labelkit.errors import LFError
from labelkit.lfs.expression import Value, col
from labelkit.lfs.kinds import Kind, Schema, as_kind, common_kind, comparable, kind_of_dtype
from labelkit.lfs.stages import Answered, Derived, Joined, Kept
from labelkit.lfs.tables import Table

# A table of at most so many rows is written out in the query, so that it runs on any engine.
_WRITTEN_OUT = 1_000
_WRITABLE = (Kind.INTEGER, Kind.TEXT)


def lookup(
    table: NativeFrame | Mapping[Any, Any],
    *,
    on: str | Value | Sequence[str | Value],
    value: str = "value",
    key: str | Sequence[str] | None = None,
) -> Value:
    """A value from a table of the user's own: its price, its category, its age.

    Parameters
    ----------
    table : frame with one row per key, of any engine (a lazy one is joined lazily), or a mapping
        from key to value
    on : column of the examples, or expression on them, whose value is looked up; several together
    value : column of the table with what is wanted
    key : column of the table with the key; several together. Default: named as in ``on``

    Returns
    -------
    A value; unknown where the table lacks the key or has no value for it, so that LFs abstain.

    Raises
    ------
    LFError
        The table lacks a column, or its keys repeat or are missing: told here, or for a lazy table
        when it is first read.

    Examples
    --------
    >>> import polars as pl
    >>> from labelkit.lfs import lookup, vote
    >>> prices = pl.DataFrame({"item": ["a", "b"], "price": [5.0, 90.0]})
    >>> print(vote(0, where=lookup(prices, on="item", value="price") > 50))
    0 where lookup(price by item) > 50
    """
    parts = (on,) if isinstance(on, str | Value) else tuple(on)
    if not parts:
        raise LFError("lookup takes the column of the examples that is looked up: on='item'.")
    if isinstance(table, Mapping):
        names: tuple[str, ...] = ("key",)
        if len(parts) != 1:
            raise LFError("A mapping has one key: look up several in a frame.")
        given = Table.of_mapping(table)
        value = "value"
    else:
        if key is None and not all(isinstance(part, str) for part in parts):
            raise LFError("lookup on an expression needs key=…, the column of the table.")
        names = parts if key is None else (key,) if isinstance(key, str) else tuple(key)  # type: ignore[assignment]
        if len(names) != len(parts):
            raise LFError(f"lookup on {len(parts)} columns needs as many keys; got {names!r}.")
        given = Table.read(table, names, value)
    values = tuple(part if isinstance(part, Value) else col(part) for part in parts)
    return Lookup(values, given)


@dataclass(frozen=True, eq=False)
class Lookup(Derived):
    """The value that a table has for an example."""

    on: tuple[Value, ...]
    table: Table

    @property
    def columns(self) -> frozenset[str]:
        return frozenset().union(*(part.columns for part in self.on))

    def kind(self, schema: Schema) -> Kind:
        _check_keys(self, self.on, self.table, schema)
        return kind_of_dtype(self.table.schema[self.table.value_name])

    def means(self, schema: Schema) -> Value:
        keys = self.table.key_kinds
        writable = (*_WRITABLE, Kind.FLOAT, Kind.BOOLEAN)
        if (
            self.table.rows is not None
            and self.table.rows <= _WRITTEN_OUT
            and len(keys) == 1
            and keys[0] in _WRITABLE
            and self.on[0].kind(schema) == keys[0]
            and self.kind(schema) in writable
        ):
            return _WrittenOut(self.on[0], self.table)
        return _Joined(tuple(map(Kept, self.on)), self.table)

    def __str__(self) -> str:
        return f"lookup({self.table.value} by {', '.join(map(str, self.on))})"


@dataclass(frozen=True, eq=False)
class InTable(Answered):
    """Whether a table has a row for an example."""

    on: tuple[Value, ...]
    table: Table

    @property
    def columns(self) -> frozenset[str]:
        return frozenset().union(*(part.columns for part in self.on))

    def check(self, schema: Schema) -> None:
        _check_keys(self, self.on, self.table, schema)

    def means(self, schema: Schema) -> Value:
        kinds = self.table.key_kinds
        small = self.table.rows is not None and self.table.rows <= _WRITTEN_OUT
        if small and kinds[0] in _WRITABLE and self.on[0].kind(schema) == kinds[0]:
            return _Listed(self.on[0], self.table)
        on = tuple(map(Kept, self.on))
        return _Member(on, _Joined(on, self.table))

    def __str__(self) -> str:
        rows = "lazy" if self.table.rows is None else f"{self.table.rows:,} rows"
        shown = ", ".join(map(str, self.on))
        return f"{shown} in table column {', '.join(self.table.keys)} ({rows})"


@dataclass(frozen=True, eq=False)
class _WrittenOut(Value):
    """A small table as part of the query."""

    on: Value
    table: Table

    @property
    def columns(self) -> frozenset[str]:
        return self.on.columns

    def kind(self, schema: Schema) -> Kind:
        return kind_of_dtype(self.table.schema[self.table.value_name])

    def value(self, schema: Schema) -> nw.Expr:
        keys, values = self.table.pairs
        kind = self.kind(schema)
        dtype = {Kind.INTEGER: nw.Int64(), Kind.FLOAT: nw.Float64(), Kind.TEXT: nw.String()}.get(
            kind, nw.Boolean()
        )
        if not keys:
            return nw.lit(None, dtype=dtype)
        return self.on.value(schema).replace_strict(keys, values, default=None, return_dtype=dtype)

    def __str__(self) -> str:
        return f"lookup({self.table.value} by {self.on})"


@dataclass(frozen=True, eq=False)
class _Listed(Value):
    """Whether a value is in a small column, as part of the query; null where it is missing."""

    on: Value
    table: Table

    @property
    def columns(self) -> frozenset[str]:
        return self.on.columns

    def kind(self, schema: Schema) -> Kind:
        return Kind.BOOLEAN

    def value(self, schema: Schema) -> nw.Expr:
        keys, _ = self.table.pairs
        on = self.on.value(schema)
        return nw.when(~on.is_null()).then(on.is_in(keys or [None]).fill_null(False))

    def __str__(self) -> str:
        return f"{self.on} in table"


@dataclass(frozen=True, eq=False)
class _Member(Value):
    """Whether the join found a row; null where a key is missing."""

    on: tuple[Kept, ...]
    joined: _Joined

    @property
    def columns(self) -> frozenset[str]:
        return self.joined.columns

    def kind(self, schema: Schema) -> Kind:
        return Kind.BOOLEAN

    def value(self, schema: Schema) -> nw.Expr:
        missing = nw.any_horizontal(
            *(part.value(schema).is_null() for part in self.on), ignore_nulls=True
        )
        return nw.when(~missing).then(~self.joined.value(schema).is_null())

    def __str__(self) -> str:
        return str(self.joined)


@dataclass(frozen=True, eq=False)
class _Joined(Joined):
    """The value, or true, from a table that is joined to the examples."""

    on: tuple[Kept, ...]
    table: Table

    @property
    def columns(self) -> frozenset[str]:
        return frozenset().union(*(part.columns for part in self.on))

    def kind(self, schema: Schema) -> Kind:
        return (
            Kind.BOOLEAN
            if self.table.value is None
            else kind_of_dtype(self.table.schema[self.table.value])
        )

    def asks_polars(self, schema: Schema, implementation: nw.Implementation) -> bool:
        return self.table.implementation != implementation

    def join(self, frame: nw.LazyFrame[Any], schema: Schema) -> nw.LazyFrame[Any]:
        names = [f"{self.column}{i}" for i in range(len(self.on))]
        kinds = [
            common_kind(part.kind(schema), kind)
            for part, kind in zip(self.on, self.table.key_kinds, strict=True)
        ]
        left = frame.with_columns(
            as_kind(part, kind, schema).alias(name)
            for part, kind, name in zip(self.on, kinds, names, strict=True)
        )
        right = self.table.to_join(frame, dict(zip(names, kinds, strict=True)), self.column)
        if frame.implementation.is_polars():
            # Narwhals has no word for keeping the order of rows, and streaming does not keep it.
            joined = left.to_native().join(
                right.to_native(), on=names, how="left", maintain_order="left"
            )
            ordered: nw.LazyFrame[Any] = nw.from_native(joined.drop(names))
            return ordered
        try:
            joined = left.join(right, on=names, how="left").drop(names)
            joined.collect_schema()
        except Exception as error:
            raise LFError(
                f"`{self}`: the table cannot be joined to the examples: {error} "
                "A lazy table must live in the same connection or session as the examples."
            ) from error
        return joined

    def __str__(self) -> str:
        return f"lookup({self.table.value} by {', '.join(map(str, self.on))})"


def _check_keys(whole: object, on: Sequence[Value], table: Table, schema: Schema) -> None:
    for part, key, theirs in zip(on, table.keys, table.key_kinds, strict=True):
        ours = part.kind(schema)
        if not comparable(ours, theirs):
            raise LFError(
                f"`{whole}` compares unlike things: {part} is {ours.value}, the table's column "
                f"{key!r} is {theirs.value}."
            )
        if {ours, theirs} & {Kind.MOMENT, Kind.OTHER}:
            raise LFError(f"`{whole}`: {part} is {ours.value}, which cannot be looked up.")
    table.check()
