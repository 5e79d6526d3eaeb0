"""A table of the user's own, as look-ups need it: each key once, joined where examples are."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import narwhals as nw

from labelkit.engine import NativeFrame, to_polars_lazy
from labelkit.errors import LFError
from labelkit.lfs.expression import col
from labelkit.lfs.kinds import Kind, Schema, kind_of_dtype
from labelkit.lfs.stages import not_nan

if TYPE_CHECKING:
    import polars as pl


class Table:
    """Key columns and at most one value column of a table.

    An eager table is taken over by Polars and checked at once; a lazy one stays where it is and is
    checked with the functions that read it.

    Attributes
    ----------
    keys : names of the key columns
    value : name of the value column; None if only the presence of a key matters
    schema : types of these columns
    rows : how many different keys there are; None for a lazy table
    """

    def __init__(self, frame: nw.LazyFrame[Any], keys: tuple[str, ...], value: str | None) -> None:
        self.keys, self.value = keys, value
        self._frame = frame
        self.schema: Schema = frame.collect_schema()
        self.rows: int | None = None
        self._checked = False

    @classmethod
    def read(cls, native: NativeFrame, keys: tuple[str, ...], value: str | None) -> Table:
        """A table with these columns; raises `LFError` if one is missing or keys repeat."""
        try:
            given = nw.from_native(native)
        except TypeError:
            raise LFError(
                f"A table to look things up in is a dataframe; got {type(native).__name__}."
            ) from None
        wanted = [*keys] if value is None else [*keys, value]
        have = given.collect_schema().names()
        missing = [name for name in wanted if name not in have]
        if missing:
            raise LFError(
                f"The table has no column {', '.join(map(repr, missing))}; it has "
                f"{', '.join(have[:20])}."
            )
        if value in keys:
            raise LFError(f"Column {value!r} of the table is both key and value.")
        chosen = given.select(wanted)
        if isinstance(chosen, nw.LazyFrame):
            return cls(chosen, keys, value)
        held = to_polars_lazy(chosen).collect()
        table = cls(nw.from_native(held.lazy()), keys, value)
        table.check()
        table.rows = held.select(keys).n_unique()
        return table

    @classmethod
    def of_mapping(cls, mapping: Mapping[Any, Any]) -> Table:
        """A table of keys and values from a mapping."""
        import polars as pl

        try:
            frame = pl.DataFrame({"key": list(mapping), "value": list(mapping.values())})
        except Exception as error:
            raise LFError(
                f"The keys of a mapping are of one type, and so are its values: {error}"
            ) from None
        return cls.read(frame, ("key",), "value")

    @property
    def value_name(self) -> str:
        """Name of the value column, of a table that has one."""
        return self.keys[0] if self.value is None else self.value

    @property
    def key_kinds(self) -> tuple[Kind, ...]:
        """What kinds of value the keys are."""
        return tuple(kind_of_dtype(self.schema[key]) for key in self.keys)

    @property
    def implementation(self) -> nw.Implementation:
        """The engine that holds it."""
        implementation: nw.Implementation = self._frame.implementation
        return implementation

    def check(self) -> None:
        """Every key once, and none missing; where only presence matters both may be."""
        if self._checked or self.value is None:
            return
        missing = nw.any_horizontal(*(nw.col(k).is_null() for k in self.keys), ignore_nulls=True)
        nulls = _count(self._frame.filter(missing))
        if nulls:
            raise LFError(
                f"{nulls:,} rows of the table have no key in {', '.join(map(repr, self.keys))}."
            )
        repeated = (
            self._frame.group_by(*self.keys)
            .agg(nw.len().alias("__n__"))
            .filter(nw.col("__n__") > 1)
        )
        several = _count(repeated)
        if several:
            first = repeated.sort(*self.keys).head(1).collect("polars").row(0)
            shown = ", ".join(f"{k} {v!r}" for k, v in zip(self.keys, first, strict=False))
            raise LFError(
                f"{several:,} keys stand more than once in the table (first: {shown}, "
                f"{first[-1]} rows): a look-up needs one row per key."
            )
        self._checked = True

    @cached_property
    def _polars(self) -> pl.DataFrame:
        return to_polars_lazy(self._frame).collect()

    @cached_property
    def pairs(self) -> tuple[list[Any], list[Any]]:
        """Keys and values of a table with one key column; keys that are missing are left out."""
        held = self._polars.drop_nulls(self.keys)
        if self.value is None:
            held = held.unique(self.keys, maintain_order=True)
        values = held[self.value_name]
        if values.dtype.is_float():
            values = values.fill_nan(None)
        return held[self.keys[0]].to_list(), values.to_list()

    def to_join(
        self, frame: nw.LazyFrame[Any], names: Mapping[str, Kind], column: str
    ) -> nw.LazyFrame[Any]:
        """The table in the engine of ``frame``.

        Parameters
        ----------
        names : new names of the keys, with the kind as which they are compared
        column : new name of the value, or of "true" where only the presence of a key matters
        """
        same = self.implementation == frame.implementation
        table = self._frame if same else nw.from_native(self._polars.lazy())
        keys = []
        for key, (name, kind) in zip(self.keys, names.items(), strict=True):
            value = not_nan(col(key), self.schema)
            if kind == Kind.FLOAT:
                value = value.cast(nw.Float64)
            elif kind == Kind.TIME:
                value = value.cast(nw.Datetime("us"))
            keys.append(value.alias(name))
        if self.value is None:
            found = table.select(*keys).drop_nulls().unique()
            return found.with_columns(nw.lit(True).alias(column))
        return table.select(*keys, not_nan(col(self.value), self.schema).alias(column))

    @cached_property
    def digest(self) -> str:
        """Tells tables apart: by content, or a lazy one by being another object."""
        if self.rows is None:
            return f"lazy {id(self._frame)}"
        hashed = self._polars.hash_rows(seed=0).sort().to_numpy().tobytes()
        return blake2b(hashed, digest_size=8).hexdigest()

    def __repr__(self) -> str:
        return f"Table({self.keys!r}, {self.value!r}, {dict(self.schema)!r}, {self.digest})"


def _count(frame: nw.LazyFrame[Any]) -> int:
    return int(frame.select(nw.len()).collect("polars").item())
