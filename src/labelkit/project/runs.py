"""Run directories: built aside, renamed when complete, so that a run is there or is not."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from labelkit.errors import ProjectError
from labelkit.evidence.units import IMPRESSION
from labelkit.files import atomic, sha256, write_text
from labelkit.project.manifest import FileFact, Manifest, StageTime

if TYPE_CHECKING:
    import polars as pl

    from labelkit.labelmodels.model import MethodName
    from labelkit.validation import ValidationReport

Progress = Callable[[str], None]
MANIFEST = "manifest.json"
TARGET = "validation.txt"
# Tables of a run whose names begin so belong to position bias; the report shows them there.
BIAS_PREFIX = "bias-"
FINDINGS = f"{BIAS_PREFIX}findings"
# … and those that begin so to the labeling functions.
LFS_PREFIX = "lfs-"
DOUBTS = f"{LFS_PREFIX}5-doubts"


@dataclass(frozen=True)
class Run:
    """A complete run: ``runs/<id>/`` and its manifest. Tables come as Polars frames."""

    path: Path

    @property
    def id(self) -> str:
        """Name of the directory; ids sort by the time at which the runs began."""
        return self.path.name

    @cached_property
    def manifest(self) -> Manifest:
        """What the run read, what made it, and what it wrote."""
        return Manifest.read(self.path / MANIFEST)

    @property
    def keys(self) -> list[str]:
        """Key columns of what the run labeled."""
        return list(self.manifest.unit)

    @property
    def numbered_as(self) -> tuple[Manifest, ...]:
        """Its manifest, if it labeled impressions, which are named by their row in the log."""
        return (self.manifest,) if self.manifest.unit == (IMPRESSION,) else ()

    def table(self, name: str) -> pl.DataFrame:
        """``<name>.parquet`` of this run.

        Raises
        ------
        ProjectError
            The run has no such table.
        """
        import polars as pl

        path = self.path / f"{name}.parquet"
        if not path.is_file():
            raise ProjectError(f"Run {self.id} has no {path.name}.")
        return pl.read_parquet(path)

    def has(self, name: str) -> bool:
        """Whether ``<name>.parquet`` is part of this run."""
        return (self.path / f"{name}.parquet").is_file()

    def labels(self) -> pl.DataFrame:
        """Keys, ``p_0`` … ``p_{k-1}``, ``label``, ``margin``, ``covered``; sorted by key."""
        return self.table("labels")

    def votes(self) -> pl.DataFrame:
        """Keys and one int8 column per LF (abstain = -1), in the order of the labels."""
        return self.table("votes")

    def evidence(self) -> pl.DataFrame:
        """What the LFs looked at, in the order of the labels, with impressions and clicks."""
        return self.table("evidence")

    def propensities(self) -> pl.DataFrame:
        """``position``, ``propensity``, ``low``, ``high``."""
        return self.table("propensities")

    def bias_findings(self) -> list[dict[str, str]]:
        """``level``, ``finding``, ``message`` beyond what the manifest holds: of ``labelkit bias``,
        or what ``label`` found by itself; empty if neither looked."""
        tables = ResultTable.read_all(self.path)
        return [row for table in tables if table.name == FINDINGS for row in table.frame.to_dicts()]

    def doubts(self) -> list[dict[str, str]]:
        """What to doubt in the label model: ``severity``, ``about``, ``finding``, ``advice``."""
        tables = ResultTable.read_all(self.path)
        return [row for table in tables if table.name == DOUBTS for row in table.frame.to_dicts()]

    def lf_analysis(self) -> pl.DataFrame:
        """One row per LF: polarity, coverage, overlaps, conflicts, estimated accuracy."""
        return self.table("lf_analysis")

    @property
    def method(self) -> MethodName:
        """The method that the label model ended in."""
        raw = json.loads((self.path / "label_model.json").read_text(encoding="utf-8"))
        method: MethodName = raw["method"]
        return method

    def validation(self) -> pl.DataFrame:
        """Every metric with its interval, for the weak labels and the naive reading."""
        return self.table("validation")

    def comparison(self) -> pl.DataFrame:
        """Weak labels minus the naive reading, metric by metric, with a verdict in words."""
        return self.table("comparison")

    @property
    def validation_target(self) -> str:
        """What the validation speaks about, in one sentence."""
        return (self.path / TARGET).read_text(encoding="utf-8").strip()

    def save_validation(self, report: ValidationReport) -> None:
        """Keep a validation in the run; a later one, on more gold, takes its place."""
        write_text(self.path / TARGET, report.target + "\n")
        for name, frame in (("comparison", report.difference), ("validation", report.frame)):
            with atomic(self.path / f"{name}.parquet") as path:
                frame.write_parquet(path)


@dataclass(frozen=True)
class ResultTable:
    """A small table with a title, for the terminal and the report.

    Parameters
    ----------
    name : file name without ending; the report shows tables in order of name
    note : one or two sentences on how to read it
    frame : a Polars frame of numbers and strings; columns ``low`` and ``high`` are an interval
    """

    name: str
    title: str
    note: str
    frame: pl.DataFrame

    def save(self, run_path: Path) -> Path:
        """Write it into a run directory, where the report finds it."""
        path = run_path / "tables" / f"{self.name}.json"
        text = {
            "title": self.title,
            "note": self.note,
            "columns": self.frame.to_dict(as_series=False),
        }
        write_text(path, json.dumps(text, ensure_ascii=False, indent=1) + "\n")
        return path

    @classmethod
    def read_all(cls, run_path: Path) -> tuple[ResultTable, ...]:
        """Every table that was saved into a run directory, in order of name."""
        import polars as pl

        found = []
        for path in sorted((run_path / "tables").glob("*.json")):
            raw = json.loads(path.read_text(encoding="utf-8"))
            frame = pl.DataFrame(raw["columns"], strict=False)
            found.append(cls(path.stem, raw["title"], raw["note"], frame))
        return tuple(found)


@dataclass
class RunBuilder:
    """A run that is being built in ``path``; ``stage`` times what happens inside it."""

    path: Path
    id: str
    created: datetime
    progress: Progress | None = None
    stages: list[StageTime] = field(default_factory=list)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Announce a stage and time it."""
        if self.progress is not None:
            self.progress(name)
        start = time.perf_counter()
        yield
        self.stages.append(StageTime(name, round(time.perf_counter() - start, 4)))

    def outputs(self) -> tuple[FileFact, ...]:
        """Hashes of everything written so far."""
        files = sorted(file for file in self.path.rglob("*") if file.is_file())
        return tuple(file_fact(file, self.path) for file in files)


@contextmanager
def build_run(runs: Path, *, progress: Progress | None = None) -> Iterator[RunBuilder]:
    """Build a run aside; it appears under ``runs`` only if the block ends without an error.

    The block must write ``manifest.json`` last.
    """
    created = datetime.now(UTC)
    runs.mkdir(parents=True, exist_ok=True)
    building = runs / f".building-{uuid4().hex[:12]}"
    building.mkdir()
    try:
        # Milliseconds, and a random tail for two schedulers that start in the same one.
        name = f"{created:%Y%m%d-%H%M%S}-{created.microsecond // 1000:03d}-{uuid4().hex[:4]}"
        yield RunBuilder(building, name, created, progress)
        os.replace(building, runs / name)
    finally:
        shutil.rmtree(building, ignore_errors=True)


def list_runs(runs: Path) -> tuple[Run, ...]:
    """Complete runs, oldest first."""
    if not runs.is_dir():
        return ()
    complete = (path.parent for path in runs.glob(f"*/{MANIFEST}"))
    return tuple(Run(path) for path in sorted(complete) if not path.name.startswith("."))


def file_fact(path: Path, base: Path) -> FileFact:
    """Size and hash of a file, named relative to ``base`` where it lies inside it."""
    inside = path.is_relative_to(base)
    name = path.relative_to(base).as_posix() if inside else path.as_posix()
    return FileFact(name, path.stat().st_size, sha256(path))
