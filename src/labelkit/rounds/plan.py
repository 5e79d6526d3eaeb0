"""From a batch and the items behind it to the tasks of a round."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

import narwhals as nw

from labelkit.engine import NativeFrame, collect, lazy
from labelkit.errors import RoundError
from labelkit.rounds.keys import encode, key_dtypes
from labelkit.rounds.platform import DisplayField

if TYPE_CHECKING:
    import polars as pl

TASK_KEY = "labelkit_key"
"""Where the stable key stands in a task's data on the platform."""

_NOTHING = "—"


@dataclass(frozen=True)
class PlannedTask:
    """One task before it has a place: ``payload`` is what is shown, ``data`` of ``TaskSpec``."""

    example_key: str
    payload: dict[str, str]
    payload_hash: str
    inclusion_probability: float
    stratum: str
    score: float | None
    rank: int
    soft_label: tuple[float, ...] | None
    push_order: int
    known_label: int | None = None
    n_wanted: int = 1


@dataclass(frozen=True)
class RoundPlan:
    """All that defines a round: two plans with one ``fingerprint`` are the same round."""

    keys: tuple[str, ...]
    dtypes: tuple[str, ...]
    label_names: tuple[str, ...]
    fields: tuple[DisplayField, ...]
    tasks: tuple[PlannedTask, ...]
    fingerprint: str


def plan_round(
    batch: NativeFrame,
    items: NativeFrame | None,
    *,
    keys: Sequence[str],
    label_names: Sequence[str],
) -> RoundPlan:
    """Check a batch and lay out its tasks.

    Parameters
    ----------
    batch : frame with ``keys``, ``inclusion_probability``, ``stratum`` and optionally ``score``,
        ``rank``, ``p_0`` … ``p_{k-1}``, ``known_label`` (class of a hidden gold question, else
        null) and ``n_wanted`` (how many people are to answer)
    items : frame with some or all of ``keys`` and the fields to show people, or None

    Raises
    ------
    RoundError
        Columns are missing, keys are null or repeated, π is outside (0, 1], the label names do not
        fit the probabilities, or ``items`` lacks examples of the batch or has them twice.
    """
    names = _checked_labels(label_names)
    table = collect(nw.from_native(batch)).to_polars()
    _check_batch(table, keys)
    _check_known(table, len(names))
    dtypes = key_dtypes(table.schema, keys)
    probabilities = _probability_columns(table, len(names))
    shown = _shown(table, items, keys)
    fields = _display_fields(keys, [c for c in shown.columns if c not in keys])
    orders = _push_order(table)

    tasks = []
    rows = zip(table.iter_rows(named=True), shown.iter_rows(named=True), orders, strict=True)
    for number, (row, seen, order) in enumerate(rows, start=1):
        payload = {field.name: as_text(seen[field.caption]) for field in fields}
        known = row.get("known_label")
        # A hidden gold question must look like the audit sample, which shows no guess.
        shows = probabilities and known is None
        soft = tuple(float(row[c]) for c in probabilities) if shows else None
        tasks.append(
            PlannedTask(
                example_key=encode([row[key] for key in keys]),
                payload=payload,
                payload_hash=_hash(payload),
                inclusion_probability=float(row["inclusion_probability"]),
                stratum=str(row["stratum"]),
                score=None if row.get("score") is None else float(row["score"]),
                rank=int(row["rank"]) if row.get("rank") is not None else number,
                soft_label=soft,
                push_order=order,
                known_label=None if known is None else int(known),
                n_wanted=int(row.get("n_wanted") or 1),
            )
        )
    what = [list(keys), list(dtypes), list(names), [f.caption for f in fields]]
    examples = sorted(
        [
            task.example_key,
            task.payload_hash,
            repr(task.inclusion_probability),
            task.stratum,
            json.dumps([round(p, 6) for p in task.soft_label or ()]),
            # Only where they are used: rounds of older ledgers keep their fingerprints.
            *([] if task.known_label is None else [f"known {task.known_label}"]),
            *([] if task.n_wanted == 1 else [f"wanted {task.n_wanted}"]),
        ]
        for task in tasks
    )
    return RoundPlan(tuple(keys), dtypes, names, fields, tuple(tasks), _hash([what, examples]))


def as_text(value: object) -> str:
    """A value as people read it. Text stays as it is: it is data, and nobody interprets it.

    >>> as_text(0.25), as_text(None), as_text(True), as_text(["a", 1])
    ('0.25', '—', 'yes', 'a, 1')
    """
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return _NOTHING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, (list, tuple)):
        return ", ".join(as_text(part) for part in value)
    if isinstance(value, date):
        return value.isoformat()
    # PostgreSQL cannot store NUL, and no browser shows it.
    return str(value).replace("\x00", "\ufffd") or _NOTHING


def _checked_labels(label_names: Sequence[str]) -> tuple[str, ...]:
    names = tuple(label_names)
    if len(names) < 2 or len(set(names)) != len(names):
        raise RoundError(f"A round needs at least two different label names; got {list(names)}.")
    # Label Studio fills in `$name` inside its labeling configuration from the task's data.
    bad = [n for n in names if not n or n != n.strip() or "$" in n or not n.isprintable()]
    if bad:
        raise RoundError(
            f"Label name {bad[0]!r} cannot be shown on a button: label names are plain text "
            "without '$', line breaks, or spaces around them."
        )
    return names


def _check_batch(table: pl.DataFrame, keys: Sequence[str]) -> None:
    import polars as pl

    needed = [*keys, "inclusion_probability", "stratum"]
    missing = [name for name in needed if name not in table.columns]
    if missing:
        raise RoundError(
            f"The batch has no column {missing[0]!r} (it has {', '.join(table.columns)}). "
            "A batch comes from labelkit.select(...); keys=(...) names its key columns."
        )
    if table.is_empty():
        raise RoundError("The batch is empty: there is nothing to ask people.")
    for key in keys:
        n_null = table[key].null_count()
        if n_null:
            raise RoundError(
                f"Key column {key!r} of the batch is null in {n_null:,} of {len(table):,} rows."
            )
    twice = table.filter(pl.struct(list(keys)).is_duplicated())
    if len(twice):
        example = dict(zip(keys, twice.select(keys).row(0), strict=True))
        raise RoundError(f"The batch asks {len(twice):,} rows more than once (first: {example}).")
    odds = table["inclusion_probability"].cast(pl.Float64)
    bad = table.filter(~(odds.is_not_null() & (odds > 0) & (odds <= 1)))
    if len(bad):
        example = bad.select([*keys, "inclusion_probability"]).row(0, named=True)
        raise RoundError(
            f"Column 'inclusion_probability' is outside (0, 1] in {len(bad):,} rows "
            f"(first: {example}). Without it the answers cannot measure anything."
        )


def _check_known(table: pl.DataFrame, cardinality: int) -> None:
    import polars as pl

    for name, lowest, highest in (("known_label", 0, cardinality - 1), ("n_wanted", 1, 1000)):
        if name not in table.columns:
            continue
        bad = table.filter(~pl.col(name).is_between(lowest, highest))
        if len(bad):
            raise RoundError(
                f"Column {name!r} is outside {lowest} … {highest} in {len(bad):,} of "
                f"{len(table):,} rows (first: {bad[name][0]})."
            )


def _probability_columns(table: pl.DataFrame, cardinality: int) -> list[str]:
    found = [name for name in table.columns if re.fullmatch(r"p_\d+", name)]
    wanted = [f"p_{label}" for label in range(cardinality)]
    if found and sorted(found) != sorted(wanted):
        raise RoundError(
            f"The batch has probabilities {', '.join(sorted(found))}, but {cardinality} label "
            f"names were given: name the classes 0 … {len(found) - 1} in that order."
        )
    if "known_label" in table.columns:
        table = table.filter(table["known_label"].is_null())
    if not found or table.select(wanted).null_count().sum_horizontal().item():
        return []
    return wanted


def _shown(table: pl.DataFrame, items: NativeFrame | None, keys: Sequence[str]) -> pl.DataFrame:
    """Key columns and what ``items`` says of each, in the order of the batch."""
    if items is None:
        return table.select(keys)
    frame = lazy(items)
    schema = frame.collect_schema()
    columns = schema.names()
    on = [key for key in keys if key in columns]
    if not on:
        raise RoundError(
            f"The items have none of the key columns {', '.join(keys)}: they have "
            f"{', '.join(columns)}."
        )
    _check_types({key: schema[key] for key in on}, table)
    # The items may be a catalogue of millions: the engine hands over only what the batch needs.
    wanted = [nw.col(key).is_in(table[key].unique().to_list()) for key in on]
    found = collect(frame.filter(*wanted)).to_polars().unique(maintain_order=True)
    found = found.cast({key: table.schema[key] for key in on})
    found = found.join(table.select(on).unique(), on=on, how="semi", maintain_order="left")
    twice = found.filter(found.select(on).is_duplicated())
    if len(twice):
        example = twice.select(on).row(0, named=True)
        raise RoundError(f"The items describe {len(twice):,} rows twice (first: {example}).")
    lost = table.join(found, on=on, how="anti")
    if len(lost):
        example = lost.select(on).row(0, named=True)
        raise RoundError(
            f"The items lack {len(lost):,} of the batch's {len(table):,} examples "
            f"(first: {example})."
        )
    return table.select(keys).join(found, on=on, how="left", maintain_order="left")


def _check_types(items: dict[str, nw.dtypes.DType], table: pl.DataFrame) -> None:
    def kind(dtype: nw.dtypes.DType) -> str:
        if dtype.is_integer():
            return "whole number"
        text = (nw.String, nw.Categorical, nw.Enum)
        return "text" if isinstance(dtype, text) else str(dtype)

    asked = nw.from_native(table).schema
    for key, dtype in items.items():
        if kind(dtype) != kind(asked[key]):
            raise RoundError(
                f"Key column {key!r} is {kind(asked[key])} in the batch and {kind(dtype)} in the "
                "items: cast one of them."
            )


def _display_fields(keys: Sequence[str], others: Sequence[str]) -> tuple[DisplayField, ...]:
    fields: list[DisplayField] = []
    taken = {TASK_KEY}
    for caption in [*keys, *others]:
        name = re.sub(r"^(?=\d|$)|\W", "_", caption, flags=re.ASCII)
        while name in taken:
            name += "_"
        taken.add(name)
        fields.append(DisplayField(name, caption, caption in keys))
    return tuple(fields)


def _push_order(table: pl.DataFrame) -> list[int]:
    """Places 0 … n-1 in which people see the tasks: by ``rank``, which mixes the strata."""
    import polars as pl

    if "rank" not in table.columns:
        return list(range(len(table)))
    places: list[int] = table["rank"].cast(pl.Float64).rank("ordinal").to_list()
    return [place - 1 for place in places]


def _hash(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
