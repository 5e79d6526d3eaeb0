"""``labelkit label`` with dear functions: asked once, and the bytes never differ."""

from __future__ import annotations

import shutil

import pytest

from labelkit.files import sha256
from labelkit.project import Project

pytestmark = pytest.mark.filterwarnings("ignore::labelkit.errors.RowFunctionWarning")

ROWS = '''
from labelkit import labeling_function

LENGTH = 14


@labeling_function
def short_title(x) -> int:
    """Good pages have short titles here."""
    return 1 if len(x.title) < LENGTH else -1


@labeling_function
def seldom_clicked(x) -> int:
    """Nobody wants it."""
    return 0 if x.clicks == 0 else -1
'''


@pytest.fixture
def with_rows(small_project):
    path = small_project.path / "labeling_functions" / "rows.py"
    path.write_text(ROWS, encoding="utf-8")
    return small_project


def _bytes(run) -> dict[str, str]:
    return {name: sha256(run.path / f"{name}.parquet") for name in ("votes", "labels", "evidence")}


def test_a_rerun_after_an_edit_of_one_function_asks_only_that_one(with_rows):
    project = with_rows.path
    first = Project(project).label()
    assert first.manifest.cached_lfs == ()
    second = Project(project).label()
    assert second.manifest.cached_lfs == ("short_title", "seldom_clicked")
    assert _bytes(second) == _bytes(first)
    path = project / "labeling_functions" / "rows.py"
    path.write_text(ROWS.replace("LENGTH = 14", "LENGTH = 9"), encoding="utf-8")
    third = Project(project).label()
    assert third.manifest.cached_lfs == ("seldom_clicked",)
    shutil.rmtree(project / ".labelkit")
    with_rows.append("[lfs]\ncache = false\n")
    fourth = Project(project).label()
    assert fourth.manifest.cached_lfs == ()
    assert not (project / ".labelkit").exists()
    assert _bytes(fourth) == _bytes(third) != _bytes(first)


def test_git_leaves_the_cache_alone(with_rows):
    Project(with_rows.path).label()
    assert (with_rows.path / ".labelkit" / "votes" / ".gitignore").read_text(
        encoding="utf-8"
    ) == "*\n"
    assert list((with_rows.path / ".labelkit" / "votes").glob("*.parquet"))


def test_expressions_leave_no_folder_behind(small_project):
    Project(small_project.path).label()
    assert not (small_project.path / ".labelkit").exists()
