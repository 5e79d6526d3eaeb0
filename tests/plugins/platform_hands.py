"""Hands: how a person at each platform answers, changes, skips and deletes (see ``Hands``)."""

from __future__ import annotations

import csv
import json
import re
import uuid
from dataclasses import dataclass, field
from typing import Any

import labelkit as lk
from labelkit.platforms import sheet
from labelkit.platforms.exchange import choice_result
from labelkit.rounds import ProjectSpec

SESSION = "0123456789abcdef" * 2


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

    def guesses(self, project: str) -> dict[str, str | None]:
        tasks = json.loads((self.platform.folder(project) / "tasks.json").read_text())
        return {t["data"]["labelkit_key"]: suggested(t.get("predictions", [])) for t in tasks}

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

    def guesses(self, project: str) -> dict[str, str | None]:
        return {key: suggested(found) for key, found in self.predictions(project).items()}

    def predictions(self, project: str) -> dict[str, list[dict[str, Any]]]:
        tasks = self.sdk.tasks.list(project=int(project), fields="all", page_size=500).items
        return {
            task.data["labelkit_key"]: [dict(found) for found in task.predictions or []]
            for task in tasks
        }


@dataclass
class SheetHands(FileHands):
    """Somebody with a spreadsheet program."""

    def answer(self, project: str, spec: ProjectSpec, task_id: str, label: str) -> str:
        key = task_id.partition("/")[2]
        self._fill(project, key, label, "anna")
        self.records[f"annotations.csv/anna/{key}"] = {"task": key}
        return "annotations.csv/anna"

    def change(self, project: str, spec: ProjectSpec, id_: str, label: str) -> None:
        self._fill(project, self._first(), label, "anna")

    def skip(self, project: str, task_id: str) -> None:
        self._fill(project, task_id.partition("/")[2], sheet.SKIP, "anna")

    def delete(self, project: str, id_: str) -> None:
        self._fill(project, self._last(), "", "")

    def texts(self, project: str) -> dict[str, dict[str, str]]:
        return {
            sheet.restored(row["key"]): {
                "query": sheet.restored(row["query"]),
                "text": sheet.restored(row.get("the <b>text</b>", "")),
            }
            for row in self._rows(project)
        }

    # The ids of a sheet are those of a person: which row is meant is what the tests mean by them.
    def _first(self) -> str:
        return next(iter(self.records.values()))["task"]

    def _last(self) -> str:
        return list(self.records.values())[-1]["task"]

    def _rows(self, project: str) -> list[dict[str, str]]:
        path = self.platform.folder(project) / "annotations.csv"
        with path.open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))

    def _fill(self, project: str, key: str, label: str, who: str) -> None:
        rows = self._rows(project)
        (row,) = (row for row in rows if sheet.restored(row["key"]) == key)
        row["label"], row["annotator"] = sheet.harmless(label), who
        path = self.platform.folder(project) / "annotations.csv"
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(row), quoting=csv.QUOTE_ALL)
            writer.writeheader()
            writer.writerows(rows)


@dataclass
class PageHands:
    """Somebody with the offline page, by the files that it exports."""

    platform: lk.platforms.OfflinePage
    answers: dict[str, dict[str, Any]] = field(default_factory=dict)
    clock: int = 0

    def answer(self, project: str, spec: ProjectSpec, task_id: str, label: str) -> str:
        self._put(project, self._key(project, task_id), status="answered", label=label)
        return SESSION

    def change(self, project: str, spec: ProjectSpec, id_: str, label: str) -> None:
        self._put(project, next(iter(self.answers)), status="answered", label=label)

    def skip(self, project: str, task_id: str) -> None:
        self._put(project, self._key(project, task_id), status="skipped", label=None)

    def delete(self, project: str, id_: str) -> None:
        last = [key for key, said in self.answers.items() if said["status"] == "answered"][-1]
        self._put(project, last, status="withdrawn", label=None)

    def delete_project(self, project: str) -> None:
        for path in self.platform.folder(project).iterdir():
            path.unlink()
        self.platform.folder(project).rmdir()
        self.answers.clear()

    def texts(self, project: str) -> dict[str, dict[str, str]]:
        names = ("query", "text")
        return {
            task["key"]: dict(zip(names, task["texts"], strict=True))
            for task in self._data(project)["tasks"]
        }

    def guesses(self, project: str) -> dict[str, str | None]:
        data = self._data(project)
        return {
            task["key"]: data["labels"][task["guess"]] if "guess" in task else None
            for task in data["tasks"]
        }

    def _data(self, project: str) -> Any:
        html = self.platform.page(project).read_text(encoding="utf-8")
        (data,) = re.findall(r'<script type="application/json" id="data">(.*)</script>', html)
        return json.loads(data)

    def _key(self, project: str, task_id: str) -> str:
        ids = self.platform.existing_keys(project)
        return next(key for key, id_ in ids.items() if id_ == task_id)

    def _put(self, project: str, key: str, **said: Any) -> None:
        self.clock += 1
        time = f"2026-01-01T00:{self.clock // 60:02}:{self.clock % 60:02}.000Z"
        self.answers[key] = {
            "key": key,
            "lead_time_s": 2.5,
            "created_at": time,
            "updated_at": time,
            **said,
        }
        export = {
            "format": "labelkit answers 1",
            "round": self._data(project)["uid"],
            "annotator": "anna",
            "session": SESSION,
            "answers": list(self.answers.values()),
        }
        # Every export is a file of its own, as browsers number them; the old ones stay.
        path = self.platform.folder(project) / f"answers-anna ({self.clock}).json"
        path.write_text(json.dumps(export))


def suggested(predictions: list[Any]) -> str | None:
    """The label that predictions of Label Studio's suggest."""
    for prediction in predictions:
        for region in prediction["result"]:
            return region["value"]["choices"][0]
    return None
