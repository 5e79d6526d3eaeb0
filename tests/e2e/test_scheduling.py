"""``round run`` on a real Label Studio: from the log to gold, without a person at the controls."""

from __future__ import annotations

from typing import Any

import pytest

from labelkit.platforms import ScriptedAnnotator
from labelkit.project import Project
from labelkit.project.scheduling import turn

pytestmark = [pytest.mark.label_studio, pytest.mark.xdist_group("label_studio")]


def test_two_rounds_run_by_themselves(
    small_project: Any, label_studio_server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LABEL_STUDIO_API_KEY", label_studio_server.token)
    small_project.replace("n = 40", "n = 12")
    small_project.append(
        f'[platform]\nkind = "label_studio"\nurl = "{label_studio_server.url}"\n'
        "[rounds]\nmax_rounds = 2\n"
    )
    project = Project(small_project.path)
    truth = {(q, i): y for q, i, y in small_project.truth.iter_rows()}

    def answer(name: str) -> int:
        with project.ledger() as ledger:
            round_ = ledger.round(name, platform=project.platform())
            return ScriptedAnnotator(truth, name="scripted").answer(round_)

    assert [step.kind for step in turn(project)] == ["label", "plan", "push"]
    assert [step.kind for step in turn(project)] == ["pull", "wait"]
    assert answer("round-1") == 12
    assert [step.kind for step in turn(project)] == ["pull", "close", "label", "plan", "push"]
    assert answer("round-2") == 12
    assert [step.kind for step in turn(project)] == ["pull", "close", "label", "stop"]
    assert len(project.gold()) == 24
    (person,) = project.round_people().annotators.iter_rows(named=True)
    assert person["n_answers"] == 24
    assert person["known_accuracy"] is None
