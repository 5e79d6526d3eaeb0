"""The labeled unit inside a project: in words, what can be joined to it, and what must not mix."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from labelkit.errors import ProjectError
from labelkit.evidence.units import IMPRESSION, KEYS

if TYPE_CHECKING:
    import polars as pl

    from labelkit.project.manifest import FileFact, Manifest


def in_words(unit: Sequence[str]) -> str:
    """The unit for people: "query and item"."""
    return " and ".join(unit)


def plural(key: str) -> str:
    """Values of a key, for people: "queries", "users"."""
    return "queries" if key == "query" else f"{key}s"


def as_toml(unit: Sequence[str]) -> str:
    """The unit as it is written in ``labelkit.toml``."""
    # A JSON list of strings is TOML as well.
    return json.dumps(list(unit))


def joinable(unit: Sequence[str]) -> tuple[str, ...]:
    """Columns of which every example has one value, so that tables can be joined on them.

    An impression is one row of the log: it has one query, one item and so on.
    """
    return (IMPRESSION, *KEYS) if tuple(unit) == (IMPRESSION,) else tuple(unit)


def gold_unit(gold: pl.DataFrame) -> tuple[str, ...]:
    """The key columns that a ledger's frame has."""
    return tuple(name for name in gold.columns if name in (*KEYS, IMPRESSION))


def refuse_other_gold(gold: pl.DataFrame, unit: Sequence[str]) -> None:
    """Raise where the ledger's answers are about examples of another kind."""
    found = gold_unit(gold)
    if set(found) != set(unit):
        raise ProjectError(
            f"The ledger holds answers about {in_words(found)}, and the labels are about "
            f"{in_words(unit)}. Give these rounds a ledger of their own, as in [rounds] ledger = "
            f'"sqlite:///rounds-{"-".join(unit)}.db", or set [labels] unit = {as_toml(found)} and '
            "run `labelkit label`."
        )


def refuse_other_unit(first: Manifest, second: Manifest) -> None:
    """Raise where two runs labeled examples of different kinds."""
    if first.unit != second.unit:
        raise ProjectError(
            f"Run {first.run} labels {in_words(first.unit)}, run {second.run} "
            f"{in_words(second.unit)}: no example of one is an example of the other."
        )
    if first.unit == (IMPRESSION,):
        short, long = sorted((first, second), key=lambda run: len(run.log_files))
        if not _begins_alike(short, long.log_files):
            raise ProjectError(
                f"Runs {first.run} and {second.run} label impressions by their row in the log, and "
                "read other logs: one number is not one impression."
            )


def refuse_other_rows(now: Sequence[FileFact], asked_of: Iterable[Manifest]) -> None:
    """Raise where impressions have other numbers than when people were asked about them.

    An impression is named by its row in the log. Files that come after those of then leave their
    rows where they were; anything else moves them, and answers would land on other rows.

    Parameters
    ----------
    now : the files of the log, in order
    asked_of : the runs that rounds were drawn from
    """
    for manifest in asked_of:
        if _begins_alike(manifest, now):
            continue
        raise ProjectError(
            f"Answers are about impressions by their row in the log of run {manifest.run}, and the "
            "log is another now: it does not begin with the same files. Add new "
            "files behind the old ones (they are read in order of name), or label by an id of "
            'your own, mapped to page: [labels] unit = ["page", "item"].'
        )


def _begins_alike(then: Manifest, now: Sequence[FileFact]) -> bool:
    """Whether a log begins with the files that a run read: their rows have the same numbers."""
    files = [fact.sha256 for fact in then.log_files]
    return files == [fact.sha256 for fact in now[: len(files)]]
