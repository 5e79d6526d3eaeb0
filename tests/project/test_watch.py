"""``labelkit lfs --watch``: a real process, whose files are edited while it runs."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading

import pytest

from labelkit.project import Project

# Reading the log, and a busy machine.
PATIENCE_S = 120


class Watcher:
    """``labelkit lfs --watch`` in a process of its own; its lines are read as they come."""

    def __init__(self, project, *options: str) -> None:
        command = [sys.executable, "-m", "labelkit", "lfs", "--watch", *options]
        self.process = subprocess.Popen(
            [*command, "--project", str(project)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=os.environ | {"PYTHONWARNINGS": "ignore"},
        )
        self.lines: queue.Queue[str] = queue.Queue()
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self) -> None:
        for line in self.process.stdout or ():
            self.lines.put(line)

    def look(self) -> dict[str, object]:
        return json.loads(self.lines.get(timeout=PATIENCE_S))

    def until(self, text: str) -> str:
        seen = ""
        while text not in seen:
            seen += self.lines.get(timeout=PATIENCE_S)
        return seen

    def end(self) -> int:
        self.process.send_signal(signal.SIGINT)
        code = self.process.wait(timeout=PATIENCE_S)
        self.reader.join(timeout=PATIENCE_S)
        return code


@pytest.fixture
def watcher(small_project):
    started: list[Watcher] = []

    def start(*options: str) -> Watcher:
        started.append(Watcher(small_project.path, *options))
        return started[-1]

    yield start
    for one in started:
        one.process.kill()
        one.process.wait()
        one.reader.join()
        if one.process.stdout:
            one.process.stdout.close()


def _edit(project, old: str, new: str) -> None:
    path = project.path / "labeling_functions" / "clicks.py"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def test_an_edit_is_seen_a_mistake_is_survived_and_ctrl_c_is_a_good_end(small_project, watcher):
    watching = watcher("--json", "--sample", "300")
    first = watching.look()
    assert 300 <= first["n_examples"] < 330, "whole queries of 12"
    assert first["edited"] == []
    coverage = {row["lf"]: row["coverage"] for row in first["lfs"]}

    _edit(small_project, 'col("quality") > 0.6', 'col("quality") > 0.8')
    second = watching.look()
    assert second["edited"] == ["good_page"]
    moved = {row["lf"]: row for row in second["changes"]}
    assert moved["good_page"]["lost"] > 0
    assert moved["good_page"]["gained"] == moved["good_page"]["flipped"] == 0
    assert all(moved[lf]["lost"] == 0 for lf in moved if lf != "good_page")
    now = {row["lf"]: row["coverage"] for row in second["lfs"]}
    assert now["good_page"] < coverage["good_page"]

    _edit(small_project, 'col("quality") > 0.8', 'col("qualty") > 0.8')
    wrong = watching.look()
    assert "qualty" in wrong["error"]
    assert "did you mean 'quality'" in wrong["error"]
    assert wrong["lfs"] == []

    # Against the last look that worked, nothing is different: an error forgets nothing.
    _edit(small_project, 'col("qualty") > 0.8', 'col("quality") > 0.8')
    mended = watching.look()
    assert mended["edited"] == []
    assert mended["error"] == ""

    # A constant that a function shares with its module changes its meaning, not its text.
    _edit(small_project, "IRRELEVANT, RELEVANT = 0, 1", "IRRELEVANT, RELEVANT = 1, 0")
    turned = watching.look()
    assert set(turned["edited"]) == set(coverage)
    assert {row["lf"]: row["flipped"] for row in turned["changes"]}["good_page"] > 0
    assert watching.end() == 0


def test_people_read_what_changed_and_see_examples(small_project, watcher):
    watching = watcher("--sample", "300")
    watching.until("Ctrl-C ends.")
    _edit(small_project, 'col("ctr_high") < 0.25', 'col("ctr_high") < ')
    broken = watching.until("Still watching.")
    assert "clicks.py:17" in broken
    assert "invalid syntax" in broken
    _edit(small_project, 'col("ctr_high") < )', 'col("ctr_high") < 0.5)')
    told = watching.until("Labeling functions")
    assert "edited: hardly_clicked" in told
    assert "abstained" in told
    assert "Page" in told, "what people are shown stands beside the keys"
    assert watching.end() == 0
    rest = "".join(iter(lambda: watching.lines.get_nowait() if watching.lines.qsize() else "", ""))
    assert "Traceback" not in rest
    assert "No longer watching." in rest


def test_gold_comes_into_the_sample_first(small_project):
    project = Project(small_project.path)
    project.label()
    planned = project.round_plan(20)
    project.round_push()
    small_project.answer(planned.name)
    project.round_pull()
    look = next(project.lfs_watch(n=240))
    assert look.analysis is not None
    judged = look.analysis["correct"].sum() + look.analysis["incorrect"].sum()
    everywhere = project.lfs()
    assert judged == everywhere["correct"].sum() + everywhere["incorrect"].sum()
