"""``labelkit init``: a project that works from the first moment, and overwrites nothing."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import polars as pl
import pytest

from labelkit.errors import ProjectError
from labelkit.project import Project, read_config
from labelkit.project.create import create, guess_columns, template_functions

ROOT = Path(__file__).parents[2]


def test_columns_that_are_known_to_mean_the_same_are_found_in_the_log(tmp_path: Path):
    log = pl.DataFrame({"query_id": [1], "URL": ["a"], "rank": [1], "is_click": [0], "user": [3]})
    (tmp_path / "logs").mkdir()
    log.write_parquet(tmp_path / "logs" / "day.parquet")
    config = read_config(create(tmp_path))
    assert dict(config.log.columns) == {
        "query": "query_id",
        "item": "URL",
        "position": "rank",
        "clicked": "is_click",
    }


def test_a_column_under_its_own_name_is_never_guessed_away():
    assert guess_columns(["query", "query_id", "item", "url"]) == {}


def test_columns_that_the_user_names_are_taken_as_they_are(tmp_path: Path):
    config = read_config(create(tmp_path, log=["x [1].csv"], columns={"query": 'a "quoted" $q'}))
    assert config.log.paths == ("x [1].csv",)
    assert dict(config.log.columns) == {"query": 'a "quoted" $q'}


def test_a_project_is_never_overwritten(tmp_path: Path):
    create(tmp_path)
    before = (tmp_path / "labelkit.toml").read_bytes()
    with pytest.raises(ProjectError, match="already there"):
        create(tmp_path)
    assert (tmp_path / "labelkit.toml").read_bytes() == before


def test_functions_that_are_there_already_stay(tmp_path: Path):
    mine = tmp_path / "labeling_functions" / "mine.py"
    mine.parent.mkdir()
    mine.write_text("# mine\n", encoding="utf-8")
    create(tmp_path)
    assert [path.name for path in mine.parent.iterdir()] == ["mine.py"]


def test_a_new_project_has_the_functions_of_the_repository_and_they_load(tmp_path: Path):
    project = Project.create(tmp_path / "new")
    ours = {path.name for path in (ROOT / "labeling_functions").glob("*.py")}
    assert {path.name for path in (tmp_path / "new" / "labeling_functions").glob("*.py")} == ours
    lfs = project.labeling_functions()
    assert len(lfs) >= 8
    assert all(len(lf.doc.split()) >= 5 for lf in lfs), "each LF says why it should hold"


def test_a_wheel_carries_the_functions_where_init_looks_for_them(tmp_path: Path):
    # What the build puts into the wheel, without a second copy in git.
    built = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if "No module named hatchling" in built.stderr:
        pytest.skip("hatchling is not installed: the wheel was not built")
    assert built.returncode == 0, built.stderr
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    names = {path.name for path in template_functions().glob("*.py")}
    shipped = tmp_path / "site" / "labelkit" / "project" / "template"
    assert {path.name for path in (shipped / "labeling_functions").glob("*.py")} == names
    assert (shipped / "labelkit.toml").is_file()
    made = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys; sys.path.insert(0, sys.argv[1]); "
            "import labelkit.project.create as c; "
            "assert c.__file__.startswith(sys.argv[1]); "
            "from pathlib import Path; c.create(Path(sys.argv[2]))",
            str(tmp_path / "site"),
            str(tmp_path / "new"),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 0, made.stderr
    assert {p.name for p in (tmp_path / "new" / "labeling_functions").glob("*.py")} == names
    shutil.rmtree(tmp_path / "site")


def test_a_log_named_from_where_one_stands_is_found_from_the_project(tmp_path, monkeypatch):
    (tmp_path / "logs").mkdir()
    rows = {"query_id": [1, 1], "doc_id": [1, 2], "rank": [1, 2], "click": [1, 0]}
    pl.DataFrame(rows).write_parquet(tmp_path / "logs" / "a.parquet")
    monkeypatch.chdir(tmp_path)
    project = Project.create("shop", log=["logs/*.parquet"])
    assert project.config.log.paths == ("../logs/*.parquet",)
    assert project.config.log.columns["query"] == "query_id"


def test_a_log_that_is_not_there_yet_is_looked_for_in_the_project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    project = Project.create("shop", log=["later/*.parquet"])
    assert project.config.log.paths == ("later/*.parquet",)
