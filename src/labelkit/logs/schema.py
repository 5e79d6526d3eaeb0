"""The interaction-log contract: which columns a log may have, and what each must hold."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from difflib import get_close_matches

import narwhals as nw

from labelkit.errors import LogError


@dataclass(frozen=True)
class Column:
    """One column of the contract.

    Parameters
    ----------
    name : canonical name inside labelkit
    kind : "key" (any type that compares), "whole", "flag" (0/1), "number", "time", "label" or
        "place" (a position, or 0)
    meaning : one line, shown in errors and documentation, with the unit
    required : whether a log without it is refused
    """

    name: str
    kind: str
    meaning: str
    required: bool = False


COLUMNS: tuple[Column, ...] = (
    Column("query", "key", "what was asked: a query, a user, a slot page", required=True),
    Column("item", "key", "what was shown: a document, a product, an ad", required=True),
    Column("position", "whole", "place in the ranking, counted from 1", required=True),
    Column("clicked", "flag", "1 if this impression was clicked, else 0", required=True),
    Column("page", "key", "id of one result page (one request); tells page views apart"),
    Column("session", "key", "id of one visit"),
    Column("user", "key", "id of one person or device"),
    Column(
        "timestamp",
        "time",
        "when it was shown: a date-time, or seconds since 1970 (see timestamp_unit)",
    ),
    Column("click_time", "time", "when it was clicked; null where it was not, or where unknown"),
    Column("dwell", "number", "seconds spent after the click; null where unknown"),
    Column("conversion", "flag", "1 if the click led to a purchase or the like, else 0"),
    Column("conversion_time", "time", "when it led to it; null where it has not yet"),
    Column("device", "label", "context: device class"),
    Column("layout", "label", "context: page layout"),
    Column("query_class", "label", "context: class of the query, such as navigational"),
    Column("ranker", "label", "which ranker or policy ordered the page"),
    Column("randomised", "flag", "1 if this page was shown in random order, else 0"),
    Column(
        "swapped_with",
        "place",
        "swap experiment: the position that this result may have traded places with; else 0",
    ),
    Column("propensity", "number", "logged probability of examination, in (0, 1]"),
)

BY_NAME = {column.name: column for column in COLUMNS}
REQUIRED = tuple(column.name for column in COLUMNS if column.required)


def page_columns(columns: Collection[str]) -> tuple[str, ...]:
    """The columns that tell result pages apart; empty if a log with these ``columns`` has none."""
    for name in ("page", "session"):
        if name in columns:
            return (name, "query")
    return ()


def resolve(schema: nw.Schema, columns: dict[str, str]) -> dict[str, str]:
    """Canonical name → the user's own column name, for every column that the log has.

    A canonical name that the mapping leaves out is looked for under its own name.

    Raises
    ------
    LogError
        The mapping names an unknown role or a column that is not there, or a required column
        is missing.
    """
    present = list(schema)
    for role, source in columns.items():
        if role not in BY_NAME:
            near = get_close_matches(role, BY_NAME, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise LogError(
                f"columns maps {role!r}, which is no column of an interaction log.{hint} "
                f"Known: {', '.join(BY_NAME)}."
            )
        if source not in present:
            near = get_close_matches(source, present, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise LogError(
                f"The log has no column {source!r} (mapped to {role!r}).{hint} "
                f"It has: {', '.join(present)}."
            )
    found = {name: columns.get(name, name) for name in BY_NAME}
    found = {name: source for name, source in found.items() if source in present}
    missing = [name for name in REQUIRED if name not in found]
    if missing:
        wanted = "; ".join(f"{name!r} ({BY_NAME[name].meaning})" for name in missing)
        example = ", ".join(f'"{name}": "your_column"' for name in missing)
        raise LogError(
            f"The log lacks {len(missing)} required column(s): {wanted}. "
            f"It has: {', '.join(present)}. Name yours with columns={{{example}}}."
        )
    for name, source in found.items():
        _check_type(BY_NAME[name], source, schema[source])
    _check_times(found, schema)
    return found


def _check_times(found: dict[str, str], schema: nw.Schema) -> None:
    """Times that are compared with each other are of one type."""
    if "timestamp" not in found:
        return
    kind = schema[found["timestamp"]]
    for name, source in found.items():
        other = schema[source]
        if BY_NAME[name].kind != "time" or other == kind:
            continue
        zones = getattr(kind, "time_zone", None), getattr(other, "time_zone", None)
        both_numbers = kind.is_numeric() and other.is_numeric()
        both_moments = kind == nw.Datetime and other == nw.Datetime and zones[0] == zones[1]
        if not (both_numbers or both_moments):
            raise LogError(
                f"Column {source!r} ({name}) has the type {other}, and {found['timestamp']!r} "
                f"(timestamp) the type {kind}: they cannot be compared. Convert one of them."
            )


def _check_type(column: Column, source: str, dtype: nw.dtypes.DType) -> None:
    numeric = dtype.is_numeric() or dtype == nw.Boolean
    fits = {
        "whole": dtype.is_numeric(),
        "flag": numeric,
        "number": dtype.is_numeric(),
        "place": dtype.is_numeric(),
        "time": dtype.is_numeric() or dtype.is_temporal(),
    }.get(column.kind, not dtype.is_nested())
    if not fits:
        hint = " Parse it to a date-time first." if column.kind == "time" else " Convert it first."
        raise LogError(
            f"Column {source!r} ({column.name}: {column.meaning}) has the type {dtype}, "
            f"which cannot hold that.{hint}"
        )
