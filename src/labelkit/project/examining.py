"""``Project.bias``: read the log, fit its curve, examine it, and keep what was found in a run."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from threadpoolctl import threadpool_limits

from labelkit.bias import PositionBias
from labelkit.errors import PositivityWarning
from labelkit.evidence.units import EXAMPLE
from labelkit.labelmodels import LabelModel
from labelkit.logs import InteractionLog, read_log
from labelkit.logs.sources import find_files
from labelkit.project.biasing import BiasReport, examine, findings_table, save_findings
from labelkit.project.config import Config
from labelkit.project.create import resolve
from labelkit.project.functions import votes_of
from labelkit.project.labeling import fit_bias, gold_of
from labelkit.project.manifest import Manifest
from labelkit.project.runs import Progress, Run, file_fact
from labelkit.project.sensitivity import Sensitivity, label_sensitivity
from labelkit.project.units import refuse_other_rows

if TYPE_CHECKING:
    import polars as pl

    from labelkit.lfs import AnyLF

QUARANTINE = ".bias-quarantine.parquet"


def examine_project(
    directory: Path,
    config: Config,
    *,
    lfs: Sequence[AnyLF],
    gold: pl.DataFrame,
    run: Run | None,
    n_windows: int,
    seed: int,
    progress: Progress | None = None,
) -> BiasReport:
    """See ``Project.bias``; ``gold`` is what people answered so far.

    Without a run nothing is written, and labels are not moved.
    """
    say = progress or (lambda stage: None)
    say("reading and checking the log")
    aside = directory / QUARANTINE
    try:
        log = open_log(config, directory, aside)
        say("estimating position bias")
        # The fits are small: BLAS threads would only fight with the engine's for the processors.
        with warnings.catch_warnings(), threadpool_limits(1, user_api="blas"):
            # It is among the findings.
            warnings.simplefilter("ignore", PositivityWarning)
            # Only trust bias is told by gold, and only by that of queries and items.
            about_pairs = config.labels.unit == EXAMPLE
            gold = gold_of(log, gold) if about_pairs else gold.clear()
            bias = fit_bias(log, config, gold, seed=seed)
            say("moving propensities to see which labels change")
            moved = (
                None if run is None else _sensitivity(log, bias, run, lfs, config, directory, seed)
            )
            findings, tables = examine(
                log,
                bias,
                seed=seed,
                gold=gold if len(gold) else None,
                n_windows=n_windows,
                sensitivity=moved,
                progress=progress,
            )
    finally:
        # `label` keeps the rows that it set aside; here they were only kept out.
        aside.unlink(missing_ok=True)
    if run is not None:
        save_findings(findings, tables, run.path)
    everything = (*bias.diagnostics_, *findings)
    return BiasReport(
        method=bias.method_,
        reason=bias.reason_,
        findings=everything,
        tables=(*tables, findings_table(everything)),
        run=None if run is None else run.id,
    )


def open_log(
    config: Config, directory: Path, aside: Path, *, numbered_as: Iterable[Manifest] = ()
) -> InteractionLog:
    """The log that ``[log]`` names; bad rows that are quarantined go to ``aside``.

    Parameters
    ----------
    numbered_as : runs whose impressions must have the same numbers now
    """
    paths = find_files(resolve(config.log.paths, directory))
    if runs := tuple(numbered_as):
        refuse_other_rows([file_fact(path, directory) for path in paths], runs)
    return read_log(
        list(paths),
        columns=config.log.columns,
        on_bad_rows=config.log.on_bad_rows,
        quarantine_file=aside,
        position_offset=config.log.position_offset,
        timestamp_unit=config.log.timestamp_unit,
        engine=config.log.engine,
    )


def _sensitivity(
    log: InteractionLog,
    bias: PositionBias,
    run: Run,
    lfs: Sequence[AnyLF],
    config: Config,
    directory: Path,
    seed: int,
) -> Sensitivity:
    """Labels of the run's own model: fitted again to its votes, which takes no time."""
    votes = votes_of(run)
    names, cardinality = votes.lf_names, votes.cardinality
    gold = run.table("gold") if run.has("gold") else None
    model = LabelModel(cardinality, config.model.method, seed=run.manifest.seed)
    model.fit(votes, gold=gold, class_balance=config.model.class_balance)
    kept = [lf for lf in lfs if lf.name in names]
    return label_sensitivity(
        log, bias.curve_, model, lfs=kept, config=config, directory=directory, seed=seed
    )
