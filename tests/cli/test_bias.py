"""``labelkit bias`` on the small project."""

from __future__ import annotations

import json

import polars as pl
import pytest
from typer.testing import CliRunner, Result

from labelkit.cli import app
from labelkit.cli.output import STOP


@pytest.fixture
def run(small_project):
    def run(*command: str) -> Result:
        return CliRunner().invoke(app, [*command, "--project", str(small_project.path)])

    return run


def silent_below(small_project, position: int) -> None:
    """No click was ever made below a position."""
    path = small_project.path / "log.parquet"
    frame = pl.read_parquet(path)
    below = pl.col("position") > position
    frame.with_columns(clicked=pl.when(below).then(0).otherwise(pl.col("clicked"))).write_parquet(
        path
    )


def test_it_tells_curves_findings_and_what_comes_next(run):
    assert run("label").exit_code == 0
    told = run("bias")
    assert told.exit_code == 0
    for text in (
        "Propensities by every estimator",
        "Rival click models on held-out pages",
        "Ways to weight clicks",
        "Propensities of time windows",
        "Labels that rest on where θ lies",
        "PBM describes the log as well as its rivals",
        "Next: labelkit report --project",
    ):
        assert text in told.stdout, text


def test_without_a_run_it_says_so_and_what_to_do(run):
    told = run("bias")
    assert told.exit_code == 0
    assert "There is no run yet" in told.stdout
    assert "Next: labelkit label --project" in told.stdout


def test_json_holds_every_finding_and_table(run):
    assert run("label").exit_code == 0
    found = json.loads(run("bias", "--json", "--windows", "3").stdout)
    assert found["method"] == "poisson"
    assert {f["level"] for f in found["findings"]} <= {"fine", "look", "stop"}
    assert len(found["tables"]["bias-6-windows"]) == 3
    assert found["tables"]["bias-1-estimators"][0]["propensity"] == 1.0


def test_strict_ends_with_its_own_code_after_everything_was_said(run, small_project):
    silent_below(small_project, 7)
    assert run("label").exit_code == 0
    lenient = run("bias", "--json")
    assert lenient.exit_code == 0
    strict = run("bias", "--json", "--strict")
    assert strict.exit_code == STOP == 6
    findings = json.loads(strict.stdout)["findings"]
    assert any(f["level"] == "stop" for f in findings)


def test_strict_is_content_with_a_log_that_has_nothing_to_stop_for(run):
    assert run("label").exit_code == 0
    assert run("bias", "--strict", "--quiet").exit_code == 0


def test_fewer_than_two_windows_are_a_wrong_command_line(run):
    assert run("bias", "--windows", "1").exit_code == 2
