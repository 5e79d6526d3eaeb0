"""The user's own tables of items and queries: joined onto evidence, and shown to people."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from labelkit.engine import collect
from labelkit.errors import ProjectError
from labelkit.evidence.units import IMPRESSION, KEYS
from labelkit.logs.sources import find_files, scan_files
from labelkit.project.config import TableConfig

if TYPE_CHECKING:
    import polars as pl

# What an impression has from its row of the log, and people see when they label it.
OF_A_ROW = (*KEYS, "position")


def table_columns(config: TableConfig, directory: Path) -> tuple[str, ...]:
    """Names of the table's columns other than its keys, in labelkit's words."""
    return tuple(name for name in _scan(config, directory) if name not in config.keys)


def join_tables(
    examples: pl.DataFrame,
    tables: Mapping[str, TableConfig],
    directory: Path,
    *,
    columns: Collection[str],
) -> pl.DataFrame:
    """Examples with those ``columns`` that the tables have; the order of rows stays.

    An example that a table lacks gets nulls, on which LFs abstain.

    Raises
    ------
    ProjectError
        A table cannot be read, lacks a key, says two things of one example, has keys of another
        type than the log, or has a column of the same name as the evidence or another table.
    """
    for name, config in tables.items():
        mapping = _scan(config, directory)
        wanted = [column for column in mapping if column in columns and column not in config.keys]
        clash = [column for column in wanted if column in examples.columns]
        if clash:
            raise ProjectError(
                f"[tables.{name}] has a column {clash[0]!r} that is there already. Give it another "
                f'name: [tables.{name}.columns] my_{clash[0]} = "{mapping[clash[0]]}".'
            )
        if wanted:
            _require_keys(name, config, examples)
            table = _read(name, config, directory, [*config.keys, *wanted], mapping)
            examples = _join(examples, table, name, list(config.keys))
    return examples


def shown_items(
    batch: pl.DataFrame,
    tables: Mapping[str, TableConfig],
    directory: Path,
    *,
    examples: pl.DataFrame,
    keys: Sequence[str],
) -> pl.DataFrame:
    """The keys of a batch with the columns that people see when they label.

    Parameters
    ----------
    examples : the evidence that the batch is from; it knows the rows of impressions
    keys : of an example
    """
    shown = {name: table for name, table in tables.items() if table.show}
    for name, config in shown.items():
        missing = [column for column in config.show if column not in _scan(config, directory)]
        if missing:
            raise ProjectError(
                f"[tables.{name}] show names {missing[0]!r}, which '{config.path}' does not have. "
                f"It has: {', '.join(table_columns(config, directory))}."
            )
    columns = {column for config in shown.values() for column in config.show}
    asked, on = batch.select(keys), list(keys)
    if rows := of_a_row(examples, keys):
        whose = examples.select(*keys, *rows)
        asked = asked.join(whose, on=on, how="left", maintain_order="left")
    return join_tables(asked, shown, directory, columns=columns)


def of_a_row(examples: pl.DataFrame, keys: Sequence[str]) -> list[str]:
    """Columns that impressions have from their rows of the log; none of other examples."""
    if list(keys) != [IMPRESSION]:
        return []
    return [name for name in OF_A_ROW if name in examples.columns]


def _require_keys(name: str, config: TableConfig, examples: pl.DataFrame) -> None:
    """The log of impressions may lack a column that a table of any log could be joined on."""
    for key in config.keys:
        if key not in examples.columns:
            raise ProjectError(
                f"[tables.{name}] is joined on {key!r}, which the log does not have: map it in "
                "[log.columns]."
            )


def _scan(config: TableConfig, directory: Path) -> dict[str, str]:
    """labelkit's name → the file's own name, for every column of the file."""
    path = directory / config.path
    if not path.is_file():
        raise ProjectError(f"The table '{config.path}' is not there.")
    present = list(scan_files(find_files(path), "polars").collect_schema())
    ours = {source: name for name, source in config.columns.items()}
    lost = [source for source in ours if source not in present]
    missing = [key for key in config.keys if config.columns.get(key, key) not in present]
    if lost or missing:
        what = f"column {lost[0]!r}" if lost else f"key column {missing[0]!r}"
        raise ProjectError(
            f"The table '{config.path}' has no {what}. It has: {', '.join(present)}."
        )
    return {ours.get(source, source): source for source in present}


def _read(
    name: str, config: TableConfig, directory: Path, columns: list[str], mapping: Mapping[str, str]
) -> pl.DataFrame:
    frame = scan_files(find_files(directory / config.path), "polars")
    picked = frame.select(mapping[column] for column in columns)
    table = collect(picked).to_polars()
    return table.rename({mapping[column]: column for column in columns}).unique(maintain_order=True)


def _join(examples: pl.DataFrame, table: pl.DataFrame, name: str, keys: list[str]) -> pl.DataFrame:
    twice = table.filter(table.select(keys).is_duplicated())
    if len(twice):
        raise ProjectError(
            f"[tables.{name}] describes {len(twice):,} rows differently under one key (first: "
            f"{twice.select(keys).row(0, named=True)}). It must have one row for each "
            f"{' and '.join(keys)}."
        )
    for key in keys:
        ours, theirs = examples.schema[key], table.schema[key]
        if ours != theirs and not (ours.is_integer() and theirs.is_integer()):
            raise ProjectError(
                f"[tables.{name}] has the key {key!r} as {theirs}, the log as {ours}: nothing "
                "would match. Store both alike."
            )
    table = table.cast({key: examples.schema[key] for key in keys})
    return examples.join(table, on=keys, how="left", maintain_order="left")
