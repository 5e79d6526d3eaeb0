"""``Project.bias``, what ``label`` looks at by itself, and training sets."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

import labelkit as lk
from labelkit.bias import Propensities, example_weights
from labelkit.errors import ProjectError
from labelkit.labelmodels import MajorityVote
from labelkit.lfs import Votes
from labelkit.project import Project, ResultTable
from labelkit.project.biasing import (
    BY_POSITION,
    CLICK_MODELS,
    CURVES,
    PERPLEXITY,
    RANKERS,
    REFUSED,
    SENSITIVITY,
    WEIGHTS,
    WINDOWS,
)
from labelkit.project.sensitivity import label_sensitivity
from labelkit.project.training import write_training_set


def names(run) -> set[str]:
    return {table.name for table in ResultTable.read_all(run.path)}


def fitted_to(run) -> MajorityVote:
    table = run.votes().drop("query", "item")
    return MajorityVote(2).fit(Votes.from_matrix(table.to_numpy(), lf_names=table.columns))


def levels(report) -> dict[str, str]:
    return {finding.name: finding.level for finding in report.findings}


def test_a_small_log_is_compared_by_label_itself(small_project):
    run = Project(small_project.path).label()
    assert {CLICK_MODELS, PERPLEXITY, WEIGHTS, BY_POSITION} <= names(run)
    found = {row["finding"] for row in run.bias_findings()}
    assert {"click model", "trust bias", "effective sample size", "clipping"} <= found
    assert "comparing click models" in [stage.stage for stage in run.manifest.stages]
    kept = {fact.path for fact in run.manifest.outputs}
    assert f"tables/{CLICK_MODELS}.json" in kept


def test_label_leaves_it_out_where_it_is_told_to_or_the_log_is_large(small_project, monkeypatch):
    small_project.append('[bias]\ncompare = "never"\n')
    run = Project(small_project.path).label()
    assert not names(run)
    assert run.bias_findings() == []
    small_project.replace('compare = "never"', 'compare = "auto"')
    # A million impressions take longer to simulate than this test is worth.
    monkeypatch.setattr("labelkit.project.biasing.CHEAP", 10_000)
    assert not names(Project(small_project.path).label())
    small_project.replace('compare = "auto"', 'compare = "always"')
    assert CLICK_MODELS in names(Project(small_project.path).label())


def test_comparing_changes_no_byte_of_the_labels(small_project):
    first = Project(small_project.path).label()
    small_project.append('[bias]\ncompare = "never"\n')
    second = Project(small_project.path).label()
    one, two = (run.path / "labels.parquet" for run in (first, second))
    assert one.read_bytes() == two.read_bytes()


def test_bias_finds_everything_and_keeps_it_in_the_run(small_project):
    project = Project(small_project.path)
    run = project.label()
    stages: list[str] = []
    report = project.bias(progress=stages.append)
    assert stages[0] == "reading and checking the log"
    assert report.run == run.id
    assert names(run) >= {CURVES, CLICK_MODELS, WEIGHTS, WINDOWS, RANKERS, SENSITIVITY}
    found = levels(report)
    for name in (
        "weakest link",
        "agreement of estimators",
        "click model",
        "trust bias",
        "effective sample size",
        "weight concentration",
        "exploding weights",
        "clipping",
        "stability over time",
        "stability between rankers",
        "sensitivity of the labels",
    ):
        assert found[name] in ("fine", "look"), name
    assert report.stops == ()
    curves = report.table(CURVES)
    assert curves is not None
    assert {"poisson", "allpairs", "power"} <= set(curves.frame["method"])
    assert not list(small_project.path.glob(".bias*"))


def test_bias_before_the_first_run_keeps_nothing(small_project):
    report = Project(small_project.path).bias()
    assert report.run is None
    assert report.table(SENSITIVITY) is None
    assert report.table(CURVES) is not None
    assert not (small_project.path / "runs").exists()


def test_the_same_seed_finds_the_same(small_project):
    project = Project(small_project.path)
    project.label()
    one, two = project.bias(seed=5), project.bias(seed=5)
    assert one.findings == two.findings
    for first, second in zip(one.tables, two.tables, strict=True):
        assert first.frame.equals(second.frame), first.name


def test_duckdb_finds_the_same(small_project):
    pytest.importorskip("duckdb")
    small_project.append("[bias]\nn_bootstrap = 40\n")
    project = Project(small_project.path)
    project.label()
    first = project.bias()
    small_project.replace("[log]\n", '[log]\nengine = "duckdb"\n')
    second = Project(small_project.path).bias()
    assert levels(first) == levels(second)
    for one, other in zip(first.tables, second.tables, strict=True):
        assert one.name == other.name
        numbers = [c for c in one.frame.columns if one.frame.schema[c].is_numeric()]
        np.testing.assert_allclose(
            one.frame.select(numbers).to_numpy(),
            other.frame.select(numbers).to_numpy(),
            rtol=1e-6,
            atol=1e-9,
            err_msg=one.name,
        )


def test_a_log_without_pages_times_or_rankers_says_what_is_missing(small_project):
    path = small_project.path / "log.parquet"
    pl.read_parquet(path).drop("session", "timestamp", "ranker").write_parquet(path)
    project = Project(small_project.path)
    project.label()
    report = project.bias()
    messages = " ".join(finding.message for finding in report.findings)
    assert "map 'timestamp'" in messages
    assert report.table(RANKERS) is None
    assert "neither a page nor a session column" in messages
    assert report.table(CLICK_MODELS) is None


def test_labels_that_hang_on_the_curve_are_counted(small_project):
    """A curve that is hardly known moves votes on debiased rates, and no others."""
    project = Project(small_project.path)
    run = project.label()
    log = lk.read_log(small_project.path / "log.parquet", columns={"query": "qid", "item": "doc"})
    curve = lk.PositionBias("poisson").fit(log).curve_
    model = fitted_to(run)
    options = {
        "lfs": project.labeling_functions(),
        "config": project.config,
        "directory": small_project.path,
        "n_draws": 20,
    }

    def changed(scale: float) -> pl.DataFrame:
        vague = replace(curve, covariance=curve.covariance * scale**2)
        return label_sensitivity(log, vague, model, **options)

    sharp, known, vague = changed(0.01), changed(1), changed(8)
    shares = [found.frame["changed"][0] for found in (sharp, known, vague)]
    assert shares[0] < 0.002
    assert shares[0] < shares[1] < shares[2]
    assert vague.diagnosis.level in ("look", "stop")
    assert sharp.diagnosis.level == "fine"
    by_what = dict(vague.frame.select("what", "changed").iter_rows())
    assert by_what["good_page"] == 0, "it reads a table, not the log"
    assert by_what["clicks_beat_the_average"] > 0.05
    row = vague.frame.row(0, named=True)
    assert row["changed_low"] < row["changed"] < row["changed_high"]
    assert row["worst"] > row["changed"]


def test_a_sample_of_queries_speaks_for_all(small_project):
    project = Project(small_project.path)
    project.label()
    log = lk.read_log(small_project.path / "log.parquet", columns={"query": "qid", "item": "doc"})
    curve = lk.PositionBias("poisson").fit(log).curve_
    vague = replace(curve, covariance=curve.covariance * 16)
    model = fitted_to(project.latest())
    options = {
        "lfs": project.labeling_functions(),
        "config": project.config,
        "directory": small_project.path,
    }
    whole = label_sensitivity(log, vague, model, **options)
    part = label_sensitivity(log, vague, model, **options, n_examples=600)
    assert part.n_queries < whole.n_queries
    assert 400 < part.n_examples < 800
    a, b = whole.frame.row(0, named=True), part.frame.row(0, named=True)
    assert b["changed_low"] <= a["changed"] <= b["changed_high"]


def test_a_known_curve_moves_nothing(small_project):
    small_project.append(f'[bias]\nmethod = "given"\ncurve = {[1 / k for k in range(1, 11)]}\n')
    project = Project(small_project.path)
    project.label()
    report = project.bias()
    finding = next(f for f in report.findings if f.name == "sensitivity of the labels")
    assert finding.level == "fine"
    assert "taken as known" in finding.message
    assert report.table(SENSITIVITY) is None


def test_a_training_set_comes_back_as_it_was_written(small_project, tmp_path):
    project = Project(small_project.path)
    run = project.label()
    path = tmp_path / "sets" / "train.parquet"
    told = project.training_set(path, features=("quality",))
    frame = pl.read_parquet(path)
    assert tuple(frame.columns) == told.columns
    assert len(frame) == told.n_rows == len(run.labels())
    assert told.n_groups == frame["group"].n_unique() == frame["query"].n_unique()
    assert told.n_without_label == 0
    joined = frame.join(run.labels(), on=["query", "item"], suffix="_run")
    for name in ("p_0", "p_1", "label", "margin", "covered"):
        assert joined[name].equals(joined[f"{name}_run"], check_names=False)
    assert frame["sample_weight"].mean() == pytest.approx(1)
    ours = frame["click_weight_1"] + frame["click_weight_0"]
    assert (frame["sample_weight"] / ours).std() < 1e-9
    assert list(path.parent.iterdir()) == [path], "nothing half-written is left"


def test_weights_of_the_training_set_are_those_of_the_scheme(small_project, tmp_path):
    project = Project(small_project.path)
    project.label()
    log = lk.read_log(small_project.path / "log.parquet", columns={"query": "qid", "item": "doc"})
    bias = lk.PositionBias(seed=3).fit(log)
    project.training_set(tmp_path / "a.parquet", scheme="clipped", clip=3)
    frame = pl.read_parquet(tmp_path / "a.parquet")
    expected = example_weights(log, bias, scheme="clipped", clip=3)
    np.testing.assert_allclose(frame["click_weight_1"], expected["positive"])


def test_impressions_carry_the_label_of_their_example(small_project, tmp_path):
    project = Project(small_project.path)
    run = project.label()
    told = project.training_set(tmp_path / "i.parquet", unit="impression", clip=2)
    frame = pl.read_parquet(tmp_path / "i.parquet")
    assert told.n_rows == len(frame) == 30_000
    assert frame["sample_weight"].max() == pytest.approx(2 * frame["sample_weight"].min())
    one = frame.group_by("query", "item").agg(pl.col("label").n_unique())
    assert one["label"].max() == 1
    joined = frame.join(run.labels(), on=["query", "item"], suffix="_run")
    assert (joined["label"] == joined["label_run"]).all()
    assert frame["group"].is_sorted()


def test_training_sets_that_cannot_be_made_are_refused(small_project, tmp_path):
    project = Project(small_project.path)
    run = project.label()
    with pytest.raises(ProjectError, match="column 'colour' to train on"):
        project.training_set(tmp_path / "x.parquet", features=("colour",))
    log = lk.read_log(small_project.path / "log.parquet", columns={"query": "qid", "item": "doc"})
    bias = lk.PositionBias("power").fit(log)
    others = run.labels().with_columns(pl.col("query") + 10**6)
    with pytest.raises(ProjectError, match="Were the labels made from this log"):
        write_training_set(tmp_path / "x.parquet", others, log, bias)
    twice = pl.concat([others.head(1).select("query", "item", colour=1)] * 2)
    with pytest.raises(ProjectError, match="2 rows under one key"):
        write_training_set(tmp_path / "x.parquet", run.labels(), log, bias, features=twice)
    assert not (tmp_path / "x.parquet").exists()


def test_a_curve_per_context_goes_through_label_bias_and_training_set(small_project, tmp_path):
    path = small_project.path / "log.parquet"
    frame = pl.read_parquet(path)
    device = pl.when(pl.col("session") % 2 == 0).then(pl.lit("phone")).otherwise(pl.lit("desk"))
    frame.with_columns(device=device).write_parquet(path)
    small_project.append('[bias]\nmethod = "poisson"\ncontext = ["device"]\n')
    project = Project(small_project.path)
    run = project.label()
    assert set(run.propensities()["device"]) == {"phone", "desk"}
    report = project.bias()
    weights = report.table(BY_POSITION)
    assert weights is not None
    assert len(weights.frame) == 20
    told = project.training_set(tmp_path / "c.parquet", unit="impression")
    assert "device" in told.columns


def test_propensities_without_interval_are_kept_whole() -> None:
    """A draw keeps unknown positions unknown, and known ones where they are."""
    from labelkit.project.sensitivity import _drawn

    curve = Propensities(
        np.array([1, 2, 3]),
        np.array([1.0, 0.5, np.nan]),
        np.diag([0.0, 0.04, np.nan]),
        20.0,
        "poisson",
        "none",
    )
    rng = np.random.default_rng(0)
    draws = np.array([np.log(_drawn(curve, rng).theta) for _ in range(4_000)])
    assert np.all(draws[:, 0] == 0)
    assert np.all(np.isnan(draws[:, 2]))
    assert draws[:, 1].mean() == pytest.approx(np.log(0.5), abs=0.01)
    inside = np.abs(draws[:, 1] - np.log(0.5)) < curve.quantile * 0.2
    assert inside.mean() == pytest.approx(0.95, abs=0.015)


def test_gold_of_the_rounds_lets_trust_bias_stand_beside_the_others(small_project):
    small_project.append("[bias]\nn_bootstrap = 40\n")
    project = Project(small_project.path)
    project.label()
    before = project.bias()
    refused = before.table(REFUSED)
    assert refused is not None
    assert "trust" in set(refused.frame["method"])
    project.round_plan(400)
    project.round_push()
    small_project.answer("round-1")
    project.round_pull()
    after = project.bias().table(CURVES)
    assert after is not None
    assert "trust" in set(after.frame["method"])
    small_project.replace("[bias]\n", '[bias]\nmethod = "trust"\n')
    run = Project(small_project.path).label()
    assert run.manifest.bias.method == "trust"
