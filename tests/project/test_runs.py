"""Run directories are whole or not there."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from labelkit.errors import ProjectError
from labelkit.project import Manifest, ResultTable, Run
from labelkit.project.manifest import BiasFact, Counts, FileFact, Finding, LFFact, SkippedLF
from labelkit.project.runs import build_run, file_fact, list_runs

MANIFEST = Manifest(
    run="a",
    created="2026-01-01T00:00:00.000+00:00",
    seed=1,
    label_names=("no", "ja"),
    counts=Counts(1, 2, 3, 4, 5, 6, 7, 8),
    bias=BiasFact("poisson", "because", True, (Finding("links", "fine", "All linked."),)),
    unchecked=("timestamps",),
    inputs=(FileFact("x", 3, "00"),),
    lfs=(LFFact("f", "why", "1 where x > 0", "f.py:3", "11"),),
    skipped_lfs=(SkippedLF("g", ("dwell_max",)),),
    stages=(),
    outputs=(),
    versions={"python": "3"},
    config={"run": {"seed": 1}},
)


def _complete(runs: Path) -> Path:
    with build_run(runs) as build:
        (build.path / "labels.parquet").write_bytes(b"x")
        (build.path / "manifest.json").write_text(MANIFEST.to_json(), encoding="utf-8")
    return runs / build.id


def test_a_manifest_reads_back_as_it_was_written(tmp_path: Path):
    path = tmp_path / "manifest.json"
    path.write_text(MANIFEST.to_json(), encoding="utf-8")
    assert Manifest.read(path) == MANIFEST


def test_a_run_that_fails_leaves_nothing(tmp_path: Path):
    def fails() -> None:
        with build_run(tmp_path / "runs") as build:
            (build.path / "labels.parquet").write_bytes(b"half")
            raise ValueError("in the middle")

    with pytest.raises(ValueError, match="in the middle"):
        fails()
    assert list((tmp_path / "runs").iterdir()) == []
    assert list_runs(tmp_path / "runs") == ()


def test_a_run_is_not_seen_before_it_is_complete(tmp_path: Path):
    with build_run(tmp_path) as build:
        (build.path / "manifest.json").write_text(MANIFEST.to_json(), encoding="utf-8")
        assert list_runs(tmp_path) == ()
    assert [run.id for run in list_runs(tmp_path)] == [build.id]


def test_runs_sort_by_the_time_at_which_they_began(tmp_path: Path):
    ids = [_complete(tmp_path).name for _ in range(3)]
    assert [run.id for run in list_runs(tmp_path)] == sorted(ids)


def test_a_run_of_another_format_is_refused_with_what_to_do(tmp_path: Path):
    path = _complete(tmp_path)
    newer = replace(MANIFEST, schema_version=99)
    (path / "manifest.json").write_text(newer.to_json(), encoding="utf-8")
    with pytest.raises(ProjectError, match=r"format 99.*labelkit label"):
        _ = Run(path).manifest


def test_a_damaged_manifest_is_named(tmp_path: Path):
    path = _complete(tmp_path)
    (path / "manifest.json").write_text('{"schema_version": 1}', encoding="utf-8")
    with pytest.raises(ProjectError, match=f"{path.name}.*damaged"):
        _ = Run(path).manifest


def test_a_table_that_a_run_does_not_have_is_named(tmp_path: Path):
    with pytest.raises(ProjectError, match=r"no validation.parquet"):
        Run(_complete(tmp_path)).validation()


def test_files_are_named_relative_to_the_project_where_they_lie_inside_it(tmp_path: Path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "log.csv").write_text("x", encoding="utf-8")
    assert file_fact(tmp_path / "a" / "log.csv", tmp_path).path == "a/log.csv"
    outside = file_fact(tmp_path / "a" / "log.csv", tmp_path / "b")
    assert outside.path == (tmp_path / "a" / "log.csv").as_posix()
    assert outside.sha256.startswith("2d711642b726b044")


def test_result_tables_come_back_in_order_of_name(tmp_path: Path):
    frame = pl.DataFrame({"labels": ["naive", "weak"], "auc": [0.6, None], "n": [3, 4]})
    ResultTable("2_b", "Second", "note", frame).save(tmp_path)
    ResultTable("1_a", "First", "", frame.head(1)).save(tmp_path)
    found = ResultTable.read_all(tmp_path)
    assert [table.title for table in found] == ["First", "Second"]
    assert found[1].frame.equals(frame)
