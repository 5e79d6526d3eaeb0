"""``Project``: the rooms wired together."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import polars as pl
import pytest

from labelkit.errors import LFError, LogError, ProjectError, RoundError, RowFunctionWarning
from labelkit.files import sha256
from labelkit.project import Project

ROW_FUNCTION = '''
def short_title(x) -> int:
    """Good pages have short titles here."""
    return 1 if len(x.title) < 14 else -1
'''

THREE_CLASSES = '''
from labelkit import col, labeling_function, vote


@labeling_function
def by_quality():
    """The better the page, the better the answer."""
    return vote(2, where=col("quality") > 0.7) | vote(0, where=col("quality") < 0.3)


@labeling_function
def middling():
    """Neither good nor bad."""
    return vote(1, where=col("quality").between(0.3, 0.6))


@labeling_function
def clicked():
    """Clicks are a good sign."""
    return vote(2, where=col("ctr") > 0.4) | vote(0, where=col("ctr") < 0.1)
'''


def test_a_run_says_where_everything_came_from(small_project):
    stages: list[str] = []
    run = Project(small_project.path).label(progress=stages.append)
    manifest = run.manifest
    assert stages[0] == "reading and checking the log"
    assert [stage.stage for stage in manifest.stages] == stages
    assert manifest.seed == 3, "from labelkit.toml"
    inputs = {fact.path: fact for fact in manifest.inputs}
    assert set(inputs) == {"log.parquet", "items.parquet"}
    assert inputs["log.parquet"].sha256 == sha256(small_project.path / "log.parquet")
    for fact in manifest.outputs:
        assert fact.sha256 == sha256(run.path / fact.path)
        assert fact.n_bytes == (run.path / fact.path).stat().st_size
    assert {lf.name for lf in manifest.lfs} == set(run.votes().columns) - {"query", "item"}
    rule = next(lf for lf in manifest.lfs if lf.name == "clicked_often")
    assert "ctr_low" in rule.rule
    assert rule.doc.startswith("A debiased click rate")
    assert rule.where.endswith("clicks.py:8")
    assert manifest.counts.n_impressions == 30_000
    assert manifest.counts.n_examples == len(run.labels())
    assert manifest.bias.method == "poisson"
    assert {"labelkit", "polars", "numpy", "python"} <= set(manifest.versions)


def test_tables_of_a_run_have_the_same_rows_in_the_same_order(small_project):
    run = Project(small_project.path).label()
    keys = run.labels().select("query", "item")
    assert keys.equals(keys.sort("query", "item"))
    assert run.votes().select("query", "item").equals(keys)
    assert run.evidence().select("query", "item").equals(keys)


def test_only_the_evidence_that_functions_read_is_computed(small_project):
    run = Project(small_project.path).label()
    assert set(run.evidence().columns) == {
        *("query", "item", "impressions", "clicks"),
        *("ctr_low", "ctr_high", "ips_ctr", "quality"),
    }


def test_duckdb_reads_the_log_to_the_same_labels(small_project):
    pytest.importorskip("duckdb")
    first = Project(small_project.path).label()
    small_project.replace("[log]\n", '[log]\nengine = "duckdb"\n')
    second = Project(small_project.path).label()
    one, other = first.labels(), second.labels()
    assert one.select("query", "item", "label").equals(other.select("query", "item", "label"))
    assert (one["p_1"] - other["p_1"]).abs().max() < 1e-9


def test_a_log_whose_clock_counts_milliseconds_is_read_once_said(small_project):
    path = small_project.path / "log.parquet"
    log = pl.read_parquet(path).with_columns(pl.col("timestamp").dt.epoch("ms"))
    log.write_parquet(path)
    with pytest.raises(LogError, match=r"in the future .* timestamp_unit = 'ms'"):
        Project(small_project.path).label()
    small_project.replace("[log]\n", '[log]\ntimestamp_unit = "ms"\n')
    assert Project(small_project.path).label().manifest.counts.n_impressions == len(log)


def test_click_rates_are_shrunk_towards_what_the_project_says(small_project):
    by_placement = Project(small_project.path).label().evidence()["ctr_low"]
    small_project.append('[evidence]\nprior = "global"\n')
    assert not Project(small_project.path).label().evidence()["ctr_low"].equals(by_placement)


def test_a_row_function_may_read_any_column_and_says_what_it_costs(small_project):
    path = small_project.path / "labeling_functions" / "rows.py"
    path.write_text(
        "from labelkit import labeling_function\n\n\n@labeling_function" + ROW_FUNCTION,
        encoding="utf-8",
    )
    with pytest.warns(RowFunctionWarning):
        run = Project(small_project.path).label()
    votes = run.votes()["short_title"]
    assert set(votes.unique()) == {-1, 1}
    assert {"title", "dwell_max", "exposure"} <= set(run.evidence().columns)


def test_three_labels_go_through_label_round_and_validation(small_project):
    small_project.append('[labels]\nnames = ["bad", "fair", "good"]\n')
    (small_project.path / "labeling_functions" / "clicks.py").write_text(
        THREE_CLASSES, encoding="utf-8"
    )
    project = Project(small_project.path)
    run = project.label()
    assert {"p_0", "p_1", "p_2"} <= set(run.labels().columns)
    project.round_plan(30)
    project.round_push()
    sheet = small_project.path / "rounds" / "round-1" / "annotations.csv"
    rows = pl.read_csv(sheet, infer_schema=False)
    rows = rows.with_columns(label=pl.Series(["bad", "fair", "good"] * 10), annotator=pl.lit("ann"))
    rows.write_csv(sheet)
    assert project.round_pull().n_new_annotations == 30
    fitted = project.label()
    validation = fitted.validation()
    assert set(validation["labels"]) == {"weak labels"}, "clicks have no reading in three classes"
    assert validation.filter(metric="accuracy")["n"].item() == 30


def test_a_key_that_is_a_category_keeps_its_gold(small_project):
    # The ledger keeps categories as text; the log of the next day has them as categories again.
    log = small_project.path / "log.parquet"
    frame = pl.read_parquet(log).with_columns(
        pl.format("q{}", "qid").cast(pl.Categorical).alias("qid")
    )
    frame.write_parquet(log)
    items = small_project.path / "items.parquet"
    pl.read_parquet(items).with_columns(
        pl.format("q{}", "query").cast(pl.Categorical).alias("query")
    ).write_parquet(items)
    project = Project(small_project.path)
    project.label()
    project.round_plan(20)
    project.round_push()
    sheet = small_project.path / "rounds" / "round-1" / "annotations.csv"
    rows = pl.read_csv(sheet, infer_schema=False)
    answers = pl.Series(["relevant", "irrelevant"] * 10)
    rows.with_columns(label=answers, annotator=pl.lit("ann")).write_csv(sheet)
    project.round_pull()
    assert project.label().manifest.counts.n_gold == 20
    assert project.round_plan(20).n_tasks == 20


def test_a_password_in_the_ledgers_address_is_in_no_file_of_a_run(small_project, monkeypatch):
    monkeypatch.delenv("LABELKIT_LEDGER", raising=False)
    url = "postgresql://ann:hunter2@db.example.org/rounds"
    small_project.append(f'[rounds]\nledger = "{url}"\n')
    project = Project(small_project.path)
    # No PostgreSQL server runs at that address; what is tested is what the run writes down.
    monkeypatch.setattr(Project, "_has_ledger", lambda _: False)
    run = project.label()
    for path in run.path.rglob("*"):
        assert path.is_dir() or b"hunter2" not in path.read_bytes()
    config = json.loads((run.path / "manifest.json").read_text(encoding="utf-8"))["config"]
    assert config["rounds"]["ledger"] == "postgresql://ann:***@db.example.org/rounds"


def test_the_environment_names_the_ledger_before_the_file_does(
    small_project, monkeypatch, tmp_path
):
    project = Project(small_project.path)
    assert project.ledger_url == f"sqlite:///{small_project.path / 'rounds.db'}"
    elsewhere = f"sqlite:///{tmp_path / 'team.db'}"
    monkeypatch.setenv("LABELKIT_LEDGER", elsewhere)
    assert project.ledger_url == elsewhere
    project.label()
    project.round_plan(5)
    assert (tmp_path / "team.db").is_file()
    assert not (small_project.path / "rounds.db").exists()


def test_labeling_makes_no_ledger_before_a_round_does(small_project):
    Project(small_project.path).label()
    assert not (small_project.path / "rounds.db").exists()


def test_a_directory_whose_name_looks_like_a_glob_is_taken_literally(small_project):
    odd = small_project.path.with_name("shop [1]")
    small_project.path.rename(odd)
    (odd / "labelkit.toml").write_text(
        (odd / "labelkit.toml").read_text(encoding="utf-8").replace("log.parquet", "lo*.parquet"),
        encoding="utf-8",
    )
    assert Project(odd).label().manifest.counts.n_impressions == 30_000


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda t: pl.concat([t, t.head(1).with_columns(quality=9.0)]),
            "differently under one",
        ),
        (lambda t: t.with_columns(pl.col("item").cast(pl.String)), "nothing would match"),
        (lambda t: t.rename({"item": "sku"}), "no key column 'item'.*It has: query, sku"),
        (lambda t: t.with_columns(ctr_low=1.0), "a column 'ctr_low' that is there already"),
        (lambda t: t.drop("title"), None),
    ],
)
def test_a_table_that_does_not_fit_is_refused_with_what_is_wrong(small_project, change, message):
    path = small_project.path / "items.parquet"
    change(pl.read_parquet(path)).write_parquet(path)
    project = Project(small_project.path)
    if message is not None:
        with pytest.raises(ProjectError, match=message):
            project.label()
        return
    project.label()
    with pytest.raises(ProjectError, match="show names 'title'"):
        project.round_plan()


def test_columns_of_a_table_can_have_other_names_in_the_file(small_project):
    path = small_project.path / "items.parquet"
    pl.read_parquet(path).rename({"item": "sku", "quality": "q"}).write_parquet(path)
    small_project.append('[tables.items.columns]\nitem = "sku"\nquality = "q"\n')
    assert "quality" in Project(small_project.path).label().evidence().columns


def test_an_example_that_a_table_lacks_gets_no_vote_from_it_and_can_be_asked_about(small_project):
    path = small_project.path / "items.parquet"
    pl.read_parquet(path).head(900).write_parquet(path)
    project = Project(small_project.path)
    run = project.label()
    unknown = run.evidence()["quality"].is_null()
    assert unknown.any()
    assert set(run.votes().filter(unknown)["good_page"]) == {-1}
    assert project.round_plan(60).n_tasks == 60


def test_a_run_keeps_what_to_doubt_in_its_label_model(small_project):
    path = small_project.path / "labeling_functions" / "clicks.py"
    again = """

@labeling_function
def good_page_again():
    \"\"\"The same once more.\"\"\"
    return vote(RELEVANT, where=col("quality") > 0.6) | vote(
        IRRELEVANT, where=col("quality") < 0.3
    )
"""
    path.write_text(path.read_text(encoding="utf-8") + again, encoding="utf-8")
    run = Project(small_project.path).label()
    (said,) = [row for row in run.doubts() if "good_page_again" in row["about"]]
    assert "good_page" in said["finding"]
    assert said["advice"]


def test_a_round_spreads_over_the_features_that_the_project_names(small_project):
    features = 'numeric = ["quality", "impressions"]\ntext = ["title"]\n[run]'
    small_project.replace("[run]", features)
    project = Project(small_project.path)
    project.label()
    planned = project.round_plan(40, audit_share=0.25)
    with project.ledger() as ledger:
        tasks = ledger.round(planned.name, platform=project.platform()).tasks()
    assert Counter(task.stratum for task in tasks) == {"informative": 30, "audit": 10}


def test_a_feature_that_nothing_holds_is_refused_by_name(small_project):
    small_project.replace("[run]", 'numeric = ["qualty"]\n[run]')
    project = Project(small_project.path)
    project.label()
    with pytest.raises(ProjectError, match=r"'qualty' that neither the evidence"):
        project.round_plan(10)


def test_a_broken_function_is_named_before_the_log_is_read(small_project):
    path = small_project.path / "labeling_functions" / "clicks.py"
    path.write_text("x = (\n", encoding="utf-8")
    (small_project.path / "log.parquet").unlink()
    with pytest.raises(LFError, match=r"clicks.py"):
        Project(small_project.path).label()


def test_without_an_open_round_or_with_two_the_round_must_be_named(small_project):
    project = Project(small_project.path)
    project.label()
    with pytest.raises(RoundError, match="No round is open"):
        project.round_push()
    project.round_plan(5)
    project.round_plan(5)
    with pytest.raises(RoundError, match="name one of round-1, round-2"):
        project.round_push()
    assert project.round_push("round-2").n_pushed == 5


def test_runs_are_found_by_id_and_the_latest_without_one(small_project):
    project = Project(small_project.path)
    with pytest.raises(ProjectError, match="no run yet"):
        project.run()
    first, second = project.label(), project.label()
    assert project.latest() == second
    assert project.run(first.id) == first
    with pytest.raises(ProjectError, match=f"no run 'x'.*{second.id}"):
        project.run("x")
    assert [run.id for run in project.runs()] == [first.id, second.id]
    assert Path(first.path).parent == small_project.path / "runs"
