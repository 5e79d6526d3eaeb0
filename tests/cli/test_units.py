"""The labeled unit is the project's choice, from ``init`` to ``export``."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner, Result

from labelkit.cli import app
from labelkit.logs.simulator import Catalogue, Sessions, simulate

LFS = '''
"""Votes on what was counted of a unit; click rates are for units that were shown often."""
from labelkit import col, labeling_function, vote


@labeling_function
def clicked():
    """Most of what was shown was clicked, or nothing was."""
    share = col("clicks") / col("impressions")
    return vote(1, where=share > 0.2) | vote(0, where=col("clicks") == 0)


@labeling_function
def stayed():
    """Somebody read for a while, or left at once."""
    return vote(1, where=col("dwell_max") >= 30) | vote(0, where=col("dwell_max") < 8)


@labeling_function
def good():
    """The quality that the user's own table knows."""
    return vote(1, where=col("quality") > 0.6) | vote(0, where=col("quality") < 0.4)
'''


@dataclass(frozen=True)
class Case:
    """A unit, the table that is joined to it, and the truth behind it.

    ::

        keys    of the table
        table   keys, ``quality``, ``title``
        truth   the unit's columns and ``label``
        shown   what people see of a task beside the title
    """

    unit: tuple[str, ...]
    keys: tuple[str, ...]
    table: pl.DataFrame
    truth: pl.DataFrame
    shown: tuple[str, ...]


@dataclass(frozen=True)
class World:
    log: pl.DataFrame
    cases: dict[str, Case]


@pytest.fixture(scope="module")
def world() -> World:
    """20,000 impressions of 30 queries in sessions, and what is true of their units."""
    catalogue = Catalogue.synthetic(30, 10, seed=4)
    made = simulate(
        20_000, seed=4, catalogue=catalogue, sessions=Sessions(), extras=("user", "dwell")
    )
    log = made.frame.with_row_index("impression").with_columns(pl.col("impression").cast(pl.Int64))
    rows = log.join(catalogue.frame, on=["query", "item"], maintain_order="left")
    relevant = (pl.col("attractiveness") > 0.25).cast(pl.Int64).alias("label")
    noise = pl.int_range(pl.len()) * 37 % 50 / 100

    def described(truth: pl.DataFrame, *keys: str) -> pl.DataFrame:
        named = pl.format("Page {} <b>&", keys[0])
        return truth.select(*keys, quality=pl.col("label") * 0.5 + noise, title=named)

    items = rows.select("query", "item", relevant).unique().sort("item")
    pairs = rows.select("user", "item", relevant).unique().sort("user", "item")
    sessions = (
        rows.group_by("session")
        .agg(attractiveness=pl.col("attractiveness").mean())
        .sort("session")
        .select("session", relevant)
    )
    each = rows.select("impression", relevant)
    of_items = described(items, "item")
    by_session = described(sessions, "session")
    return World(
        log.drop("impression"),
        {
            "user-item": Case(("user", "item"), ("item",), of_items, pairs, ("user", "item")),
            "session": Case(("session",), ("session",), by_session, sessions, ("session",)),
            "impression": Case(
                ("impression",),
                ("query", "item"),
                described(items, "query", "item"),
                each,
                ("impression", "query", "item", "user", "session", "position"),
            ),
        },
    )


def call(path: Path, *command: str) -> Result:
    return CliRunner().invoke(app, [*command, "--project", str(path)])


def told(path: Path, *command: str) -> dict:
    result = call(path, *command, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def project(tmp_path: Path, log: pl.DataFrame, case: Case, *, more: str = "") -> Path:
    """A project made by ``init``, with functions and a table of its own."""
    path = tmp_path / "shop"
    path.mkdir()
    log.write_parquet(path / "log.parquet")
    unit = [word for key in case.unit for word in ("--unit", key)]
    command = ["init", str(path), "--log", "log.parquet", *unit, "--json"]
    made = CliRunner().invoke(app, command)
    assert json.loads(made.stdout)["unit"] == list(case.unit)
    for file in (path / "labeling_functions").glob("*.py"):
        file.unlink()
    (path / "labeling_functions" / "mine.py").write_text(LFS, encoding="utf-8")
    case.table.write_parquet(path / "things.parquet")
    keys = json.dumps(list(case.keys))
    table = f'\n[tables.things]\npath = "things.parquet"\nkeys = {keys}\nshow = ["title"]\n'
    with (path / "labelkit.toml").open("a", encoding="utf-8") as file:
        file.write(table + more)
    return path


def answer(path: Path, case: Case, name: str) -> int:
    """Fill in a round's sheet from the truth."""
    sheet = path / "rounds" / name / "annotations.csv"
    with sheet.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    label_of = {tuple(map(str, row[:-1])): row[-1] for row in case.truth.iter_rows()}
    for row in rows:
        right = label_of[tuple(row[key] for key in case.unit)]
        row["label"], row["annotator"] = ("irrelevant", "relevant")[right], "ann"
    with sheet.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return len(rows)


def ask(path: Path, case: Case, name: str, n: int = 80) -> None:
    told(path, "round", "plan", "-n", str(n), "--audit-share", "0.5")
    told(path, "round", "push", "--name", name)
    assert answer(path, case, name) == n
    assert told(path, "round", "pull", "--name", name)["n_new_annotations"] == n


@pytest.mark.parametrize("name", ["user-item", "session", "impression"])
def test_everything_follows_the_unit_from_init_to_export(name, world, tmp_path):
    case = world.cases[name]
    keys = list(case.unit)
    path = project(tmp_path, world.log, case)

    first = told(path, "label")
    assert first["unit"] == keys
    run = Path(first["path"])
    labels = pl.read_parquet(run / "labels.parquet")
    assert labels.columns[: len(keys)] == keys
    assert labels.select(keys).equals(case.truth.select(keys)), "one label per unit, in order"
    votes = pl.read_parquet(run / "votes.parquet")
    assert votes.select(keys).equals(labels.select(keys))
    assert votes["good"].is_in([0, 1]).mean() > 0.5, "the user's table is joined"
    assert json.loads((run / "manifest.json").read_text(encoding="utf-8"))["unit"] == keys

    ask(path, case, "round-1")
    tasks = json.loads((path / "rounds" / "round-1" / "tasks.json").read_text(encoding="utf-8"))
    assert {*case.shown, "title"} <= set(tasks[0]["data"])
    assert tasks[0]["data"]["title"].endswith("<b>&")

    rows = {(row["labels"], row["metric"]): row for row in told(path, "validate")["validation"]}
    assert rows["weak labels", "accuracy"]["n"] == 80
    assert rows["weak labels", "accuracy"]["estimate"] > 0.7
    ranked = rows["weak labels", "ndcg@10"]
    assert (ranked["estimate"] is None) == (len(keys) == 1)
    if len(keys) == 1:
        assert "no others to be ranked against" in ranked["method"]

    second = told(path, "label")
    assert second["counts"]["n_gold"] == 80
    held_out = pl.read_parquet(Path(second["path"]) / "crossfit.parquet")
    assert held_out.columns[: len(keys)] == keys
    ask(path, case, "round-2", 40)
    of_rounds = [
        {
            tuple(task["data"][key] for key in keys)
            for task in json.loads(
                (path / "rounds" / name / "tasks.json").read_text(encoding="utf-8")
            )
        }
        for name in ("round-1", "round-2")
    ]
    assert not of_rounds[0] & of_rounds[1]

    assert {row["lf"] for row in told(path, "lfs")["lfs"]} == {"clicked", "stayed", "good"}
    for view in ("agreement", "redundancy", "value", "errors", "diff", "drift"):
        assert call(path, "lfs", view).exit_code == 0, view
    behind = call(path, "lfs", "errors", "(labels)")
    assert behind.exit_code == 0, behind.output
    assert call(path, "lfs", "suggest").exit_code == 0
    assert call(path, "bias").exit_code == 0
    assert call(path, "report").exit_code == 0
    page = (Path(second["path"]) / "report.html").read_text(encoding="utf-8")
    assert " and ".join(keys) in page

    made = told(path, "export", str(path / "train.parquet"), "--feature", "quality")
    train = pl.read_parquet(path / "train.parquet")
    assert train.select(keys).sort(keys).equals(labels.select(keys))
    assert train["impressions"].sum() == len(world.log)
    assert {"label", "sample_weight", "click_weight_1", "quality"} <= set(train.columns)
    of_group = "query" if keys == ["impression"] else keys[0]
    assert made["grouped_by"] == of_group
    assert made["n_groups"] == train[of_group].n_unique()
    assert train["group"].is_sorted()
    assert train.group_by(of_group).agg(pl.col("group").n_unique())["group"].max() == 1

    made = told(path, "export", str(path / "rows.parquet"), "--unit", "impression")
    assert made["n_rows"] == len(world.log)
    by_row = pl.read_parquet(path / "rows.parquet").group_by(keys).agg(pl.col("clicked").sum())
    clicks = train.select(*keys, clicked="clicks")
    assert by_row.sort(keys).equals(clicks.sort(keys), null_equal=True)


def test_units_that_were_shown_once_are_warned_of_when_their_intervals_are_read(world, tmp_path):
    case = world.cases["user-item"]
    path = project(tmp_path, world.log, case)
    assert "shown only once" not in call(path, "label").stderr, "no function reads an interval"
    with (path / "labeling_functions" / "mine.py").open("a", encoding="utf-8") as file:
        file.write(
            "\n\n@labeling_function\ndef surely():\n"
            '    """Surely clicked."""\n    return vote(1, where=col("ctr_low") > 0.3)\n'
        )
    said = call(path, "label")
    assert said.exit_code == 0
    assert "examples (user and item) were shown only once" in " ".join(said.stderr.split())


def test_a_scheme_that_rests_on_other_items_of_a_query_is_refused_for_other_units(world, tmp_path):
    path = project(tmp_path, world.log, world.cases["session"])
    told(path, "label")
    refused = call(path, "export", str(path / "t.parquet"), "--scheme", "doubly_robust")
    assert refused.exit_code == 3
    assert "the rate of the query's other items" in refused.stderr
    assert not (path / "t.parquet").exists()


def test_runs_and_rounds_of_another_unit_are_not_mixed_with_these(world, tmp_path):
    case = world.cases["user-item"]
    path = project(tmp_path, world.log, case)
    first = told(path, "label")["run"]
    ask(path, case, "round-1", 10)
    toml = path / "labelkit.toml"
    text = toml.read_text(encoding="utf-8")
    toml.write_text(text.replace('unit = ["user", "item"]', 'unit = ["item"]'), encoding="utf-8")
    for command in (("validate",), ("lfs",), ("round", "plan"), ("bias",)):
        refused = call(path, *command)
        assert refused.exit_code == 3, command
        assert "labels user and item, and labelkit.toml says [labels] unit" in refused.stderr
    refused = call(path, "label")
    assert refused.exit_code == 3
    assert "The ledger holds answers about user and item" in refused.stderr
    assert 'ledger = "sqlite:///rounds-item.db"' in refused.stderr
    with toml.open("a", encoding="utf-8") as file:
        file.write('\n[rounds]\nledger = "sqlite:///rounds-item.db"\n')
    told(path, "label")
    for view in ("diff", "drift"):
        refused = call(path, "lfs", view, first)
        assert refused.exit_code == 3, view
        assert "no example of one is an example of the other" in refused.stderr


def test_answers_about_impressions_stay_with_their_rows(world, tmp_path):
    case = world.cases["impression"]
    path = project(tmp_path, world.log.head(10_000), case)
    toml = path / "labelkit.toml"
    text = toml.read_text(encoding="utf-8")
    toml.write_text(text.replace('["log.parquet"]', '["log*.parquet"]'), encoding="utf-8")
    told(path, "label")
    ask(path, case, "round-1", 20)
    # A day behind the others leaves their rows where they were …
    world.log.tail(10_000).write_parquet(path / "log2.parquet")
    assert told(path, "label")["counts"]["n_gold"] == 20
    # … and one before them moves every row.
    (path / "log2.parquet").rename(path / "log-0.parquet")
    for command in (("label",), ("export", str(path / "t.parquet"))):
        refused = call(path, *command)
        assert refused.exit_code == 3, command
        assert "does not begin with the same files" in " ".join(refused.stderr.split())


def test_worked_functions_compare_what_one_user_saw_where_users_are_labeled(world, tmp_path):
    path = tmp_path / "shop"
    path.mkdir()
    world.log.write_parquet(path / "log.parquet")
    command = ["init", str(path), "--log", "log.parquet", "--unit", "user", "--unit", "item"]
    assert CliRunner().invoke(app, command).exit_code == 0
    run = told(path, "label")
    votes = pl.read_parquet(Path(run["path"]) / "votes.parquet")
    assert "examined_but_never_clicked" in votes.columns
    assert (votes["examined_but_never_clicked"] == 0).any()


@pytest.mark.parametrize(
    ("unit", "message"),
    [
        (("device",), "no key column"),
        (("user", "item", "query"), "one or two different key columns"),
        (("impression", "item"), "an example by itself"),
    ],
)
def test_a_unit_that_is_none_makes_no_project(tmp_path, unit, message):
    path = tmp_path / "shop"
    command = ["init", str(path), *(word for key in unit for word in ("--unit", key))]
    refused = CliRunner().invoke(app, command)
    assert refused.exit_code == 3
    assert message in refused.stderr
    assert not path.exists()
