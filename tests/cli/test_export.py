"""``labelkit export`` on the small project."""

from __future__ import annotations

import json

import polars as pl
from typer.testing import CliRunner

from labelkit.cli import app


def test_a_training_set_is_written_and_told_of(small_project, tmp_path):
    here = ["--project", str(small_project.path)]
    assert CliRunner().invoke(app, ["label", *here]).exit_code == 0
    path = tmp_path / "train.parquet"
    command = ["export", str(path), "--feature", "quality", "--scheme", "ips", *here]
    told = CliRunner().invoke(app, command)
    assert told.exit_code == 0
    frame = pl.read_parquet(path)
    assert f"{len(frame):,} rows" in told.stdout
    assert {"label", "p_1", "sample_weight", "click_weight_1", "group", "quality"} <= set(
        frame.columns
    )
    told = CliRunner().invoke(app, ["export", str(path), "--unit", "impression", "--json", *here])
    assert json.loads(told.stdout)["n_rows"] == 30_000 == len(pl.read_parquet(path))


def test_an_unknown_feature_is_bad_input_and_leaves_no_file(small_project, tmp_path):
    here = ["--project", str(small_project.path)]
    assert CliRunner().invoke(app, ["label", *here]).exit_code == 0
    path = tmp_path / "train.parquet"
    told = CliRunner().invoke(app, ["export", str(path), "--feature", "colour", *here])
    assert told.exit_code == 3
    assert "'colour'" in told.stderr
    assert not path.exists()
