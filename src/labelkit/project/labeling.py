"""``label``: log → propensities → evidence → votes → label model → labels, written as one run."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeGuard

import narwhals as nw
from threadpoolctl import threadpool_limits

from labelkit.bias import PositionBias
from labelkit.engine import NativeFrame, collect
from labelkit.evidence import available, evidence
from labelkit.evidence.units import EXAMPLE, IMPRESSION, described_impressions
from labelkit.files import write_text
from labelkit.labelmodels import LabelModel
from labelkit.lfs import BatchFunction, LabelingFunction, Votes, analyze
from labelkit.lfs.cache import VoteCache, apply_cached
from labelkit.logs import InteractionLog, read_log
from labelkit.logs.sources import find_files
from labelkit.project.biasing import cheap_enough, glance, save_findings
from labelkit.project.config import Config
from labelkit.project.create import resolve
from labelkit.project.functions import doubts_table, lf_tables
from labelkit.project.gold import crossfit, match_gold, unflattered
from labelkit.project.manifest import (
    BiasFact,
    Counts,
    FileFact,
    Finding,
    Manifest,
    SkippedLF,
    versions,
)
from labelkit.project.provenance import input_facts, lf_fact, settings
from labelkit.project.runs import MANIFEST, Progress, Run, RunBuilder, build_run
from labelkit.project.tables import join_tables, table_columns
from labelkit.project.units import refuse_other_rows

if TYPE_CHECKING:
    import polars as pl

    from labelkit.lfs import AnyLF

QUARANTINE = "quarantine.parquet"
# What can be made again.
HIDDEN = ".labelkit"


@dataclass(frozen=True)
class Job:
    """Everything that decides what a run will hold.

    Parameters
    ----------
    directory : the project; paths of ``config`` are relative to it
    lfs : the labeling functions, in order
    gold : what people answered so far; empty without rounds
    asked_of : the runs that its rounds were drawn from
    """

    directory: Path
    config: Config
    lfs: Sequence[AnyLF]
    gold: pl.DataFrame
    seed: int
    asked_of: Sequence[Manifest] = ()


def label(job: Job, *, progress: Progress | None = None) -> Run:
    """Do the job, and return the complete run.

    The log is read once in its engine; what comes after works on one row per example or less.
    """
    config = job.config
    unit = config.labels.unit
    with (
        build_run(job.directory / "runs", progress=progress) as build,
        # Hashing and writing need neither the engine nor Python: they run beside what comes next.
        ThreadPoolExecutor(max_workers=1) as beside,
    ):

        def write(frame: NativeFrame, name: str) -> None:
            writes.append(beside.submit(_polars(frame).write_parquet, build.path / name))

        writes: list[Future[None]] = []
        paths = find_files(resolve(config.log.paths, job.directory))
        hashes = beside.submit(input_facts, paths, config, job.directory)
        with build.stage("reading and checking the log"):
            log = read_log(
                list(paths),
                columns=config.log.columns,
                on_bad_rows=config.log.on_bad_rows,
                # Beside the runs: it must outlive a run that fails because of what is in it.
                quarantine_file=job.directory / QUARANTINE,
                position_offset=config.log.position_offset,
                timestamp_unit=config.log.timestamp_unit,
                engine=config.log.engine,
            )
        with build.stage("estimating position bias"):
            bias = fit_bias(log, config, job.gold, seed=job.seed)
        if cheap_enough(log, config.bias.compare):
            with build.stage("comparing click models"), threadpool_limits(1, user_api="blas"):
                save_findings(*glance(log, bias, seed=job.seed), build.path)
        with build.stage("gathering evidence"):
            examples = gather(log, bias, config, job.directory, columns_read(job.lfs))
            write(bias.propensities_, "propensities.parquet")
            write(examples, "evidence.parquet")
        with build.stage("asking the labeling functions"):
            votes, cached = apply_cached(
                job.lfs,
                examples,
                vote_cache(job.directory, config),
                keys=unit,
                cardinality=len(config.labels.names),
                on_missing=config.lfs.on_missing,
            )
            skipped = _skipped(job, votes, examples)
            write(votes.to_native(), "votes.parquet")
            if unit == (IMPRESSION,) and len(job.gold):
                refuse_other_rows(hashes.result()[: len(paths)], job.asked_of)
            gold = match_gold(job.gold, examples, unit)
            analysis = _polars(analyze(votes, gold=gold if len(gold) else None))
        # The fits are small: BLAS threads would only fight with the engine's for the processors.
        with build.stage("fitting the label model"), threadpool_limits(1, user_api="blas"):
            balance = config.model.class_balance
            model = LabelModel(
                cardinality=len(config.labels.names), method=config.model.method, seed=job.seed
            )
            model.fit(votes, gold=gold if len(gold) else None, class_balance=balance)
            labels = _polars(model.label(votes))
            write(labels, "labels.parquet")
            held_out = (
                crossfit(model, votes, gold, class_balance=balance, seed=job.seed)
                if len(gold)
                else None
            )
        with build.stage("writing the run"):
            write(_with_estimates(analysis, _polars(model.lf_accuracies_)), "lf_analysis.parquet")
            write_text(build.path / "label_model.json", _model_json(model, config, votes))
            if held_out is not None:
                write(gold, "gold.parquet")
                write(held_out, "crossfit.parquet")
            if log.summary.n_quarantined:
                os.replace(job.directory / QUARANTINE, build.path / QUARANTINE)
            diagnosis = model.diagnose()
            if diagnosis.findings:
                doubts_table(diagnosis).save(build.path)
            for table in lf_tables(
                votes,
                labels if held_out is None else unflattered(labels, held_out, unit),
                gold,
                config.labels.names,
                method=model.method_,
                class_balance=balance,
                seed=job.seed,
            ):
                table.save(build.path)
            for written in writes:
                written.result()
        n_covered = int(labels["covered"].sum())
        counts = Counts(
            n_impressions=log.summary.n_impressions,
            n_clicks=log.summary.n_clicks,
            n_examples=len(labels),
            n_queries=log.summary.n_queries,
            n_positions=log.summary.n_positions,
            n_quarantined=log.summary.n_quarantined,
            n_covered=n_covered,
            n_gold=len(gold),
        )
        _write_manifest(build, job, log, bias, counts, hashes, skipped, cached)
    return Run(job.directory / "runs" / build.id)


def vote_cache(directory: Path, config: Config) -> VoteCache | None:
    """Where the project keeps dear votes; None if it does not."""
    if not config.lfs.cache:
        return None
    return VoteCache(directory / HIDDEN / "votes", max_bytes=config.lfs.cache_mb * 2**20)


def position_bias(config: Config, seed: int) -> PositionBias:
    """The estimator that ``[bias]`` asks for, not fitted yet."""
    bias = config.bias
    curve = None if bias.curve is None else dict(enumerate(bias.curve, start=1))
    return PositionBias(
        bias.method,
        context=bias.context,
        cluster=bias.cluster,
        curve=curve,
        smoothing=bias.smoothing,
        n_bootstrap=bias.n_bootstrap,
        seed=seed,
    )


def fit_bias(log: InteractionLog, config: Config, gold: pl.DataFrame, *, seed: int) -> PositionBias:
    """The curve of ``[bias]``; only trust bias looks at gold, and only at examples of this log."""
    bias = position_bias(config, seed)
    if config.bias.method != "trust":
        return bias.fit(log)
    return bias.fit(log, gold=gold_of(log, gold))


def gold_of(log: InteractionLog, gold: pl.DataFrame) -> pl.DataFrame:
    """The gold of queries and items that the log shows, keys as the log has them."""
    examples = _polars(log.cells.select(*EXAMPLE).unique().to_native())
    return match_gold(gold, examples, EXAMPLE)


def gather(
    log: InteractionLog,
    bias: PositionBias,
    config: Config,
    directory: Path,
    needed: set[str] | None,
) -> pl.DataFrame:
    """One row per example, sorted by key, with what is needed and what the log counted.

    Parameters
    ----------
    needed : columns of the evidence and of the tables; None, for functions that may look at
        anything, is all of them but those that are only made on request
    """
    unit = config.labels.unit
    can = available(log)
    if needed is None:
        tables = (table_columns(table, directory) for table in config.tables.values())
        needed = set(available(log, on_request=False)).union(*tables)
    columns = {"impressions", "clicks"} | (needed & set(can))
    made = evidence(log, bias, unit=unit, columns=columns, prior=config.evidence.prior)
    frame = described(_polars(made).sort(unit), log, unit)
    return join_tables(frame, config.tables, directory, columns=needed)


def described(examples: pl.DataFrame, log: InteractionLog, unit: Sequence[str]) -> pl.DataFrame:
    """Impressions with the keys and the position of their rows; other examples as they are."""
    if tuple(unit) != (IMPRESSION,):
        return examples
    rows = _polars(described_impressions(log).to_native())
    rest = [name for name in examples.columns if name != IMPRESSION]
    joined = examples.join(rows, on=IMPRESSION, how="left", maintain_order="left")
    return joined.select(*rows.columns, *rest)


def columns_read(lfs: Sequence[AnyLF]) -> set[str] | None:
    """Every column that the LFs read; None if one of them does not say."""
    columns: set[str] = set()
    for lf in lfs:
        if not _tells_columns(lf):
            return None
        columns |= lf.columns
    return columns


def _polars(frame: NativeFrame) -> pl.DataFrame:
    return collect(nw.from_native(frame)).to_polars()


def _with_estimates(analysis: pl.DataFrame, accuracies: pl.DataFrame) -> pl.DataFrame:
    """The LF analysis with the label model's own estimate of each accuracy beside it."""
    estimates = accuracies.select(
        "lf",
        estimated_accuracy="accuracy",
        estimated_accuracy_low="low",
        estimated_accuracy_high="high",
    )
    return analysis.join(estimates, on="lf", how="left", maintain_order="left")


def _model_json(model: LabelModel, config: Config, votes: Votes) -> str:
    description = {
        "method": model.method_,
        "reason": model.reason_,
        "label_names": list(config.labels.names),
        "class_balance": [float(p) for p in model.class_balance_],
        "lf_names": list(votes.lf_names),
    }
    return json.dumps(description, indent=2, ensure_ascii=False) + "\n"


def _write_manifest(
    build: RunBuilder,
    job: Job,
    log: InteractionLog,
    bias: PositionBias,
    counts: Counts,
    hashes: Future[tuple[FileFact, ...]],
    skipped: tuple[SkippedLF, ...],
    cached: tuple[str, ...],
) -> None:
    with build.stage("hashing what was read and written"):
        inputs = hashes.result()
        outputs = build.outputs()
    left_out = {lf.name for lf in skipped}
    findings = tuple(Finding(f.name, f.level, f.message) for f in bias.diagnostics_)
    manifest = Manifest(
        run=build.id,
        created=build.created.isoformat(timespec="milliseconds"),
        seed=job.seed,
        label_names=job.config.labels.names,
        counts=counts,
        bias=BiasFact(bias.method_, bias.reason_, bool(bias.identifiable_), findings),
        unchecked=log.summary.unchecked,
        inputs=inputs,
        lfs=tuple(lf_fact(lf) for lf in job.lfs if lf.name not in left_out),
        skipped_lfs=skipped,
        stages=tuple(build.stages),
        outputs=outputs,
        versions=versions(),
        config=settings(job.config),
        cached_lfs=cached,
        unit=job.config.labels.unit,
    )
    write_text(build.path / MANIFEST, manifest.to_json())


def _skipped(job: Job, votes: Votes, examples: pl.DataFrame) -> tuple[SkippedLF, ...]:
    """The LFs that were left out, with the columns for want of which they were."""
    return tuple(
        SkippedLF(lf.name, tuple(sorted(lf.columns - set(examples.columns))))
        for lf in job.lfs
        if _tells_columns(lf) and lf.name not in votes.lf_names
    )


def _tells_columns(lf: AnyLF) -> TypeGuard[LabelingFunction | BatchFunction]:
    return isinstance(lf, LabelingFunction | BatchFunction)
