"""The demo shows what it promises, and no grade reaches a label but through the annotator."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from labelkit import demo
from labelkit.demo.data import KEYS, load
from labelkit.demo.tell import ASKED, DEBIASED, NAIVE, WEAK
from labelkit.errors import ProjectError
from labelkit.project import Project


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return demo.run(tmp_path_factory.mktemp("demo") / "here", seed=0)


@pytest.fixture(scope="module")
def tables(played: Any) -> dict[str, pl.DataFrame]:
    return {table.name: table.frame for table in played.tables}


def step(played: Any, log: str, metric: str, labels: str, less: str) -> tuple[float, ...]:
    row = played.steps.filter(log=log, metric=metric, labels=labels, less=less)
    return row.select("estimate", "low", "high").row(0)


@pytest.mark.parametrize("metric", ["auc", "ndcg@10"])
def test_on_the_adverse_log_weak_labels_beat_naive_clicks_beyond_doubt(played, metric):
    _, low, _ = step(played, "adverse", metric, WEAK, less=NAIVE)
    assert low > 0


@pytest.mark.parametrize("metric", ["auc", "ndcg@10"])
def test_a_hundred_answers_improve_weak_labels_further(played, metric):
    estimate, _, _ = step(played, "adverse", metric, ASKED, less=WEAK)
    assert estimate > 0


@pytest.mark.parametrize("log", ["good", "adverse"])
@pytest.mark.parametrize("metric", ["log_loss", "calibration_error"])
def test_a_hundred_answers_make_labels_honest_beyond_doubt(played, log, metric):
    _, _, high = step(played, log, metric, ASKED, less=WEAK)
    assert high < 0


def test_with_good_rankers_naive_clicks_rank_well_within_queries_which_is_why_both_are_shown(
    played,
):
    estimate, _, _ = step(played, "good", "ndcg@10", DEBIASED, less=NAIVE)
    assert abs(estimate) < 0.05
    _, low, _ = step(played, "good", "auc", WEAK, less=NAIVE)
    assert low > 0


def test_propensities_are_found_again(tables):
    curve = tables["demo-1-propensities"].filter(pl.col("position") > 1)
    inside = curve.select(pl.col("truth").is_between("low", "high").mean()).item()
    assert inside >= 0.8  # 18 intervals at 95 %
    error = curve.select((pl.col("estimate") / pl.col("truth") - 1).abs().mean()).item()
    assert error < 0.12


def test_it_says_that_nobody_was_asked_and_measures_on_nothing_that_was_answered(played):
    assert "script" in played.headline
    project = Project(played.directory)
    assert project.gold().height == 100
    note = next(table.note for table in played.tables if table.name == "demo-2-ranking")
    measured = project.latest().labels().height - 100
    assert played.levels["log"].unique().sort().to_list() == ["adverse", "good"]
    assert f"{measured:,} (adverse)" in note


def test_the_project_holds_no_grade_where_labeling_functions_could_see_one(played):
    for name in ("good", "adverse"):
        project = Project(played.directory.parent / name)
        items = pl.read_parquet(project.directory / "items.parquet")
        assert items.columns == [*KEYS, "signal_1", "signal_2", "signal_3"]
        log = pl.scan_parquet(project.directory / "log" / "*.parquet").collect_schema().names()
        assert not {"relevance", "attractiveness"} & {*log, *project.latest().evidence().columns}


def test_every_run_has_the_tables_and_the_true_curve_for_its_report(played):
    for name in ("good", "adverse"):
        run = Project(played.directory.parent / name).latest()
        assert run.has("propensity_truth")
        assert len(list((run.path / "tables").glob("demo-*.json"))) == len(played.tables)
        assert run.bias_findings(), "and what label found out about position bias by itself"


def test_nothing_of_a_users_is_overwritten(played):
    with pytest.raises(ProjectError, match="there already"):
        demo.run(played.directory.parent)


def test_the_shipped_data_is_small_and_licensed():
    folder = Path(demo.__file__).parent / "data"
    assert (folder / "rank.parquet").stat().st_size < 500_000
    assert "MIT License" in (folder / "LICENSE").read_text(encoding="utf-8")
    graded = load()
    assert graded.height == 3_773
    assert graded["query"].n_unique() == 251
