"""The stable name of an example: its key values as canonical JSON, and back with their types."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING

from labelkit.errors import RoundError

if TYPE_CHECKING:
    import polars as pl

_INTEGERS = ("Int8", "Int16", "Int32", "Int64", "UInt8", "UInt16", "UInt32", "UInt64")
_PLAIN = ("String", *_INTEGERS, "Boolean", "Date")
# A category is a way to store text: the text is the key.
_STORED_AS_TEXT = ("Categorical", "Enum")


def key_dtypes(schema: Mapping[str, pl.DataType], keys: Sequence[str]) -> tuple[str, ...]:
    """Names of the Polars types of the key columns.

    Raises
    ------
    RoundError
        A key is of a type that has no exact and lasting text form, such as a float.
    """
    names = []
    for key in keys:
        name = schema[key].base_type().__name__
        if name in _STORED_AS_TEXT:
            name = "String"
        if name not in _PLAIN:
            raise RoundError(
                f"Key column {key!r} is of type {schema[key]}, which cannot name an example for "
                f"ever. Cast it to text or to a whole number first."
            )
        names.append(name)
    return tuple(names)


def encode(values: Sequence[object]) -> str:
    """Key values as canonical JSON: the same text in every process and on every engine.

    >>> encode(["red shoes", 17])
    '["red shoes",17]'
    """
    plain = [value.isoformat() if isinstance(value, date) else value for value in values]
    return json.dumps(plain, ensure_ascii=False, separators=(",", ":"))


def decode(text: str, dtypes: Sequence[str]) -> tuple[object, ...]:
    """Key values from ``encode``'s text, with the Python types of ``dtypes``.

    >>> decode('["red shoes",17]', ["String", "Int64"])
    ('red shoes', 17)
    """
    return tuple(
        date.fromisoformat(value) if dtype == "Date" else value
        for value, dtype in zip(json.loads(text), dtypes, strict=True)
    )


def polars_dtype(name: str) -> type[pl.DataType]:
    """The Polars type of a name that ``key_dtypes`` gave."""
    import polars as pl

    dtype: type[pl.DataType] = getattr(pl, name)
    return dtype


def key_table(
    examples: Sequence[str],
    kinds: Collection[tuple[tuple[str, ...], tuple[str, ...]]],
    *,
    default_keys: Sequence[str],
) -> pl.DataFrame:
    """Encoded examples as a Polars table of their key columns, each example once.

    Parameters
    ----------
    examples : texts that ``encode`` gave
    kinds : the (key columns, types) that they were encoded with; more than one cannot be a table
    default_keys : the columns of an empty table

    Raises
    ------
    RoundError
        The examples are named by different key columns.
    """
    import polars as pl

    if len(kinds) > 1:
        what = "; ".join(", ".join(keys) for keys, _ in kinds)
        raise RoundError(f"The rounds name their examples by different key columns ({what}).")
    keys, dtypes = next(iter(kinds), (tuple(default_keys), ("String",) * len(default_keys)))
    rows = [decode(text, dtypes) for text in dict.fromkeys(examples)]
    return pl.DataFrame(
        {
            key: pl.Series(key, [row[i] for row in rows], dtype=polars_dtype(dtypes[i]))
            for i, key in enumerate(keys)
        }
    )
