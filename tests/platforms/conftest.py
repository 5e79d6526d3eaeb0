"""Hands: how a person at each platform answers, changes, skips and deletes."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import labelkit as lk
from labelkit.platforms.exchange import choice_result
from labelkit.rounds import DisplayField, ProjectSpec, TaskSpec

HOSTILE = "<script>window.ran=1</script><img src=x onerror='window.ran=1'> $text {{7*7}} ${1} &amp;"


@dataclass
class FileHands:
    """Somebody who edits an export by hand."""

    platform: lk.FilesPlatform
    records: dict[str, dict[str, Any]] = field(default_factory=dict)

    def answer(self, project: str, spec: ProjectSpec, task_id: str, label: str) -> str:
        id_ = uuid.uuid4().hex
        self._put(project, task_id, {"id": id_, "result": choice_result(spec, label)})
        return id_

    def change(self, project: str, spec: ProjectSpec, id_: str, label: str) -> None:
        self.records[id_]["result"] = choice_result(spec, label)
        self._write(project)

    def skip(self, project: str, task_id: str) -> None:
        self._put(project, task_id, {"id": uuid.uuid4().hex, "result": [], "was_cancelled": True})

    def delete(self, project: str, id_: str) -> None:
        task = self.records.pop(id_)["task"]
        self.records[f"none of {task}"] = {"task": task, "deleted": True}
        self._write(project)

    def delete_project(self, project: str) -> None:
        folder = self.platform.folder(project)
        for path in folder.iterdir():
            path.unlink()
        folder.rmdir()
        self.records.clear()

    def texts(self, project: str) -> dict[str, dict[str, str]]:
        tasks = json.loads((self.platform.folder(project) / "tasks.json").read_text())
        return {task["data"]["labelkit_key"]: task["data"] for task in tasks}

    def guesses(self, project: str) -> dict[str, list[Any]]:
        tasks = json.loads((self.platform.folder(project) / "tasks.json").read_text())
        return {t["data"]["labelkit_key"]: t.get("predictions", []) for t in tasks}

    def _put(self, project: str, task_id: str, record: dict[str, Any]) -> None:
        key = task_id.partition("/")[2]
        self.records[record["id"]] = {"task": key, "completed_by": {"email": "a@b.c"}, **record}
        self._write(project)

    def _write(self, project: str) -> None:
        by_task: dict[str, list[Any]] = {}
        for record in self.records.values():
            there = by_task.setdefault(record["task"], [])
            if not record.get("deleted"):
                there.append(record)
        export = [{"data": {"labelkit_key": k}, "annotations": a} for k, a in by_task.items()]
        path = self.platform.folder(project) / "annotations-export.json"
        path.write_text(json.dumps(export))


@dataclass
class ServerHands:
    """Somebody at a real Label Studio, through its API."""

    platform: lk.LabelStudio

    @property
    def sdk(self) -> Any:
        return self.platform._sdk

    def answer(self, project: str, spec: ProjectSpec, task_id: str, label: str) -> str:
        result = choice_result(spec, label)
        return str(self.sdk.annotations.create(int(task_id), result=result, lead_time=2.5).id)

    def change(self, project: str, spec: ProjectSpec, id_: str, label: str) -> None:
        self.sdk.annotations.update(int(id_), result=choice_result(spec, label))

    def skip(self, project: str, task_id: str) -> None:
        self.sdk.annotations.create(int(task_id), result=[], was_cancelled=True)

    def delete(self, project: str, id_: str) -> None:
        self.sdk.annotations.delete(int(id_))

    def delete_project(self, project: str) -> None:
        self.sdk.projects.delete(int(project))

    def texts(self, project: str) -> dict[str, dict[str, str]]:
        tasks = self.sdk.tasks.list(project=int(project), include="id,data", page_size=500).items
        return {task.data["labelkit_key"]: task.data for task in tasks}

    def guesses(self, project: str) -> dict[str, list[Any]]:
        tasks = self.sdk.tasks.list(project=int(project), fields="all", page_size=500).items
        return {task.data["labelkit_key"]: task.predictions or [] for task in tasks}


@pytest.fixture(
    params=[
        "files",
        pytest.param(
            "label_studio",
            marks=[pytest.mark.label_studio, pytest.mark.xdist_group("label_studio")],
        ),
    ]
)
def platform(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Any]:
    if request.param == "files":
        yield lk.FilesPlatform(tmp_path / "tasks")
    else:
        server = request.getfixturevalue("label_studio_server")
        yield lk.LabelStudio(server.url, server.token)


@pytest.fixture
def hands(platform: Any) -> FileHands | ServerHands:
    files = isinstance(platform, lk.FilesPlatform)
    return FileHands(platform) if files else ServerHands(platform)


@pytest.fixture
def spec() -> ProjectSpec:
    """A project that no other test has."""
    fields = (DisplayField("query", "query", True), DisplayField("text", "the <b>text</b>", False))
    unique = uuid.uuid4().hex[:16]
    return ProjectSpec(unique, f"round {unique}", ("not good", 'quite "good" <&>'), fields)


@pytest.fixture
def tasks(spec: ProjectSpec) -> list[TaskSpec]:
    return [
        TaskSpec(
            key=f'{spec.uid}/["q{i}"]',
            data={"query": f"q{i}", "text": HOSTILE},
            soft_label=(0.3, 0.7) if i % 2 else None,
            model_version="m1" if i % 2 else None,
        )
        for i in range(6)
    ]


@pytest.fixture
def batch() -> pl.DataFrame:
    n = 12
    return pl.DataFrame(
        {
            "query": [f"q{i // 3}" for i in range(n)],
            "item": list(range(n)),
            "p_0": [0.3] * n,
            "p_1": [0.7] * n,
            "inclusion_probability": [1.0] * 8 + [0.25] * 4,
            "stratum": ["informative"] * 8 + ["audit"] * 4,
            "rank": list(range(n, 0, -1)),
        }
    )


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[lk.Ledger]:
    with lk.Ledger(f"sqlite:///{tmp_path}/rounds.db") as ledger:
        yield ledger
