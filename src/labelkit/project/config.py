"""``labelkit.toml`` as frozen dataclasses: one class a section, strict about every key."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from labelkit.errors import LogError, ProjectError, SelectionError
from labelkit.evidence.units import EXAMPLE, IMPRESSION, KEYS, belongs_to_a_query, checked_unit
from labelkit.project.strict import Source, read_table, refuse_unknown
from labelkit.project.units import as_toml, joinable

FILE_NAME = "labelkit.toml"
Strategy = Literal[
    "margin",
    "entropy",
    "least_confidence",
    "expected_change",
    "random",
    "cluster_power",
    "cluster_margin",
    "k_center",
    "badge",
    "typiclust",
    "power",
    "softmax",
]


@dataclass(frozen=True)
class LogConfig:
    """``[log]``: where the interaction log is and how to read it.

    Parameters
    ----------
    paths : files, folders or globs of Parquet, CSV, TSV or NDJSON, relative to the project
    engine : which engine reads them
    on_bad_rows : "error" stops; "quarantine" sets bad rows aside in the run directory
    position_offset : added to positions; 1 if the log counts from 0
    timestamp_unit : unit of a numeric timestamp since 1970
    columns : labelkit's column name → the log's own, for names that differ
    """

    paths: tuple[str, ...]
    engine: Literal["polars", "duckdb"] = "polars"
    on_bad_rows: Literal["error", "quarantine"] = "error"
    position_offset: int = 0
    timestamp_unit: Literal["s", "ms", "us", "ns"] = "s"
    columns: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    def __post_init__(self) -> None:
        if not self.paths:
            raise ProjectError("[log] paths is empty; name at least one file, folder or glob.")


@dataclass(frozen=True)
class LabelsConfig:
    """``[labels]``: the label set, and what is labeled.

    Parameters
    ----------
    names : of the classes, from class 0 upwards
    unit : what gets a label, as in ``labelkit.evidence``: one or two key columns of the log (query,
        item, user, session, page), or "impression" alone
    """

    names: tuple[str, ...] = ("irrelevant", "relevant")
    unit: tuple[str, ...] = EXAMPLE

    def __post_init__(self) -> None:
        try:
            checked_unit(self.unit)
        except LogError as error:
            raise ProjectError(f"[labels] {error}") from None
        if len(self.names) < 2 or len(set(self.names)) < len(self.names):
            raise ProjectError("[labels] names needs at least two labels, all different.")


@dataclass(frozen=True)
class LFsConfig:
    """``[lfs]``: modules of labeling functions, as dotted paths from the project directory.

    Parameters
    ----------
    on_missing : "error" stops when a function reads a column that is not there; "skip" goes
        on without the function, and says so
    cache : whether votes of row and batch functions are kept in ``.labelkit/`` until the function
        or what it reads changes
    cache_mb : how much of them, in megabytes (2²⁰ bytes)
    """

    modules: tuple[str, ...] = ("labeling_functions",)
    on_missing: Literal["error", "skip"] = "error"
    cache: bool = True
    cache_mb: int = 512

    def __post_init__(self) -> None:
        if self.cache_mb < 1:
            raise ProjectError("[lfs] cache_mb is at least 1; cache = false keeps nothing.")


@dataclass(frozen=True)
class TableConfig:
    """``[tables.<name>]``: a table of items or queries, joined onto the evidence.

    Parameters
    ----------
    path : Parquet, CSV, TSV or NDJSON file, relative to the project
    keys : what it is joined on: one or two columns of which every example has one value. These
        are those of ``[labels] unit``; an impression also has the query, item, … of its row
    columns : labelkit's name → the table's own, where key columns are called otherwise
    show : columns that people see when they label
    """

    path: str
    keys: tuple[str, ...]
    columns: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    show: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        known = (*KEYS, IMPRESSION)
        if not self.keys or not set(self.keys) <= set(known):
            raise ProjectError(
                f"keys of a table are one or two of {', '.join(known)}, such as "
                '["item"] or ["query", "item"].'
            )


@dataclass(frozen=True)
class BiasConfig:
    """``[bias]``: how position bias is estimated; see ``labelkit.PositionBias``.

    Parameters
    ----------
    method : "trust" learns from the gold labels of the rounds
    context : label columns of the log (device, layout, query_class) that have a curve each
    curve : propensities from position 1 downwards, for method = "given"
    compare : whether ``label`` holds the position-based model against rival click models; "auto"
        does so where it is cheap, in logs of up to a million impressions
    """

    method: Literal[
        "auto",
        "poisson",
        "bernoulli",
        "allpairs",
        "adjacent",
        "power",
        "randomised",
        "trust",
        "logged",
        "given",
    ] = "auto"
    context: tuple[str, ...] = ()
    cluster: Literal["query", "session", "user"] = "query"
    curve: tuple[float, ...] | None = None
    smoothing: float = 1.0
    n_bootstrap: int = 200
    compare: Literal["auto", "always", "never"] = "auto"


@dataclass(frozen=True)
class EvidenceConfig:
    """``[evidence]``: how clicks become evidence; see ``labelkit.evidence``.

    Parameters
    ----------
    prior : what debiased click rates are shrunk towards while little is known of an example
    """

    prior: Literal["placement", "query", "global"] = "placement"


@dataclass(frozen=True)
class ModelConfig:
    """``[model]``: the label model; ``class_balance`` = one probability a label, if known."""

    method: Literal[
        "auto",
        "majority",
        "weighted_majority",
        "onecoin",
        "rates",
        "snorkel",
        "dawid_skene",
        "triplets",
    ] = "auto"
    class_balance: tuple[float, ...] | None = None


@dataclass(frozen=True)
class SelectionConfig:
    """``[selection]``: whom people look at; see ``labelkit.select``.

    Parameters
    ----------
    strategy : by default "cluster_power" where ``numeric`` or ``text`` name features, or "margin"
    numeric, text : columns of the evidence and the tables that make two examples alike
    """

    n: int = 100
    strategy: Strategy | None = None
    audit_share: float = 0.2
    audit: Literal["equal", "pps", "poisson", "class", "score"] = "equal"
    max_per_query: int | None = None
    numeric: tuple[str, ...] = ()
    text: tuple[str, ...] = ()


@dataclass(frozen=True)
class PlatformConfig:
    """``[platform]``: where people label. Secrets come from the environment, never from here.

    Parameters
    ----------
    kind : "files" writes a sheet and JSON into ``directory``, "page" an HTML page to label in
        without a network; "label_studio" talks to ``url``
    project : title of one Label Studio project for all rounds; without it each has its own
    ca_bundle : file with the certificates to trust instead of the usual ones
    overlap : how many people answer each task; without it as the project has it
    order : "pushed" or "priority"; see ``labelkit.LabelStudio``
    annotators : "email" or "id": what stands for a person in the ledger
    images, links, pair, comments, hosts : see ``labelkit.platforms.Interface``
    drop, hash : shown columns with personal data, left out or hashed before a round is planned
    """

    kind: Literal["files", "page", "label_studio"] = "files"
    directory: str = "rounds"
    url: str | None = None
    project: str | None = None
    ca_bundle: str | None = None
    overlap: int | None = None
    order: Literal["pushed", "priority"] = "pushed"
    annotators: Literal["email", "id"] = "email"
    images: tuple[str, ...] = ()
    links: tuple[str, ...] = ()
    pair: tuple[str, ...] = ()
    comments: bool = False
    hosts: tuple[str, ...] = ()
    drop: tuple[str, ...] = ()
    hash: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.kind == "label_studio" and not self.url:
            raise ProjectError('[platform] kind = "label_studio" needs url = "https://…".')
        if self.overlap is not None and self.overlap < 1:
            raise ProjectError(f"[platform] overlap must be at least 1; got {self.overlap}.")
        if len(self.pair) not in (0, 2):
            raise ProjectError(
                "[platform] pair takes the two beginnings of column names that stand side by side; "
                f"got {list(self.pair)}."
            )
        both = [name for name in self.drop if name in self.hash]
        if both:
            raise ProjectError(f"[platform] drop and hash both name {both[0]!r}: say one of them.")


@dataclass(frozen=True)
class RoundsConfig:
    """``[rounds]``: the ledger's database. ``sqlite:///name.db`` lies in the project directory.

    Parameters
    ----------
    budget : tasks that ``round run`` may ask in all, those that are asked again included
    target : metric and half-width, as in "f1 ± 0.03", at which ``round run`` plans no more
    max_rounds : rounds that ``round run`` plans at most
    min_agreement : share of an example's annotators behind its commonest answer, below which it is
        asked again; 1 takes every disagreement
    overlap_share : share of a round's tasks, drawn at random, that ``overlap`` people are to answer
    overlap : how many that is, at least 2
    hidden_gold : share of a round's tasks that are questions with known answers: gold of earlier
        rounds that two people or more agreed on, or that was adjudicated
    """

    ledger: str = "sqlite:///rounds.db"
    instructions: str | None = None
    budget: int | None = None
    target: str | None = None
    max_rounds: int | None = None
    min_agreement: float = 1.0
    overlap_share: float = 0.0
    overlap: int = 2
    hidden_gold: float = 0.0

    def __post_init__(self) -> None:
        for name in ("budget", "max_rounds"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ProjectError(f"[rounds] {name} is at least 1; got {value}.")
        if not 0 <= self.overlap_share <= 1 or self.overlap < 2 or not 0 <= self.hidden_gold < 1:
            raise ProjectError(
                f"[rounds] overlap_share = {self.overlap_share}, overlap = {self.overlap}, "
                f"hidden_gold = {self.hidden_gold}: within [0, 1], at least 2, and within [0, 1)."
            )
        if not 0 < self.min_agreement <= 1:
            raise ProjectError(
                f"[rounds] min_agreement is above 0 and at most 1; got {self.min_agreement}."
            )
        if self.target is not None:
            from labelkit.selection.planning.target import read_target

            try:
                read_target(self.target)
            except SelectionError as error:
                raise ProjectError(f"[rounds] {error}") from None


@dataclass(frozen=True)
class RunConfig:
    """``[run]``: the seed that everything random starts from."""

    seed: int = 0


@dataclass(frozen=True)
class Config:
    """All of ``labelkit.toml``; every path is relative to the project directory."""

    log: LogConfig
    labels: LabelsConfig = LabelsConfig()
    lfs: LFsConfig = LFsConfig()
    tables: Mapping[str, TableConfig] = field(default_factory=lambda: MappingProxyType({}))
    bias: BiasConfig = BiasConfig()
    evidence: EvidenceConfig = EvidenceConfig()
    model: ModelConfig = ModelConfig()
    selection: SelectionConfig = SelectionConfig()
    platform: PlatformConfig = PlatformConfig()
    rounds: RoundsConfig = RoundsConfig()
    run: RunConfig = RunConfig()

    def __post_init__(self) -> None:
        balance, k = self.model.class_balance, len(self.labels.names)
        if balance is not None and (len(balance) != k or abs(sum(balance) - 1) > 1e-6):
            raise ProjectError(f"[model] class_balance needs {k} probabilities that sum to 1.")
        self._check_unit()

    def _check_unit(self) -> None:
        """Refuse what has no meaning for the labeled unit, before a log is read."""
        unit = self.labels.unit
        named = f"[labels] unit = {as_toml(unit)}"
        for name, table in self.tables.items():
            lost = [key for key in table.keys if key not in joinable(unit)]
            if lost:
                raise ProjectError(
                    f"[tables.{name}] is joined on {lost[0]!r}, of which {named} has not one value "
                    f"per example. A table can be joined on {', '.join(joinable(unit))}."
                )
        if self.bias.method == "trust" and unit != EXAMPLE:
            raise ProjectError(
                '[bias] method = "trust" learns from gold about queries and items, and the gold of '
                f"{named} is about something else. Use another method, or the unit "
                f"{as_toml(EXAMPLE)}."
            )
        if self.evidence.prior == "query" and not belongs_to_a_query(unit):
            raise ProjectError(
                '[evidence] prior = "query" shrinks examples towards others of their query, and '
                f'{named} does not put them under one. Use "placement" or "global".'
            )


def read_config(path: Path) -> Config:
    """Read and check ``labelkit.toml``.

    Raises
    ------
    ProjectError
        There is no such file, it is not TOML, or a section or setting is unknown, missing or of
        the wrong type; the message names the line and, for a typo, the name that was meant.
    """
    if not path.is_file():
        raise ProjectError(
            f"No {FILE_NAME} in '{path.parent.resolve().name}/'. Run `labelkit init` there, or "
            "name the project with --project."
        )
    source = Source(path, path.read_text(encoding="utf-8"))
    try:
        document = tomllib.loads(source.text)
    except tomllib.TOMLDecodeError as error:
        raise ProjectError(f"{path.name} is not valid TOML: {error}.") from None
    sections = {
        "log": LogConfig,
        "labels": LabelsConfig,
        "lfs": LFsConfig,
        "bias": BiasConfig,
        "evidence": EvidenceConfig,
        "model": ModelConfig,
        "selection": SelectionConfig,
        "platform": PlatformConfig,
        "rounds": RoundsConfig,
        "run": RunConfig,
    }
    for name in document:
        refuse_unknown(name, [f.name for f in fields(Config)], source, "")
    if "log" not in document:
        raise ProjectError(f'{path.name} has no [log] section; it needs paths = ["…"].')
    parts: dict[str, Any] = {  # heterogeneous on purpose: one class a section
        name: read_table(cls, document[name], source, name)
        for name, cls in sections.items()
        if name in document
    }
    tables = document.get("tables", {})
    if not isinstance(tables, dict):
        raise ProjectError(f"{source.place('', 'tables')}: write tables as [tables.name].")
    named = {
        name: read_table(TableConfig, table, source, f"tables.{name}")
        for name, table in tables.items()
    }
    try:
        return Config(**parts, tables=MappingProxyType(named))
    except ProjectError as error:
        raise ProjectError(f"{path.name}: {error}") from None
