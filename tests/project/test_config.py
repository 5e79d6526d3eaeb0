"""``labelkit.toml``: what is written is what is meant, or it is refused with the line."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import get_args

import pytest

from labelkit.cli import options
from labelkit.errors import ProjectError
from labelkit.project import read_config
from labelkit.project.config import Config, Strategy
from labelkit.selection.batches import BATCHES
from labelkit.selection.scores import SCORES

MINIMAL = '[log]\npaths = ["log.parquet"]\n'


@pytest.fixture
def read(tmp_path: Path):
    def read(text: str) -> Config:
        path = tmp_path / "labelkit.toml"
        path.write_text(text, encoding="utf-8")
        return read_config(path)

    return read


def test_a_log_path_is_enough_and_everything_else_has_a_default(read):
    config = read(MINIMAL)
    assert config.log.paths == ("log.parquet",)
    assert config.labels.names == ("irrelevant", "relevant")
    assert (config.selection.n, config.selection.audit_share) == (100, 0.2)
    assert config.platform.kind == "files"
    assert config.run.seed == 0


def test_every_setting_arrives_where_it_belongs(read):
    config = read(
        """
[log]
paths = ["a/*.csv", "b.csv"]
engine = "duckdb"
on_bad_rows = "quarantine"
position_offset = 1
timestamp_unit = "ms"
[log.columns]
query = "q id"
[labels]
names = ["no", "maybe", "yes"]
unit = ["item", "query"]
[lfs]
modules = ["rules.first", "rules.second"]
on_missing = "skip"
[tables.items]
path = "items.parquet"
keys = ["item"]
columns = { item = "doc" }
show = ["title"]
[bias]
method = "given"
curve = [1, 0.5]
[evidence]
prior = "global"
[model]
method = "majority"
class_balance = [0.5, 0.25, 0.25]
[selection]
n = 7
strategy = "entropy"
audit_share = 1
max_per_query = 2
[platform]
kind = "label_studio"
url = "http://localhost:8080"
project = "Relevance"
ca_bundle = "ours.pem"
overlap = 2
order = "priority"
annotators = "id"
images = ["picture"]
links = ["page"]
pair = ["left_", "right_"]
comments = true
hosts = ["example.com"]
drop = ["mail"]
hash = ["seller"]
[rounds]
ledger = "sqlite:///x.db"
instructions = "Be kind."
[run]
seed = 5
"""
    )
    assert config.log.engine == "duckdb"
    assert config.log.position_offset == 1
    assert config.log.timestamp_unit == "ms"
    assert config.evidence.prior == "global"
    assert dict(config.log.columns) == {"query": "q id"}
    assert config.labels.names == ("no", "maybe", "yes")
    assert config.labels.unit == ("item", "query")
    assert config.lfs.modules == ("rules.first", "rules.second")
    assert config.tables["items"].show == ("title",)
    assert dict(config.tables["items"].columns) == {"item": "doc"}
    assert config.bias.curve == (1.0, 0.5)
    assert config.model.class_balance == (0.5, 0.25, 0.25)
    assert config.selection.audit_share == 1.0
    assert config.selection.max_per_query == 2
    assert config.platform.project == "Relevance"
    assert (config.platform.overlap, config.platform.order) == (2, "priority")
    assert (config.platform.drop, config.platform.hash) == (("mail",), ("seller",))
    assert config.platform.pair == ("left_", "right_")
    assert config.rounds.instructions == "Be kind."
    assert config.run.seed == 5


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (MINIMAL + "[modle]\n", r"line 3: unknown section \[modle\]. Did you mean 'model'\?"),
        (
            MINIMAL + "\n[selection]\nn = 3\nstratgy = 'margin'\n",
            r"line 6: unknown setting 'stratgy' in \[selection\]. Did you mean 'strategy'\?",
        ),
        (
            MINIMAL + "[tables.items]\npath = 'x'\nkey = ['item']\nkeys = ['item']\n",
            r"line 5: unknown setting 'key' in \[tables.items\]. Did you mean 'keys'\?",
        ),
        (MINIMAL + "[run]\nseed = '1'\n", r"line 4: \[run\] seed must be a whole number, not '1'"),
        (MINIMAL + "[run]\nseed = true\n", r"line 4: .* must be a whole number, not True"),
        (MINIMAL + "[bias]\nmethod = 'best'\n", r"line 4: .* must be one of 'auto', 'poisson'"),
        (MINIMAL + "[selection]\nn = 1.5\n", r"must be a whole number, not 1.5"),
        (MINIMAL + "[lfs]\nmodules = 'x'\n", r"line 4: \[lfs\] modules must be a list, not 'x'"),
        (MINIMAL + "[log.columns]\nquery = 3\n", r"line 3: .* must be a table of strings"),
        ("[log]\nengine = 'polars'\n", r"line 1: \[log\] lacks 'paths'"),
        (MINIMAL + "[tables.items]\npath = 'x'\n", r"line 3: \[tables.items\] lacks 'keys'"),
        (MINIMAL + "tables = 3\n", r"unknown setting 'tables' in \[log\]"),
        ("", r"has no \[log\] section"),
        ("[log\n", "not valid TOML"),
        ("log = 3\n", r"line 1: \[log\] must be a table"),
        ("[log]\npaths = []\n", "line 1: .*name at least one file"),
        (MINIMAL + "[labels]\nnames = ['a', 'a']\n", "line 3: .*all different"),
        (MINIMAL + "[platform]\nkind = 'label_studio'\n", "line 3: .*needs url"),
        (MINIMAL + "[platform]\noverlap = 0\n", "line 3: .*at least 1; got 0"),
        (MINIMAL + "[platform]\npair = ['left_']\n", r"line 3: .*side by side; got \['left_'\]"),
        (MINIMAL + "[platform]\ndrop = ['a']\nhash = ['a']\n", "both name 'a'"),
        (MINIMAL + "[model]\nclass_balance = [0.5, 0.6]\n", "2 probabilities that sum to 1"),
        (MINIMAL + "[tables.t]\npath = 'x'\nkeys = ['shop']\n", r"line 3: .*keys of a table are"),
        (MINIMAL + "[labels]\nunit = ['device']\n", "line 3: .*no key column.*impression, alone"),
        (MINIMAL + "[labels]\nunit = 'session'\n", "line 4: .*unit must be a list"),
        (
            MINIMAL + "[labels]\nunit = ['session']\n[tables.t]\npath = 'x'\nkeys = ['item']\n",
            r"\[tables.t\] is joined on 'item'.*can be joined on session",
        ),
        (MINIMAL + "[labels]\nunit = ['user', 'item']\n[bias]\nmethod = 'trust'\n", "trust"),
        (
            MINIMAL + "[labels]\nunit = ['query']\n[evidence]\nprior = 'query'\n",
            "does not put them under one",
        ),
    ],
)
def test_a_mistake_is_refused_with_its_line_and_its_cure(read, text: str, message: str):
    with pytest.raises(ProjectError, match=message):
        read(text)


def test_a_directory_without_a_project_says_how_to_make_one(tmp_path: Path):
    with pytest.raises(ProjectError, match=r"No labelkit.toml in .*labelkit init"):
        read_config(tmp_path / "labelkit.toml")


def test_every_setting_is_described_in_the_docs():
    page = Path(__file__).parents[2] / "docs" / "project-files.md"
    text = page.read_text(encoding="utf-8")
    for section in fields(Config):
        name = f"[{section.name}" if section.name != "tables" else "[tables.NAME"
        rows = [line for line in text.splitlines() if line.startswith(f"| `{name}")]
        cls = section.default_factory() if section.name == "tables" else None
        settings = ["path", "keys", "columns", "show"] if cls is not None else _settings(section)
        for setting in settings:
            assert any(setting in row for row in rows), f"{name}] {setting} is not described"


def _settings(section) -> list[str]:
    from labelkit.project import config as module

    classes = {
        "log": module.LogConfig,
        "labels": module.LabelsConfig,
        "lfs": module.LFsConfig,
        "bias": module.BiasConfig,
        "evidence": module.EvidenceConfig,
        "model": module.ModelConfig,
        "selection": module.SelectionConfig,
        "platform": module.PlatformConfig,
        "rounds": module.RoundsConfig,
        "run": module.RunConfig,
    }
    return [field.name for field in fields(classes[section.name])]


def test_the_strategies_of_the_file_and_of_the_command_line_are_those_that_select_knows():
    # The command line names them anew so that `--help` need not load a project.
    assert get_args(options.Strategy) == get_args(Strategy)
    assert set(get_args(Strategy)) <= {*SCORES, *BATCHES, "random"}
