"""``suggest``: rules that a run's labels, or gold, suggest; and the file in which they are kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import narwhals as nw

from labelkit.engine import collect
from labelkit.errors import LFError, ProjectError
from labelkit.evidence import available, evidence
from labelkit.files import write_text
from labelkit.lfs import Votes, load_lfs
from labelkit.lfs.suggest import HEADER, Candidate, Suggestions, suggest
from labelkit.project.config import Config
from labelkit.project.examining import open_log
from labelkit.project.gold import match_gold
from labelkit.project.labeling import described, fit_bias
from labelkit.project.runs import Run
from labelkit.project.tables import join_tables, of_a_row, table_columns

if TYPE_CHECKING:
    import polars as pl


def suggest_for(
    run: Run, config: Config, directory: Path, *, gold: pl.DataFrame, n: int, seed: int
) -> Suggestions:
    """Suggestions from gold where there is any, else from the run's own labels.

    All that the log and the tables can tell is looked at, and not only what the present functions
    read; so the log is read once more.

    Parameters
    ----------
    gold : what people answered so far; empty without rounds
    """
    examples = _everything(config, directory, gold, seed, run)
    table, names = run.votes(), tuple(run.lf_analysis()["lf"])
    examples = examples.join(table.select(run.keys), on=run.keys, how="semi", maintain_order="left")
    if examples.is_empty():
        raise ProjectError(f"Run {run.id} labeled nothing that the log still has.")
    keys = run.manifest.unit
    votes = Votes(nw.from_native(table), keys, names, len(run.manifest.label_names), table)
    gold = match_gold(gold, examples, keys)
    # Which row of the log an impression is says whose it is, and not what is true of others.
    examples = examples.drop(of_a_row(examples, keys))
    found: Suggestions = (
        suggest(examples, votes, gold, n=n, seed=seed)
        if len(gold)
        else suggest(examples, votes, labels=run.labels(), n=n, seed=seed)
    )
    return found


@dataclass(frozen=True)
class Accepted:
    """What was written: the file, the names of its new functions, and whether a run will use it."""

    path: Path
    names: tuple[str, ...]
    is_used: bool


def accept(
    candidates: Sequence[Candidate],
    file: Path,
    config: Config,
    directory: Path,
    *,
    label_names: Sequence[str],
) -> Accepted:
    """Append functions to a file of the project, and see that they load and say the same.

    Raises
    ------
    ProjectError
        The file is no Python module inside the project, or has such a function already; nothing
        is written then.
    """
    path = (directory / file).resolve()
    base = directory.resolve()
    parts = path.with_suffix("").relative_to(base).parts if path.is_relative_to(base) else ()
    if path.suffix != ".py" or not parts or not all(part.isidentifier() for part in parts):
        raise ProjectError(
            f"'{file}' is no Python module of the project: name one such as "
            "labeling_functions/suggested.py."
        )
    module = ".".join(parts)
    before = path.read_text(encoding="utf-8") if path.is_file() else None
    there = [] if before is None else load_lfs([module], base)
    for candidate in candidates:
        if any(candidate.lf.name == lf.name or candidate.lf.rule == lf.rule for lf in there):
            raise ProjectError(f"'{file}' has {candidate.lf.name!r} already; nothing was written.")
    code = [candidate.code(label_names=label_names) for candidate in candidates]
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, "\n\n".join([(before or HEADER).rstrip("\n") + "\n", *code]))
    try:
        written = {lf.name: lf.rule for lf in load_lfs([module], base)}
        differs = [c.lf.name for c in candidates if written.get(c.lf.name) != c.lf.rule]
        if differs:
            raise LFError(f"{differs[0]!r} reads otherwise than it was suggested.")
    except LFError as error:
        path.unlink() if before is None else write_text(path, before)
        raise ProjectError(
            f"'{file}' would not load with the new functions ({error}). It is as it was; give "
            "another --file."
        ) from error
    used = any(module == m or module.startswith(f"{m}.") for m in config.lfs.modules)
    return Accepted(path, tuple(c.lf.name for c in candidates), used)


def _everything(
    config: Config, directory: Path, gold: pl.DataFrame, seed: int, run: Run
) -> pl.DataFrame:
    """One row per example, with all that the log and the tables can tell."""
    unit = run.manifest.unit
    with TemporaryDirectory() as aside:  # the run has its own copy of what was quarantined
        away = Path(aside) / "quarantine.parquet"
        log = open_log(config, directory, away, numbered_as=run.numbered_as)
        bias = fit_bias(log, config, gold, seed=seed)
        frame = nw.from_native(
            evidence(log, bias, unit=unit, columns=available(log), prior=config.evidence.prior)
        )
        examples = described(collect(frame).to_polars().sort(unit), log, unit)
    columns = {c for table in config.tables.values() for c in table_columns(table, directory)}
    return join_tables(examples, config.tables, directory, columns=columns)
