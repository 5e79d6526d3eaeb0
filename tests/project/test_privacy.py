"""What ``[platform] drop`` and ``hash`` keep from people, from files and from the ledger."""

from __future__ import annotations

import json

import pytest

from labelkit.errors import RoundError
from labelkit.project import Project

SECRET = "0123456789abcdef0123"
# How every title of the small project begins.
A_TITLE = b"Page "


def shown(project):
    project.label()
    project.round_plan()
    pushed = project.round_push()
    tasks = json.loads((project.directory / "rounds" / pushed.project / "tasks.json").read_text())
    return [task["data"] for task in tasks]


def everything_written(directory):
    files = [*(directory / "rounds").rglob("*"), *directory.glob("rounds.db*")]
    return b"".join(path.read_bytes() for path in files if path.is_file())


def test_a_hashed_column_is_shown_as_a_hash_and_its_values_are_written_nowhere(
    small_project, monkeypatch
):
    monkeypatch.setenv("LABELKIT_PRIVACY_KEY", SECRET)
    small_project.append('[platform]\nhash = ["title"]\n')
    seen = shown(Project(small_project.path))
    assert all(len(task["title"]) == 16 for task in seen)
    assert all(set(task["title"]) <= set("0123456789abcdef") for task in seen)
    written = everything_written(small_project.path)
    assert A_TITLE not in written
    assert SECRET.encode() not in written


def test_a_dropped_column_is_not_there_at_all(small_project):
    small_project.append('[platform]\ndrop = ["title"]\n')
    seen = shown(Project(small_project.path))
    assert seen
    assert all("title" not in task for task in seen)
    assert A_TITLE not in everything_written(small_project.path)


def test_without_a_rule_the_titles_are_in_all_of_it(small_project):
    assert all(task["title"].startswith("Page ") for task in shown(Project(small_project.path)))
    assert A_TITLE in everything_written(small_project.path)


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ('drop = ["tittle"]', "'tittle', which is not shown"),
        ('hash = ["query"]', "'query', a key column"),
        ('hash = ["title"]', "LABELKIT_PRIVACY_KEY"),
    ],
)
def test_a_rule_that_cannot_be_kept_opens_no_round(small_project, rule, message, monkeypatch):
    monkeypatch.delenv("LABELKIT_PRIVACY_KEY", raising=False)
    small_project.append(f"[platform]\n{rule}\n")
    project = Project(small_project.path)
    project.label()
    with pytest.raises(RoundError, match=message):
        project.round_plan()
    assert project.round_status() == ()
