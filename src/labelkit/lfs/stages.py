"""What votes need before they are cast: windows, joins and tokens, each made once as a column.

No engine but Polars nests a window in a window, and none joins inside an expression. So a value
that is either is *staged*: `prepare` adds it to the examples as a column, innermost first, and the
conditions read that column. Values that several functions share are made once.
"""

from __future__ import annotations

import dataclasses
from abc import abstractmethod
from collections.abc import Iterable, Iterator
from functools import cached_property
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import narwhals as nw

from labelkit.errors import LFError
from labelkit.lfs.expression import Value
from labelkit.lfs.kinds import Kind, Schema
from labelkit.lfs.logic import Condition

if TYPE_CHECKING:
    import polars as pl

    from labelkit.lfs.ballot import Ballot


class Derived(Value):
    """A value that is defined by others, and has a name of its own to print."""

    @abstractmethod
    def means(self, schema: Schema) -> Value:
        """What it stands for on examples with these columns."""

    def kind(self, schema: Schema) -> Kind:
        return self.means(schema).kind(schema)

    def value(self, schema: Schema) -> nw.Expr:
        return self.means(schema).value(schema)

    def may_be_nan(self, schema: Schema) -> bool:
        return self.means(schema).may_be_nan(schema)


class Answered(Condition):
    """A condition that is answered by a staged column of true, false and null."""

    @abstractmethod
    def means(self, schema: Schema) -> Value:
        """The column."""

    def holds(self, schema: Schema) -> nw.Expr:
        return self.means(schema).value(schema).fill_null(False)

    def fails(self, schema: Schema) -> nw.Expr:
        return ~self.means(schema).value(schema).fill_null(True)


class Staged(Value):
    """A value that is made as a column before the votes are."""

    @cached_property
    def column(self) -> str:
        """Name of that column: values that are written alike share it."""
        return f"__{blake2b(repr(self).encode(), digest_size=8).hexdigest()}__"

    def value(self, schema: Schema) -> nw.Expr:
        return nw.col(self.column)

    def may_be_nan(self, schema: Schema) -> bool:
        return False


class Step(Staged):
    """Made by an expression of any engine."""

    @abstractmethod
    def made(self, schema: Schema) -> nw.Expr:
        """The expression; parts that are staged are columns by then."""


class PolarsStep(Staged):
    """Made by an expression that Narwhals has no word for; the examples are with Polars then."""

    @abstractmethod
    def made(self) -> pl.Expr:
        """The expression; parts that are staged are columns by then."""

    def asks_polars(self, schema: Schema, implementation: nw.Implementation) -> bool:
        return not implementation.is_polars()


class Joined(Staged):
    """Made by a join."""

    @abstractmethod
    def join(self, frame: nw.LazyFrame[Any], schema: Schema) -> nw.LazyFrame[Any]:
        """The frame with the column; as many rows as before."""


@dataclasses.dataclass(frozen=True, eq=False)
class Kept(Step):
    """Any value as a column, for steps that must name one; NaN becomes null."""

    part: Value

    @property
    def columns(self) -> frozenset[str]:
        return self.part.columns

    def kind(self, schema: Schema) -> Kind:
        return self.part.kind(schema)

    def made(self, schema: Schema) -> nw.Expr:
        return not_nan(self.part, schema)

    def __str__(self) -> str:
        return str(self.part)


def not_nan(part: Value, schema: Schema) -> nw.Expr:
    """The value, null where it is NaN."""
    value = part.value(schema)
    return nw.when(~value.is_nan()).then(value) if part.may_be_nan(schema) else value


def nodes(root: object, schema: Schema) -> Iterator[Value | Condition]:
    """All values and conditions that one is made of, innermost first."""
    for part in _parts(root, schema):
        yield from nodes(part, schema)
    if isinstance(root, Value | Condition):
        yield root


def _parts(root: object, schema: Schema) -> Iterator[object]:
    if isinstance(root, Derived | Answered):
        yield root.means(schema)
    elif isinstance(root, tuple):
        yield from root
    elif dataclasses.is_dataclass(root):
        for field in dataclasses.fields(root):
            part = getattr(root, field.name)
            if isinstance(part, tuple) or dataclasses.is_dataclass(part):
                yield part


def staged(ballots: Iterable[Ballot], schema: Schema) -> list[list[Staged]]:
    """The columns that ballots need, in levels: one level reads only those before it."""
    depth: dict[str, int] = {}
    found: dict[str, Staged] = {}
    for ballot in ballots:
        for node in nodes(ballot.rules, schema):
            if isinstance(node, Staged) and node.column not in found:
                inside = [n for part in _parts(node, schema) for n in nodes(part, schema)]
                below = [depth[n.column] for n in inside if isinstance(n, Staged)]
                depth[node.column] = max(below, default=-1) + 1
                found[node.column] = node
    levels: list[list[Staged]] = [[] for _ in range(max(depth.values(), default=-1) + 1)]
    for name, node in found.items():
        levels[depth[name]].append(node)
    return levels


def asks_polars(ballots: Iterable[Ballot], frame: nw.LazyFrame[Any]) -> bool:
    """Whether a ballot needs something that the engine of these examples does not have.

    Regular expressions and words, whose rules differ from engine to engine; clocks of a zone that
    the engine does not know; tables that live elsewhere and are too large to be written out.
    """
    if frame.implementation.is_polars():
        return False
    schema = frame.collect_schema()
    for ballot in ballots:
        if ballot.uses_regex:
            return True
        try:
            found = list(nodes(ballot.rules, schema))
        except LFError:
            continue  # of a type that it cannot read: told with the function's name elsewhere
        if any(
            node.asks_polars(schema, frame.implementation)
            for node in found
            if isinstance(node, Value)
        ):
            return True
    return False


def prepare(frame: nw.LazyFrame[Any], ballots: Iterable[Ballot]) -> nw.LazyFrame[Any]:
    """The examples with the columns that the votes of these ballots need; rows as they were."""
    for level in staged(ballots, frame.collect_schema()):
        schema = frame.collect_schema()
        made = [node.made(schema).alias(node.column) for node in level if isinstance(node, Step)]
        if made:
            frame = frame.with_columns(*made)
        native = [node.made().alias(node.column) for node in level if isinstance(node, PolarsStep)]
        if native:
            frame = nw.from_native(frame.to_native().with_columns(*native))
        for node in level:
            if isinstance(node, Joined):
                frame = node.join(frame, schema)
    return frame
