"""``manifest.json``: what a run read, what made it, how long it took, and what it wrote."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from labelkit.errors import ProjectError
from labelkit.evidence.units import EXAMPLE

SCHEMA_VERSION = 1
_PACKAGES = ("labelkit", "narwhals", "numpy", "scipy", "polars", "pyarrow", "duckdb")


@dataclass(frozen=True)
class FileFact:
    """A file as it was: ``path`` relative to the project where it lies inside it."""

    path: str
    n_bytes: int
    sha256: str


@dataclass(frozen=True)
class LFFact:
    """One labeling function as it was.

    Parameters
    ----------
    name, doc : as written by the user; ``doc`` is the sentence on why it should hold
    rule : the condition, readable
    where : file and line
    source_sha256 : hash of its source text
    source : that text, so that two runs can be compared line by line
    version : of the model and prompt behind a batch function; empty for others
    told : counts by reason that a batch function tells of itself, such as refused answers
    """

    name: str
    doc: str
    rule: str
    where: str
    source_sha256: str
    source: str = ""
    version: str = ""
    told: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class SkippedLF:
    """A labeling function that was left out, since it reads ``columns`` that are not there."""

    name: str
    columns: tuple[str, ...]


@dataclass(frozen=True)
class StageTime:
    """Wall-clock seconds that one stage took."""

    stage: str
    seconds: float


@dataclass(frozen=True)
class Counts:
    """How many of everything; what was left out is counted too."""

    n_impressions: int
    n_clicks: int
    n_examples: int
    n_queries: int
    n_positions: int
    n_quarantined: int
    n_covered: int
    n_gold: int


@dataclass(frozen=True)
class Finding:
    """One diagnosis of the position-bias fit: "fine", "look" or "stop", and what to do."""

    name: str
    level: str
    message: str


@dataclass(frozen=True)
class BiasFact:
    """How the propensities were estimated, why so, and what the fit has to say."""

    method: str
    reason: str
    identifiable: bool
    findings: tuple[Finding, ...]


@dataclass(frozen=True)
class Manifest:
    """Everything needed to know what a run is, and to make it again.

    ::

        inputs   log files and joined tables, hashed     outputs  files of the run, hashed
        config   labelkit.toml as understood             stages   wall-clock seconds
        cached_lfs  functions whose votes were there already, from an earlier run
        unit     key columns of what is labeled
    """

    run: str
    created: str
    seed: int
    label_names: tuple[str, ...]
    counts: Counts
    bias: BiasFact
    unchecked: tuple[str, ...]
    inputs: tuple[FileFact, ...]
    lfs: tuple[LFFact, ...]
    skipped_lfs: tuple[SkippedLF, ...]
    stages: tuple[StageTime, ...]
    outputs: tuple[FileFact, ...]
    versions: Mapping[str, str]
    config: Mapping[str, object]
    schema_version: int = SCHEMA_VERSION
    cached_lfs: tuple[str, ...] = ()
    unit: tuple[str, ...] = EXAMPLE

    @property
    def seconds(self) -> float:
        """Wall-clock seconds of the whole run."""
        return sum(stage.seconds for stage in self.stages)

    @property
    def log_files(self) -> tuple[FileFact, ...]:
        """Those of ``inputs`` that are the log, in the order in which it was read."""
        tables = self.config.get("tables", {})
        paths = [table["path"] for table in tables.values()] if isinstance(tables, dict) else []
        return self.inputs[: len(self.inputs) - len(paths)]

    def to_json(self) -> str:
        """The manifest as JSON text."""
        return json.dumps(plain(self), indent=2, ensure_ascii=False) + "\n"

    @classmethod
    def read(cls, path: Path) -> Manifest:
        """Read ``manifest.json``.

        Raises
        ------
        ProjectError
            The file is missing or damaged, or was written by another version of this format.
        """
        try:
            raw = json.loads(path.read_text(encoding="utf-8"))
            if raw["schema_version"] != SCHEMA_VERSION:
                raise ProjectError(
                    f"Run '{path.parent.name}' was written in format {raw['schema_version']}; this "
                    f"labelkit reads format {SCHEMA_VERSION}. Run `labelkit label` again."
                )
            return cls(
                **{
                    **raw,
                    "label_names": tuple(raw["label_names"]),
                    "unchecked": tuple(raw["unchecked"]),
                    "counts": Counts(**raw["counts"]),
                    "bias": _bias(raw["bias"]),
                    "inputs": tuple(FileFact(**fact) for fact in raw["inputs"]),
                    "outputs": tuple(FileFact(**fact) for fact in raw["outputs"]),
                    "lfs": tuple(LFFact(**fact) for fact in raw["lfs"]),
                    "skipped_lfs": tuple(
                        SkippedLF(lf["name"], tuple(lf["columns"])) for lf in raw["skipped_lfs"]
                    ),
                    "cached_lfs": tuple(raw.get("cached_lfs", ())),
                    # Runs from before there was a choice are about queries and items.
                    "unit": tuple(raw.get("unit", EXAMPLE)),
                    "stages": tuple(StageTime(**stage) for stage in raw["stages"]),
                }
            )
        except FileNotFoundError:
            raise ProjectError(f"'{path.parent.name}' is not a run: no manifest.json.") from None
        except (KeyError, TypeError, json.JSONDecodeError) as error:
            raise ProjectError(
                f"The manifest of run '{path.parent.name}' is damaged: {error!r}."
            ) from None


def _bias(raw: Mapping[str, Any]) -> BiasFact:
    findings = tuple(Finding(**finding) for finding in raw["findings"])
    return BiasFact(raw["method"], raw["reason"], raw["identifiable"], findings)


def plain(value: object) -> object:
    """Dataclasses, mappings and tuples as the dicts and lists that JSON knows."""
    if is_dataclass(value):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(element) for key, element in value.items()}
    if isinstance(value, list | tuple):
        return [plain(element) for element in value]
    return value


def versions() -> dict[str, str]:
    """Versions of Python, labelkit and whatever may change its numbers, where installed."""
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
