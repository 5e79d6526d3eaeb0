"""The loop runs by itself, does nothing twice, and knows when to stop."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from labelkit.cli import app
from labelkit.errors import ProjectError, RoundBusy
from labelkit.project import Project
from labelkit.project.scheduling import LEASE, interval_of, keep_running, read_every, turn


def kinds(steps):
    return [step.kind for step in steps]


def test_turns_take_a_project_from_its_log_to_its_budget(small_project):
    small_project.append("[rounds]\nbudget = 60\n")
    project = Project(small_project.path)
    assert kinds(turn(project)) == ["label", "plan", "push"]
    assert kinds(turn(project)) == ["pull", "wait"]
    small_project.answer("round-1")
    assert kinds(turn(project)) == ["pull", "close", "label", "plan", "push"]
    assert project.latest().has("validation")
    assert [s.n_tasks for s in project.round_status()] == [40, 20]
    small_project.answer("round-2")
    *_, last = turn(project)
    assert last.kind == "stop"
    assert "budget of 60 labels is used up" in last.said
    assert kinds(turn(project)) == ["stop"]
    assert len(project.gold()) == 60


def test_without_a_budget_the_last_round_asks_for_what_is_left_and_then_all_is_done(small_project):
    project = Project(small_project.path)
    n = len(project.label().labels())
    small_project.replace("n = 40", f"n = {n - 7}")
    project = Project(small_project.path)
    assert kinds(turn(project)) == ["plan", "push"]
    small_project.answer("round-1")
    assert kinds(turn(project))[-2:] == ["plan", "push"]
    assert [s.n_tasks for s in project.round_status()] == [n - 7, 7]
    small_project.answer("round-2")
    *_, last = turn(project)
    assert (last.kind, last.said) == ("stop", "Every example has been asked about.")


def test_a_dry_run_says_what_it_would_do_and_does_nothing(small_project):
    project = Project(small_project.path)
    would = list(turn(project, dry_run=True))
    assert kinds(would) == ["plan"] or kinds(would) == ["label", "plan"]
    assert not any(step.done for step in would)
    assert project.round_status() == ()
    project.label()
    list(turn(project))
    small_project.answer("round-1")
    before = project.round_status()
    assert kinds(turn(project, dry_run=True)) == ["pull", "wait"]
    assert project.round_status() == before


def test_a_turn_that_was_killed_is_finished_by_the_next(small_project):
    project = Project(small_project.path)
    project.label()
    # Killed after the round was written down, before it was pushed.
    project.round_plan(10)
    assert kinds(turn(project)) == ["push", "pull", "wait"]
    small_project.answer("round-1")
    # Killed after each step in turn: whoever comes next begins with a turn of its own.
    for n in range(1, 5):
        steps = turn(project)
        for _ in range(n):
            next(steps, None)
        steps.close()
    statuses = project.round_status()
    assert [s.name for s in statuses] == ["round-1", "round-2"]
    assert statuses[1].n_on_platform in (0, statuses[1].n_tasks)
    list(turn(project))
    assert project.round_status()[1].n_on_platform == statuses[1].n_tasks


def test_a_second_scheduler_ends_well_and_says_who_is_at_work(small_project):
    project = Project(small_project.path)
    with project.ledger() as ledger, ledger.lease(LEASE):
        done = invoke(small_project, "run", "--once", "--json")
    assert done.exit_code == 0
    assert "is held by" in json.loads(done.stdout)["said"]


def test_a_round_waits_for_the_overlap_and_then_hides_gold_in_the_next(small_project):
    small_project.append("[rounds]\noverlap_share = 0.5\nhidden_gold = 0.2\n")
    project = Project(small_project.path)
    list(turn(project))
    small_project.answer("round-1")
    assert kinds(turn(project)) == ["pull", "wait"]
    folder = small_project.path / "rounds" / "round-1"
    sheet = (folder / "annotations.csv").read_text(encoding="utf-8")
    (folder / "annotations-b.csv").write_text(sheet.replace(",ann,", ",bea,"), encoding="utf-8")
    assert kinds(turn(project)) == ["pull", "close", "label", "plan", "push"]
    small_project.answer("round-2")
    project.round_pull()
    with project.ledger() as ledger:
        found = ledger.annotations(round="round-2")
    assert found["known_label"].count() == 10
    assert len(found) == 50
    assert len(project.gold()) == 80
    told = json.loads(invoke(small_project, "people", "--json").stdout)
    assert {row["annotator"]: row["n_known"] for row in told["annotators"]}["ann"] == 10


def test_two_schedulers_do_not_work_at_once(small_project):
    project = Project(small_project.path)
    with project.ledger() as ledger, ledger.lease(LEASE), pytest.raises(RoundBusy):
        list(turn(Project(small_project.path)))


def test_the_loop_ends_at_the_stop_rule_and_not_before(small_project):
    small_project.append("[rounds]\nmax_rounds = 1\n")
    said, pauses = [], []

    def answer(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 1:
            small_project.answer("round-1")

    keep_running(Project(small_project.path), timedelta(hours=1), said=said.append, pause=answer)
    assert said[-1].kind == "stop"
    assert "max_rounds is 1" in said[-1].said
    assert len(pauses) == 1
    assert 0 < pauses[0] <= 3600


def test_the_target_stops_when_the_interval_is_narrow_enough(small_project):
    small_project.append('[rounds]\ntarget = "accuracy ± 0.45"\n')
    project = Project(small_project.path)
    list(turn(project))
    small_project.answer("round-1")
    *_, last = turn(project)
    assert last.kind == "stop"
    low, high = interval_of(project, "accuracy ± 0.45")
    assert (high - low) / 2 <= 0.45


def test_disputed_examples_are_asked_again_before_a_round_is_closed(small_project):
    small_project.append("[rounds]\nmax_rounds = 1\n")
    project = Project(small_project.path)
    list(turn(project))
    small_project.answer("round-1")
    folder = small_project.path / "rounds" / "round-1"
    sheet = (folder / "annotations.csv").read_text(encoding="utf-8")
    swapped = sheet.replace(",relevant,ann,", ",?,other,").replace(
        ",irrelevant,ann,", ",relevant,other,"
    )
    (folder / "annotations-other.csv").write_text(
        swapped.replace(",?,", ",irrelevant,"), encoding="utf-8"
    )
    assert kinds(turn(project)) == ["pull", "adjudicate", "wait"]
    small_project.answer("round-1-adjudication")
    assert kinds(turn(project)) == ["pull", "close", "pull", "settle", "close", "label", "stop"]
    gold = project.gold()
    assert gold["adjudicated"].all()
    assert len(gold) == 40


@pytest.mark.parametrize(("text", "seconds"), [("1d", 86_400), ("30m", 1800), ("2 h", 7200)])
def test_spans_of_time_are_read(text, seconds):
    assert read_every(text).total_seconds() == seconds


@pytest.mark.parametrize("text", ["", "d", "0d", "1.5h", "tomorrow"])
def test_other_words_are_refused(text):
    with pytest.raises(ProjectError, match="no span of time"):
        read_every(text)


def test_settings_that_make_no_sense_are_refused(small_project):
    small_project.append('[rounds]\ntarget = "beauty ± 0.1"\n')
    with pytest.raises(ProjectError, match=r"\[rounds\].*beauty"):
        Project(small_project.path)


def invoke(small_project, *command):
    return CliRunner().invoke(app, ["round", *command, "--project", str(small_project.path)])


def test_the_command_prints_one_json_object_a_step(small_project):
    done = invoke(small_project, "run", "--once", "--json")
    assert done.exit_code == 0
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["step"] for line in lines] == ["label", "plan", "push"]
    assert all({"at", "round", "done", "said"} <= set(line) for line in lines)


def test_cron_and_systemd_lines_name_the_project(small_project):
    cron = invoke(small_project, "run", "--print-cron", "--every", "12h").stdout
    assert cron.startswith("0 */12 * * * ")
    assert str(small_project.path) in cron
    unit = invoke(small_project, "run", "--print-systemd", "--every", "1d").stdout
    assert "OnUnitActiveSec=86400s" in unit
    refused = invoke(small_project, "run", "--print-cron", "--every", "7h")
    assert refused.exit_code == 3


def test_people_and_their_page(small_project):
    project = Project(small_project.path)
    list(turn(project))
    small_project.answer("round-1", most=20)
    project.round_pull()
    told = json.loads(invoke(small_project, "people", "--json").stdout)
    assert told["annotators"][0]["n_answers"] == 20
    assert told["forecast"]["n_left"] == 20
    page = invoke(small_project, "report", "--json")
    html = Path(json.loads(page.stdout)["path"]).read_text(encoding="utf-8")
    assert "People of all rounds" in html
    assert invoke(small_project, "people", "--name", "nope").exit_code == 3


def test_adjudicate_by_hand(small_project):
    project = Project(small_project.path)
    list(turn(project))
    small_project.answer("round-1")
    project.round_pull()
    told = invoke(small_project, "adjudicate")
    assert "Nothing in 'round-1' is disputed" in told.stdout
