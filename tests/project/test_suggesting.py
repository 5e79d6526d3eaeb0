"""Suggestions in a project: from gold or weak labels, kept as code, used by the next run."""

from __future__ import annotations

import polars as pl
import pytest

from labelkit.errors import ProjectError
from labelkit.lfs import load_lfs
from labelkit.project import Project


@pytest.fixture
def labeled(small_project):
    small_project.replace("n = 40", "n = 200")
    project = Project(small_project.path)
    project.label()
    return small_project, project


def ask(small_project, project):
    project.round_plan(strategy="random", audit_share=0.5)
    project.round_push()
    small_project.answer("round-1")
    project.round_pull()


def test_without_gold_they_come_from_the_labels_and_are_to_be_asked_about(labeled):
    _, project = labeled
    found = project.suggest(n=4)
    assert found.basis == "weak labels"
    assert not found.worth
    assert set(found.frame["verdict"]) <= {"ask people", "unsure"}
    assert "ask people" in found.summary


def test_with_gold_they_are_measured_kept_and_used_by_the_next_run(labeled):
    small_project, project = labeled
    ask(small_project, project)
    found = project.suggest()
    assert found.basis == "gold"
    assert found.n_targets == 200
    # The project's functions do not read what tells most: the user's own quality score cut finer.
    assert found.worth, found.frame
    kept = project.accept(found.worth[:2])
    assert kept.is_used
    before = project.latest().votes()
    fresh = Project(small_project.path)
    run = fresh.label()
    votes = run.votes()
    for candidate in found.worth[:2]:
        assert candidate.lf.name in votes.columns
        share = (votes[candidate.lf.name] != -1).mean()
        assert share == pytest.approx(candidate.coverage, abs=1e-12)
    assert set(before.columns) < set(votes.columns)
    with pytest.raises(ProjectError, match="already; nothing was written"):
        project.accept(found.worth[:1])


def test_truth_agrees_with_what_was_said_of_them(labeled):
    small_project, project = labeled
    ask(small_project, project)
    found = project.suggest()
    project.accept(found.candidates)
    votes = Project(small_project.path).label().votes()
    truth = votes.select("query", "item").join(
        small_project.truth.select("query", "item", "label"), on=["query", "item"], how="left"
    )["label"]
    for candidate in found.candidates:
        voted = votes[candidate.lf.name] != -1
        right = (truth.filter(voted) == candidate.label).mean()
        assert candidate.accuracy.low <= right <= candidate.accuracy.high, candidate.lf.rule


def test_a_file_that_would_not_load_is_left_as_it_was(labeled):
    small_project, project = labeled
    found = project.suggest(n=2)
    path = small_project.path / "labeling_functions" / "clicks.py"
    before = path.read_text(encoding="utf-8")
    broken = before.replace("import col, labeling_function, vote", "import col, vote").replace(
        "@labeling_function", "@__import__('labelkit').labeling_function"
    )
    path.write_text(broken, encoding="utf-8")
    with pytest.raises(ProjectError, match=r"would not load.*as it was"):
        project.accept(found.candidates[:1], file="labeling_functions/clicks.py")
    assert path.read_text(encoding="utf-8") == broken


@pytest.mark.parametrize("file", ["../outside.py", "labeling_functions/new.txt", "my rules.py"])
def test_only_modules_of_the_project_are_written(labeled, file):
    _, project = labeled
    found = project.suggest(n=2)
    with pytest.raises(ProjectError, match="no Python module of the project"):
        project.accept(found.candidates[:1], file=file)


def test_a_file_of_ones_own_is_added_to_and_keeps_what_it_had(labeled):
    small_project, project = labeled
    found = project.suggest(n=4)
    path = small_project.path / "labeling_functions" / "mine.py"
    for candidate in found.candidates[:2]:
        project.accept([candidate], file="labeling_functions/mine.py")
    names = [lf.name for lf in load_lfs(["labeling_functions.mine"], small_project.path)]
    assert names == [c.lf.name for c in found.candidates[:2]]
    assert path.read_text(encoding="utf-8").count("import col, labeling_function, vote") == 1
    elsewhere = project.accept(found.candidates[2:3], file="other/mine.py")
    assert not elsewhere.is_used
    assert pl.Series(names).n_unique() == 2
