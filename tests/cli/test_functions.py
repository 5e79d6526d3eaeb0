"""``labelkit lfs …``: every view, for people and for machines."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from labelkit.cli import app
from labelkit.project import Project


@pytest.fixture
def run(small_project):
    def invoke(*arguments: str, code: int = 0):
        done = CliRunner().invoke(
            app,
            [*arguments, "--project", str(small_project.path)],
            env={"COLUMNS": "80"},
        )
        assert done.exit_code == code, done.output
        return done

    return invoke


@pytest.fixture
def judged(small_project, run):
    """A project with forty gold labels and a run that learned from them."""
    run("label")
    run("round", "plan")
    run("round", "push")
    small_project.answer("round-1")
    run("round", "pull")
    run("label")
    return small_project


def edit(project, old: str, new: str) -> None:
    path = project.path / "labeling_functions" / "clicks.py"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def test_every_name_and_every_figure_is_readable_on_eighty_columns(judged, run):
    for command in ("lfs", "lfs agreement", "lfs redundancy", "lfs value", "lfs errors"):
        out = run(*command.split()).stdout
        for name in ("clicked_often", "hardly_clicked", "good_page"):
            assert name in out, command
        tables = [line for line in out.splitlines() if line.startswith("  ")]
        assert max(map(len, tables)) <= 80
        assert "…" not in "".join(tables)
        assert "Next: " in out


def test_machines_get_the_same_as_the_api(judged, run):
    project = Project(judged.path)
    for command, key, frame in (
        ("agreement", "agreement", project.lfs_agreement()),
        ("redundancy", "redundancy", project.lfs_redundancy()),
        ("value", "value", project.lfs_value()),
        ("errors", "buckets", project.lfs_errors()),
        ("drift", "drift", project.lfs_drift()),
    ):
        told = json.loads(run("lfs", command, "--json").stdout)[key]
        assert told == json.loads(json.dumps(frame.to_dicts())), command


def test_errors_lead_to_examples_with_what_people_see(judged, run):
    buckets = json.loads(run("lfs", "errors", "--json").stdout)["buckets"]
    assert sum(r["truly relevant"] + r["truly irrelevant"] for r in buckets) == 5 * 40
    options = ["--vote", "abstained", "--gold", "relevant"]
    found = json.loads(run("lfs", "errors", "good_page", *options, "--json").stdout)["examples"]
    (bucket,) = [r for r in buckets if r["lf"] == "good_page" and r["vote"] == "abstained"]
    assert len(found) == bucket["truly relevant"] > 0
    assert all(row["vote"] == -1 and row["gold"] == 1 for row in found)
    assert all(row["title"].startswith("Page ") and row["quality"] <= 0.6 for row in found)
    assert "Page " in run("lfs", "errors", "(labels)").stdout
    assert (
        "is one of abstained, irrelevant, relevant"
        in run("lfs", "errors", "good_page", "--vote", "good", code=2).output
    )
    assert "no labeling function 'bad_page'" in run("lfs", "errors", "bad_page", code=3).output


def test_without_gold_errors_say_what_to_do(run):
    run("label")
    assert "labelkit round plan" in run("lfs", "errors", code=3).output
    assert "no run before" in run("lfs", "diff", code=3).output
    assert "accuracy_gain" not in run("lfs", "value", "--json").stdout


def test_diff_says_what_an_edit_did(judged, run):
    edit(judged, 'col("quality") > 0.6', 'col("quality") > 0.85')
    run("label")
    told = json.loads(run("lfs", "diff", "--json").stdout)
    (rule,) = told["rules"]
    assert rule["lf"] == "good_page"
    assert rule["status"] == "edited"
    assert "quality > 0.6" in rule["before"]
    assert "quality > 0.85" in rule["after"]
    assert '-    return vote(RELEVANT, where=col("quality") > 0.6)' in rule["source"]
    votes = {row["lf"]: row for row in told["votes"]}
    first, second = (r.votes()["good_page"] for r in Project(judged.path).runs()[-2:])
    assert votes["good_page"]["lost"] == ((first >= 0) & (second < 0)).sum() > 0
    assert votes["clicked_often"]["lost"] == votes["clicked_often"]["flipped"] == 0
    labels = [r.labels()["label"] for r in Project(judged.path).runs()[-2:]]
    assert sum(r["examples"] for r in told["labels"]) == (labels[0] != labels[1]).sum() > 0
    accuracy = {row["lf"]: row for row in told["accuracy"]}
    assert {"(labels)", "good_page"} <= set(accuracy) <= {"(labels)", *votes}
    sure = [row for row in accuracy.values() if row["change_low"] is not None]
    assert accuracy["(labels)"] in sure
    for row in sure:
        assert row["change_low"] <= row["change"] <= row["change_high"]
        assert row["change"] == pytest.approx(row["after"] - row["before"])
    assert len(told["examples"]) == 10
    for example in told["examples"]:
        assert example["title"].startswith("Page ")
    assert told["examples"][0]["label_before"] != told["examples"][0]["label_after"]
    because = {example["votes"] for example in told["examples"]}
    assert because <= {"good_page: relevant → abstained", "the same, weighed otherwise"}
    every = Project(judged.path).lfs_diff(n=10_000).examples
    assert (every["votes"] == "good_page: relevant → abstained").sum() == votes["good_page"]["lost"]
    assert told["notes"] == []
    shown = run("lfs", "diff", "-n", "3").stdout
    assert "good_page: edited" in shown
    assert "quality > 0.85" in shown


def test_diff_warns_of_what_else_changed(judged, run):
    edit(judged, "IRRELEVANT, RELEVANT = 0, 1", "IRRELEVANT, RELEVANT = 1, 0")
    judged.append('[model]\nmethod = "majority"\n')
    run("label")
    told = json.loads(run("lfs", "diff", "--json").stdout)
    assert {row["status"] for row in told["rules"]} == {"rule changed"}
    assert told["notes"] == ["labelkit.toml differs in [model]."]
    assert all(row["flipped"] == row["votes_before"] > 0 for row in told["votes"])
    runs = [r.id for r in Project(judged.path).runs()]
    again = json.loads(run("lfs", "diff", runs[1], runs[1], "--json").stdout)
    assert again["rules"] == again["labels"] == again["examples"] == []
    drifted = run("lfs", "drift").stdout
    assert "votes 1" in drifted
    assert "accuracy" in drifted


def test_options_before_a_command_are_refused_rather_than_ignored(small_project):
    done = CliRunner().invoke(app, ["lfs", "-C", str(small_project.path), "agreement"])
    assert done.exit_code == 2
    assert "options stand after the command" in done.output


def test_label_says_whose_votes_were_there_already(small_project, run):
    (small_project.path / "labeling_functions" / "rows.py").write_text(
        "from labelkit import labeling_function\n\n\n@labeling_function\n"
        "def short(x):\n    return 1 if len(x.title) < 9 else -1\n",
        encoding="utf-8",
    )
    assert "cache" not in run("label").stdout
    assert "votes of short came from the cache" in run("label").stdout
