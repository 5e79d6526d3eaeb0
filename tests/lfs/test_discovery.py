"""``load_lfs``: a project's functions, and nothing left behind."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from labelkit.errors import LFError
from labelkit.lfs import load_lfs

SEARCH = """
from labels import RELEVANT
from labelkit import col, labeling_function, vote

@labeling_function
def zulu():
    return vote(RELEVANT, where=col("a") > 1)

@labeling_function
def alpha():
    return vote(RELEVANT, where=col("b") > 1)
"""


@pytest.fixture
def project(tmp_path):
    def write(files: dict[str, str], name: str = "project") -> Path:
        root = tmp_path / name
        for path, text in files.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(text)
        return root

    return write


def standard(relevant: int = 1, search: str = SEARCH) -> dict[str, str]:
    return {"lfs/labels.py": f"RELEVANT = {relevant}\n", "lfs/search.py": search}


def test_functions_come_in_order_of_module_then_of_definition(project):
    files = standard() | {"lfs/more.py": SEARCH.replace("zulu", "yankee").replace("alpha", "beta")}
    root = project(files)
    names = [lf.name for lf in load_lfs(["lfs.search", "lfs.more"], root)]
    assert names == ["zulu", "alpha", "yankee", "beta"]
    assert [lf.name for lf in load_lfs(["lfs"], root)] == ["yankee", "beta", "zulu", "alpha"]


def test_a_function_knows_its_line_from_the_project_directory(project):
    zulu, alpha = load_lfs(["lfs.search"], project(standard()))
    assert zulu.where_defined == str(Path("lfs/search.py")) + ":5"
    assert alpha.source.startswith("@labeling_function\ndef alpha():")


def test_labels_beside_the_module_can_be_imported_in_every_way(project):
    for line in (
        "from labels import RELEVANT",
        "from lfs.labels import RELEVANT",
        "from .labels import RELEVANT",
    ):
        search = SEARCH.replace("from labels import RELEVANT", line)
        (zulu, _) = load_lfs(["lfs.search"], project(standard(3, search)))
        assert zulu.labels == {3}


def test_two_projects_with_modules_of_one_name_do_not_meet(project):
    one, two = project(standard(1), "one"), project(standard(2), "two")
    assert load_lfs(["lfs.search"], one)[0].labels == {1}
    assert load_lfs(["lfs.search"], two)[0].labels == {2}
    assert load_lfs(["lfs.search"], one)[0].labels == {1}


def test_an_edit_is_seen_at_the_next_load(project):
    root = project(standard(1))
    assert load_lfs(["lfs.search"], root)[0].labels == {1}
    (root / "lfs/labels.py").write_text("RELEVANT = 2\n")
    assert load_lfs(["lfs.search"], root)[0].labels == {2}


def test_nothing_is_left_behind_in_the_interpreter_or_the_project(project):
    root = project(standard())
    sys.modules["labels"] = stranger = type(sys)("labels")
    try:
        path, modules = list(sys.path), dict(sys.modules)
        load_lfs(["lfs.search"], root)
        assert sys.path == path
        assert sys.modules == modules
        assert sys.modules["labels"] is stranger
    finally:
        del sys.modules["labels"]
    assert not list(root.rglob("*.pyc"))


def test_nothing_is_left_behind_after_a_failure_either(project):
    root = project(standard(search="from labels import NOTHING"))
    path, modules = list(sys.path), set(sys.modules)
    with pytest.raises(LFError, match="cannot import name 'NOTHING'"):
        load_lfs(["lfs.search"], root)
    assert sys.path == path
    assert set(sys.modules) == modules


def test_what_a_module_imports_is_not_its_own(project):
    shared = SEARCH.replace("zulu", "shared").replace("alpha", "also")
    search = SEARCH + "\nfrom base import shared\n"
    found = load_lfs(["lfs.search"], project(standard(search=search) | {"lfs/base.py": shared}))
    assert [lf.name for lf in found] == ["zulu", "alpha"]


def test_functions_made_by_another_function_count_where_they_are_named(project):
    factory = """
from labelkit import col, labeling_function, vote

def above(column, name):
    return labeling_function(name=name)(lambda: vote(1, where=col(column) > 1))
"""
    search = "from base import above\nlong = above('dwell', 'long')\n"
    root = project(standard(search=search) | {"lfs/base.py": factory})
    assert [lf.name for lf in load_lfs(["lfs.search"], root)] == ["long"]


def test_row_functions_and_snorkels_are_found(project):
    search = """
from snorkel.labeling import labeling_function as snorkel_lf
from labelkit import labeling_function

@snorkel_lf()
def theirs(x):
    return -1

@labeling_function
def ours(x):
    return -1

def helper(x):
    return x
"""
    found = load_lfs(["lfs.search"], project(standard(search=search)))
    assert [lf.name for lf in found] == ["theirs", "ours"]
    assert found[0].where_defined == str(Path("lfs/search.py")) + ":5"


@pytest.mark.parametrize(
    ("search", "modules", "message"),
    [
        (SEARCH, [], "No module"),
        (SEARCH, ["lfs.serach"], r"has no lfs/serach\.py; lfs/ holds labels, search"),
        (SEARCH, ["lfs/search.py"], "not a module path"),
        (SEARCH, ["nothing"], r"no nothing\.py"),
        (SEARCH, ["lfs.labels"], r"lfs/labels\.py defines no labeling function"),
        (SEARCH, ["lfs.search", "lfs.search"], "Two labeling functions have one name: 'zulu'"),
        ("x = 1\ndef f(:\n", ["lfs.search"], r"lfs/search\.py:2: invalid syntax: def f\(:"),
        (
            "x = 1\ny = 1 / 0\n",
            ["lfs.search"],
            r"lfs/search\.py:2 does not load: ZeroDivisionError",
        ),
        ("import no_such_thing", ["lfs.search"], r"lfs/search\.py:1 does not load: ModuleNotFound"),
        (
            SEARCH.replace('where=col("a") > 1', 'where=(col("a") > 1) and (col("b") > 1)'),
            ["lfs.search"],
            r"lfs/search\.py:\d+ does not load: LFError: labeling function 'zulu'.*Write & for and",
        ),
    ],
)
def test_what_does_not_load_is_named_with_file_and_line(project, search, modules, message):
    with pytest.raises(LFError, match=message):
        load_lfs(modules, project(standard(search=search)))
