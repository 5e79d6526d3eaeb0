"""The whole job through the command line, on a small project with a simulated log."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner, Result

import labelkit as lk
from labelkit.cli import app
from labelkit.platforms import ScriptedAnnotator


@pytest.fixture
def run(small_project):
    """Run a command in the small project."""

    def run(*command: str) -> Result:
        return CliRunner().invoke(app, [*command, "--project", str(small_project.path)])

    return run


def _runs(path: Path) -> list[Path]:
    return sorted((path / "runs").iterdir())


def test_the_same_seed_gives_byte_identical_labels(run, small_project):
    for _ in range(2):
        assert run("label", "--seed", "11").exit_code == 0
    first, second = _runs(small_project.path)
    assert (first / "labels.parquet").read_bytes() == (second / "labels.parquet").read_bytes()
    assert (first / "votes.parquet").read_bytes() == (second / "votes.parquet").read_bytes()
    manifest = json.loads((first / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["seed"] == 11


def test_the_order_of_the_log_changes_no_byte_of_the_labels(run, small_project):
    assert run("label").exit_code == 0
    log = small_project.path / "log.parquet"
    pl.read_parquet(log).sample(fraction=1, shuffle=True, seed=5).write_parquet(log)
    assert run("label").exit_code == 0
    first, second = _runs(small_project.path)
    assert (first / "labels.parquet").read_bytes() == (second / "labels.parquet").read_bytes()


def test_a_label_run_says_what_it_did_on_stdout_and_as_json(run, small_project):
    told = run("label")
    assert "30,000 impressions became" in told.stdout
    assert "Next: labelkit report --project" in told.stdout
    found = json.loads(run("label", "--json").stdout)
    assert found["counts"]["n_impressions"] == 30_000
    assert Path(found["path"]) == _runs(small_project.path)[-1]
    quiet = run("label", "--quiet")
    assert (quiet.exit_code, quiet.stdout) == (0, "")


def test_gold_comes_back_through_files_is_learned_from_and_measured_on(run, small_project):
    assert run("label").exit_code == 0
    planned = json.loads(run("round", "plan", "--json").stdout)
    assert (planned["name"], planned["state"], planned["n_tasks"]) == ("round-1", "planned", 40)
    assert "40 tasks sent, 0 were there already" in run("round", "push").stdout
    assert "0 tasks sent, 40 were there already" in run("round", "push").stdout
    tasks = small_project.path / "rounds" / "round-1" / "tasks.json"
    shown = json.loads(tasks.read_text(encoding="utf-8"))[0]["data"]
    assert shown["title"].endswith("<b>&"), "people see the user's own table, as text"

    small_project.answer("round-1", most=30)
    assert "30 new answers" in run("round", "pull").stdout
    small_project.answer("round-1")
    assert "10 new answers" in run("round", "pull").stdout
    assert "0 new answers" in run("round", "pull").stdout

    before = json.loads(run("validate", "--json").stdout)
    rows = {(row["labels"], row["metric"]): row for row in before["validation"]}
    assert rows["weak labels", "accuracy"]["n"] == 40
    assert rows["weak labels", "auc"]["estimate"] > rows["naive clicks", "auc"]["estimate"]

    closed = run("round", "close")
    assert "closed with 40 of 40 tasks answered" in closed.stdout
    learned = run("label")
    assert learned.exit_code == 0
    assert "What the labels are worth" in learned.stdout
    latest = _runs(small_project.path)[-1]
    assert (
        json.loads((latest / "manifest.json").read_text(encoding="utf-8"))["counts"]["n_gold"] == 40
    )
    assert pl.read_parquet(latest / "crossfit.parquet").height == 40

    assert run("report").exit_code == 0
    page = (latest / "report.html").read_text(encoding="utf-8")
    assert "Not validated yet" not in page
    assert "accuracy on gold" in page
    analysis = json.loads(run("lfs", "--json").stdout)["lfs"]
    assert {"accuracy", "accuracy_low", "accuracy_high"} <= set(analysis[0])

    again = json.loads(run("round", "plan", "--json").stdout)
    assert again["name"] == "round-2"
    status = json.loads(run("round", "status", "--json").stdout)["rounds"]
    assert [row["state"] for row in status] == ["closed", "planned"]


def test_a_second_round_asks_about_nothing_that_the_first_asked_about(run, small_project):
    assert run("label").exit_code == 0
    keys = []
    for name in ("round-1", "round-2"):
        assert run("round", "plan").exit_code == 0
        assert run("round", "push", "--name", name).exit_code == 0
        path = small_project.path / "rounds" / name / "tasks.json"
        tasks = json.loads(path.read_text(encoding="utf-8"))
        keys.append({(task["data"]["query"], task["data"]["item"]) for task in tasks})
    assert len(keys[0]) == len(keys[1]) == 40
    assert not keys[0] & keys[1]


def test_bad_rows_stop_the_run_or_go_to_a_file_that_the_run_keeps(run, small_project):
    log = small_project.path / "log.parquet"
    rows = pl.read_parquet(log)
    bad = rows.head(7).with_columns(position=pl.lit(0, dtype=rows.schema["position"]))
    pl.concat([rows, bad]).write_parquet(log)
    stopped = run("label")
    assert stopped.exit_code == 3
    assert "7 of 30,007" in stopped.stderr
    assert _runs(small_project.path) == []

    small_project.replace("[log]\n", '[log]\non_bad_rows = "quarantine"\n')
    went_on = run("label")
    assert went_on.exit_code == 0
    assert "7 bad rows were set aside" in went_on.stderr
    (kept,) = _runs(small_project.path)
    assert pl.read_parquet(kept / "quarantine.parquet").height == 7
    assert not (small_project.path / "quarantine.parquet").exists()


def test_a_function_that_the_log_cannot_serve_is_left_out_only_where_that_is_allowed(
    run, small_project
):
    (small_project.path / "labeling_functions" / "more.py").write_text(
        "from labelkit import col, labeling_function, vote\n\n\n"
        "@labeling_function\n"
        "def bought():\n"
        '    """A purchase is rare and deliberate."""\n'
        '    return vote(1, where=col("conversions") > 0)\n',
        encoding="utf-8",
    )
    refused = run("label")
    assert refused.exit_code == 3
    assert "bought" in refused.stderr
    assert "conversions" in refused.stderr
    small_project.append('[lfs]\non_missing = "skip"\n')
    went_on = run("label")
    assert went_on.exit_code == 0
    assert "Left out, for want of columns: bought (conversions)" in went_on.stderr
    assert "bought" not in pl.read_parquet(_runs(small_project.path)[0] / "votes.parquet").columns


def test_a_round_on_the_offline_page_is_opened_labeled_and_pulled(run, small_project):
    small_project.append('[platform]\nkind = "page"\n')
    run("label")
    run("round", "plan")
    early = run("round", "open")
    assert early.exit_code == 3
    assert "push it first" in early.stderr
    pushed = run("round", "push")
    page = small_project.path / "rounds" / "round-1" / "label.html"
    assert str(page) in pushed.stdout.replace("\n", "")
    assert page.is_file()
    # What `webbrowser` calls in place of a browser writes down what it was told to open.
    browser = small_project.path / "browser.sh"
    browser.write_text(f'#!/bin/sh\nprintf %s "$1" > "{small_project.path}/opened"\n')
    browser.chmod(0o755)
    command = [sys.executable, "-m", "labelkit", "round", "open", "--json"]
    done = subprocess.run(
        [*command, "--project", str(small_project.path)],
        env={**os.environ, "BROWSER": f"{browser} %s"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout) == {"address": page.resolve().as_uri(), "opened": True}
    assert (small_project.path / "opened").read_text() == page.resolve().as_uri()
    with lk.Project(small_project.path).ledger() as ledger:
        round_ = ledger.round("round-1", platform=lk.Project(small_project.path).platform())
        keys = ("query", "item")
        assert ScriptedAnnotator(small_project.truth, keys=keys).answer(round_) == 40
    assert "40 new answers" in run("round", "pull").stdout
    assert "0 new answers" in run("round", "pull").stdout


def test_what_goes_wrong_has_its_own_exit_code_and_one_clear_message(run, small_project, tmp_path):
    nowhere = CliRunner().invoke(app, ["label", "--project", str(tmp_path / "none")])
    assert nowhere.exit_code == 3
    assert nowhere.stderr.startswith("Error: No labelkit.toml in 'none/'")
    assert "Traceback" not in nowhere.stderr
    assert run("label", "--sed", "3").exit_code == 2
    assert run("report").exit_code == 3
    assert run("round", "push").exit_code == 3
    assert run("label").exit_code == 0
    unsure = run("validate")
    assert unsure.exit_code == 3
    assert "labelkit round plan" in unsure.stderr

    small_project.append('[platform]\nkind = "label_studio"\nurl = "http://127.0.0.1:9"\n')
    silent = CliRunner().invoke(
        app,
        ["round", "plan", "--project", str(small_project.path)],
        env={"LABEL_STUDIO_API_KEY": ""},
    )
    assert silent.exit_code == 5
    assert "LABEL_STUDIO_API_KEY" in silent.stderr
    with_token = {"LABEL_STUDIO_API_KEY": "0123456789abcdef0123456789abcdef01234567"}
    command = ["--project", str(small_project.path)]
    planned = CliRunner().invoke(app, ["round", "plan", *command], env=with_token)
    assert planned.exit_code == 0
    unreachable = CliRunner().invoke(app, ["round", "push", *command], env=with_token)
    assert unreachable.exit_code == 5
    assert "0123456789abcdef" not in unreachable.output
    for path in small_project.path.rglob("*"):
        if path.is_file():
            assert b"0123456789abcdef" not in path.read_bytes(), f"the token is in {path.name}"


def test_one_fixed_ranking_ends_with_the_exit_code_of_a_log_that_cannot_tell(run, small_project):
    log = small_project.path / "log.parquet"
    rows = pl.read_parquet(log)
    fixed = rows.with_columns(position=pl.col("doc") % 12 + 1)
    fixed.write_parquet(log)
    refused = run("label")
    assert refused.exit_code == 4
    assert refused.stderr.lstrip().startswith("Error: ")
    as_json = run("label", "--json")
    error = json.loads(as_json.stdout)["error"]
    assert (error["kind"], error["exit_code"]) == ("NotIdentifiable", 4)


def test_an_unexpected_error_asks_for_a_report_and_shows_its_place_only_with_debug(
    run, small_project, monkeypatch
):
    monkeypatch.setattr(
        "labelkit.project.Project.label", lambda *_, **__: {}["no such thing"], raising=True
    )
    told = run("label")
    assert told.exit_code == 1
    assert "--debug" in told.stderr
    debugged = run("label", "--debug")
    assert isinstance(debugged.exception, KeyError)


def test_init_makes_a_project_that_labels_its_log(small_project, tmp_path):
    new = tmp_path / "new"
    made = CliRunner().invoke(
        app, ["init", str(new), "--log", str(small_project.path / "log.parquet")]
    )
    assert made.exit_code == 0, made.stderr
    assert "query = qid" in made.stdout
    assert "item = doc" in made.stdout
    labeled = CliRunner().invoke(app, ["label", "--project", str(new), "--json"])
    assert labeled.exit_code == 0, labeled.stderr
    assert json.loads(labeled.stdout)["counts"]["n_impressions"] == 30_000
    assert "Left out, for want of columns: bought" in labeled.stderr, (
        "the log has no conversions, and that is said"
    )
    twice = CliRunner().invoke(app, ["init", str(new)])
    assert twice.exit_code == 3
    assert CliRunner().invoke(app, ["init", str(tmp_path / "x"), "--column", "q"]).exit_code == 2


def test_the_installed_command_keeps_stdout_for_results(small_project):
    environment = {**os.environ, "PYTHONWARNINGS": "error"}
    done = subprocess.run(
        [sys.executable, "-m", "labelkit", "label", "--json"],
        cwd=small_project.path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["counts"]["n_impressions"] == 30_000


def test_suggestions_are_shown_and_kept_when_a_person_says_so(run, small_project):
    small_project.replace("n = 40", "n = 200")
    assert run("label").exit_code == 0
    unasked = json.loads(run("lfs", "suggest", "--json").stdout)
    assert "ask people" in unasked["summary"]
    run("round", "plan", "--strategy", "random", "--audit-share", "0.5")
    run("round", "push")
    small_project.answer("round-1")
    assert run("round", "pull").exit_code == 0

    shown = run("lfs", "suggest", "-n", "4")
    assert shown.exit_code == 0
    assert "rules were judged" in shown.stdout
    assert not (small_project.path / "labeling_functions" / "suggested.py").exists()

    misplaced = CliRunner().invoke(app, ["lfs", "--project", str(small_project.path), "suggest"])
    assert misplaced.exit_code == 2, "it would look for a project here"
    beyond = run("lfs", "suggest", "-n", "4", "--accept", "9")
    assert beyond.exit_code == 2
    kept = json.loads(run("lfs", "suggest", "-n", "4", "--accept", "1", "--json").stdout)
    assert kept["accepted"] == [kept["suggestions"][0]["lf"]]
    text = (small_project.path / "labeling_functions" / "suggested.py").read_text(encoding="utf-8")
    assert f"def {kept['accepted'][0]}():" in text
    assert run("label").exit_code == 0
    analysis = json.loads(run("lfs", "--json").stdout)["lfs"]
    assert kept["accepted"][0] in {row["lf"] for row in analysis}


def test_a_target_is_planned_for_without_opening_a_round(run, small_project):
    assert run("label").exit_code == 0
    told = run("round", "plan", "--target", "f1 +- 0.1", "--cost-per-label", "0.5")
    assert told.exit_code == 0, told.stderr
    assert "takes about" in told.stdout
    assert "they cost about" in told.stdout
    assert "No round yet" in run("round", "status").stdout
    run("round", "plan")
    run("round", "push")
    small_project.answer("round-1")
    run("round", "pull")
    found = json.loads(run("round", "plan", "--target", "accuracy ± 0.02", "--json").stdout)
    assert found["target"] == "accuracy ± 0.02"
    assert found["half_width_now"] > 0.02
    assert found["n_labels"] is None or found["low"] <= found["n_labels"]
    measured = json.loads(run("validate", "--json").stdout)["validation"]
    row = next(r for r in measured if (r["labels"], r["metric"]) == ("weak labels", "accuracy"))
    assert found["half_width_now"] == pytest.approx((row["high"] - row["low"]) / 2, rel=0.1)
    wrong = run("round", "plan", "--target", "beauty +- 1")
    assert wrong.exit_code == 3
    assert "as in 'f1 ± 0.03'" in wrong.stderr


def test_strategies_are_tried_out_on_a_file_of_truth(run, small_project, tmp_path):
    assert run("label").exit_code == 0
    labels = pl.read_parquet(_runs(small_project.path)[-1] / "labels.parquet")
    truth = labels.select("query", "item", label=(pl.col("p_1") > 0.5).cast(pl.Int64))
    truth.write_parquet(tmp_path / "truth.parquet")
    chart = tmp_path / "curves.svg"
    told = run("simulate", "rounds", "--truth", str(tmp_path / "truth.parquet"), "--seeds", "2",
               "--rounds", "2", "-n", "5", "--chart", str(chart))  # fmt: skip
    assert told.exit_code == 0, told.stderr
    assert "random" in told.stdout
    assert chart.read_text(encoding="utf-8").startswith("<svg")
    truth.drop("label").write_csv(tmp_path / "bad.csv")
    wrong = run("simulate", "rounds", "--truth", str(tmp_path / "bad.csv"))
    assert wrong.exit_code == 3
    assert "'bad.csv' has no column 'label'" in wrong.stderr
