"""``run``: simulate a log, label it, ask a scripted annotator, label again, compare."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path

import numpy as np
import polars as pl

from labelkit.bias import PositionBias
from labelkit.demo import compare, signals
from labelkit.demo.data import GRADE, KEYS, RELEVANT_FROM, load
from labelkit.demo.tell import ASKED, DEBIASED, NAIVE, WEAK, Case, headline, levels, steps, tables
from labelkit.errors import ProjectError
from labelkit.evidence import evidence
from labelkit.files import atomic
from labelkit.logs import Ranker, read_log, simulate_to_parquet
from labelkit.logs.simulator import ADVERSE, GOOD, Catalogue
from labelkit.platforms import ScriptedAnnotator
from labelkit.project import Project, ResultTable

Progress = Callable[[str], None]

N_ANSWERS = 100
RANKERS: dict[str, tuple[Ranker, ...]] = {"good": GOOD, "adverse": ADVERSE}


@dataclass(frozen=True)
class DemoResult:
    """What the demo left behind and what it found.

    Parameters
    ----------
    directory : the project with the adverse log; that with the good one is beside it
    run : its last run, whose report shows the tables
    tables : results, for the terminal and the report
    headline : what the labels are worth, and who answered
    levels : ``log``, ``metric``, ``labels``, ``estimate``, ``low``, ``high``
    steps : paired differences, the same columns and ``less``: the label set that is subtracted
    """

    directory: Path
    run: Path
    tables: tuple[ResultTable, ...]
    headline: str
    levels: pl.DataFrame
    steps: pl.DataFrame


def run(
    directory: str | Path,
    *,
    n_impressions: int = 60_000,
    seed: int = 0,
    progress: Progress | None = None,
) -> DemoResult:
    """Play the whole job on real relevance grades with simulated clicks.

    Parameters
    ----------
    directory : becomes a folder with two projects, ``good`` and ``adverse``; must not have them
    n_impressions : size of each log, under position bias 1/k
    seed : of everything random
    progress : called with the name of each stage as it begins

    Raises
    ------
    ProjectError
        ``directory`` already holds one of the projects.
    """
    root = Path(directory)
    say = progress or (lambda stage: None)
    for name in RANKERS:
        if (root / name).exists():
            raise ProjectError(f"'{root / name}' is there already: give the demo a new directory.")
    graded = load()
    cases = [
        _play(root / name, rankers, graded, n_impressions=n_impressions, seed=seed, say=say)
        for name, rankers in RANKERS.items()
    ]
    results = tables(cases)
    for case in cases:
        case.true_propensities.write_parquet(case.run.path / "propensity_truth.parquet")
        for table in results:
            table.save(case.run.path)
    shown = cases[-1]
    return DemoResult(
        directory=root / shown.name,
        run=shown.run.path,
        tables=results,
        headline=headline(shown),
        levels=levels(cases),
        steps=steps(cases),
    )


def _play(
    directory: Path,
    rankers: Sequence[Ranker],
    graded: pl.DataFrame,
    *,
    n_impressions: int,
    seed: int,
    say: Progress,
) -> Case:
    name = directory.name
    say(f"{name} rankers: simulating {n_impressions:,} impressions over real relevance grades")
    catalogue = Catalogue.of(graded.select(*KEYS, GRADE), grade=GRADE)
    path = directory / "log" / "impressions.parquet"
    truth = simulate_to_parquet(
        path, n_impressions, seed=seed, catalogue=catalogue, rankers=rankers
    )
    # Beside the project, not in it: whoever labels does not have this.
    held_back = directory / "held-back"
    held_back.mkdir()
    for file in ("truth.json", "attractiveness.parquet"):
        shutil.move(directory / "log" / file, held_back / file)
    say(f"{name} rankers: choosing features that agree with debiased clicks")
    rates, chosen = _write_items(directory, path, graded)
    _copy_template(directory)
    project = Project(directory)
    first = project.label(seed=seed, progress=_prefixed(say, f"{name} rankers"))

    say(f"{name} rankers: asking a scripted annotator {N_ANSWERS} questions")
    relevant = graded.select(*KEYS, label=(pl.col(GRADE) >= RELEVANT_FROM).cast(pl.Int64))
    project.round_plan(N_ANSWERS, seed=seed)
    project.round_push()
    with project.ledger() as ledger:
        round_ = ledger.round(project.round_status()[-1].name, platform=project.platform())
        ScriptedAnnotator(relevant).answer(round_)
    project.round_pull()
    project.round_close()
    second = project.label(seed=seed, progress=_prefixed(say, f"{name} rankers, with answers"))

    say(f"{name} rankers: comparing with the truth")
    gold = project.gold()
    table = (
        rates.join(first.labels().select(*KEYS, weak="p_1"), on=KEYS)
        .join(second.labels().select(*KEYS, asked="p_1"), on=KEYS)
        .join(graded.select(*KEYS, GRADE), on=KEYS)
        # What the model was told it must not be tested on, nor may the others be tested on more.
        .join(
            gold.select(KEYS).cast({key: graded.schema[key] for key in KEYS}), on=KEYS, how="anti"
        )
        .sort(KEYS)
    )
    grade = table[GRADE].cast(pl.Int64).to_numpy()
    held = compare.Truth(
        table["query"].to_numpy(), grade, (grade >= RELEVANT_FROM).astype(np.int64)
    )
    columns = {NAIVE: "raw_ctr", DEBIASED: "ctr", WEAK: "weak", ASKED: "asked"}
    scores = {label: table[column].to_numpy() for label, column in columns.items()}
    measured = compare.measure(scores, held, seed=seed)
    return Case(name, second, truth, chosen, measured, gold.height, table.height)


def _write_items(
    directory: Path, log_path: Path, graded: pl.DataFrame
) -> tuple[pl.DataFrame, tuple[signals.Signal, ...]]:
    """Choose three features by debiased clicks, write them as the project's item table."""
    log = read_log(log_path)
    rates = pl.DataFrame(evidence(log, PositionBias().fit(log)).collect()).select(
        *KEYS, "raw_ctr", "ctr"
    )
    seen = rates.sort(KEYS).join(graded.drop(GRADE), on=KEYS, maintain_order="left")
    features = seen.drop(*KEYS, "raw_ctr", "ctr")
    chosen = signals.choose(features, seen["ctr"].to_numpy())
    items = seen.select(KEYS).hstack(signals.as_percentiles(features, chosen))
    with atomic(directory / "items.parquet") as path:
        items.write_parquet(path)
    return rates, chosen


def _copy_template(directory: Path) -> None:
    with as_file(files("labelkit.demo") / "template") as template:
        shutil.copytree(
            template,
            directory,
            dirs_exist_ok=True,
            ignore=shutil.ignore_patterns("__pycache__", "*.pyc"),
        )


def _prefixed(say: Progress, prefix: str) -> Progress:
    return lambda stage: say(f"{prefix}: {stage}")
