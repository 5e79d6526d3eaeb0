"""What every annotation platform promises a round; each test runs on each platform for real."""

from __future__ import annotations

import uuid

import polars as pl
import pytest

import labelkit as lk
from labelkit.errors import PlatformError
from labelkit.platforms import ScriptedAnnotator


def read(platform, project, since=None):
    return {task.key: task for page in platform.answers(project, since=since) for task in page}


def test_a_project_is_made_once(platform, spec):
    first = platform.ensure_project(spec)
    assert platform.ensure_project(spec) == first
    assert platform.ensure_project(spec, project=first) == first
    assert dict(platform.existing_keys(first)) == {}


def test_what_was_pushed_can_be_asked_for_by_key(platform, spec, tasks):
    project = platform.ensure_project(spec)
    ids = platform.push(project, spec, tasks[:4])
    assert platform.push(project, spec, tasks[4:]).keys() == {task.key for task in tasks[4:]}
    assert set(ids) == {task.key for task in tasks[:4]}
    there = platform.existing_keys(project)
    assert there.keys() == {task.key for task in tasks}
    assert {key: there[key] for key in ids} == dict(ids)


def test_texts_arrive_as_they_are_markup_and_all(platform, spec, tasks, hands):
    project = platform.ensure_project(spec)
    platform.push(project, spec, tasks)
    texts = hands.texts(project)
    assert [texts[task.key]["text"] for task in tasks] == [task.data["text"] for task in tasks]


def test_a_guess_is_shown_where_there_is_one_and_nowhere_else(platform, spec, tasks, hands):
    project = platform.ensure_project(spec)
    platform.push(project, spec, tasks)
    guesses = hands.guesses(project)
    assert [len(guesses[task.key]) for task in tasks] == [0, 1, 0, 1, 0, 1]
    guess = dict(guesses[tasks[1].key][0])
    assert (guess["model_version"], guess["score"]) == ("m1", 0.7)
    assert guess["result"][0]["value"] == {"choices": ['quite "good" <&>']}


def test_answers_skips_changes_and_deletions_come_back(platform, spec, tasks, hands):
    project = platform.ensure_project(spec)
    ids = platform.push(project, spec, tasks)
    assert not any(task.answers for task in read(platform, project).values())
    mark = platform.cursor(project)

    one = hands.answer(project, spec, ids[tasks[0].key], "not good")
    two = hands.answer(project, spec, ids[tasks[1].key], 'quite "good" <&>')
    hands.skip(project, ids[tasks[2].key])
    for found in (read(platform, project), read(platform, project, mark)):
        (first,) = found[tasks[0].key].answers
        assert (first.id, first.label_name, first.status) == (one, "not good", "answered")
        assert found[tasks[1].key].answers[0].label_name == 'quite "good" <&>'
        (skip,) = found[tasks[2].key].answers
        assert (skip.label_name, skip.status) == (None, "skipped")

    mark = platform.cursor(project)
    hands.change(project, spec, one, 'quite "good" <&>')
    hands.delete(project, two)
    found = read(platform, project, mark)
    (changed,) = found[tasks[0].key].answers
    assert (changed.id, changed.label_name) == (one, 'quite "good" <&>')
    assert found[tasks[1].key].answers == ()


def test_an_answer_with_a_label_that_is_not_asked_for_is_reported_not_dropped(
    platform, batch, ledger, hands
):
    round_ = ledger.open_round(batch, platform=platform, name=uuid.uuid4().hex)
    project = round_.push().project
    task = round_.tasks()[0]
    spec = round_.spec
    hands.answer(project, spec, task.task_id, "relevantt")
    result = round_.pull()
    assert (result.n_new_annotations, result.n_unreadable, result.n_answered_tasks) == (1, 1, 0)
    assert "'relevantt'" in result.problems[0]
    assert "irrelevant, relevant" in result.problems[0]
    assert ledger.gold().is_empty()


def test_a_project_that_is_gone_is_told_with_the_way_on(platform, batch, ledger, hands):
    round_ = ledger.open_round(batch, platform=platform, name=uuid.uuid4().hex)
    project = round_.push().project
    hands.answer(project, round_.spec, round_.tasks()[0].task_id, "relevant")
    round_.pull()
    hands.delete_project(project)
    for step in (round_.push, round_.pull):
        with pytest.raises(PlatformError, match="recreate=True"):
            step()
    assert round_.push(recreate=True).n_pushed == len(batch)
    round_.pull()
    assert ledger.gold()["label"].to_list() == [1]


def test_a_round_trip_gives_the_labels_that_were_given(platform, batch, ledger, hands):
    round_ = ledger.open_round(batch, platform=platform, name=uuid.uuid4().hex)
    project = round_.push(batch_size=5).project
    assert round_.push().n_pushed == 0
    annotator = ScriptedAnnotator(batch.with_columns(label=pl.col("item") % 2))
    assert annotator.answer(round_, limit=7) == 7
    assert round_.pull().n_new_annotations == 7
    assert annotator.answer(round_) == len(batch) - 7
    assert round_.pull().n_new_annotations == len(batch) - 7
    again = round_.pull()
    assert (again.n_new_annotations, again.n_changed_annotations, again.n_foreign) == (0, 0, 0)
    assert again.n_answered_tasks == len(batch)
    gold = ledger.gold().sort("item")
    assert gold["label"].to_list() == [i % 2 for i in range(len(batch))]
    assert gold["inclusion_probability"].to_list() == batch["inclusion_probability"].to_list()

    hands.skip(project, round_.tasks()[0].task_id)
    skipped = round_.pull()
    assert (skipped.n_new_annotations, skipped.n_skipped) == (1, 1)
    assert ledger.gold().sort("item").equals(gold)


def test_a_withdrawn_answer_leaves_gold(platform, batch, ledger, hands):
    round_ = ledger.open_round(batch, platform=platform, name=uuid.uuid4().hex)
    project = round_.push().project
    one, two = round_.tasks()[:2]
    hands.answer(project, round_.spec, one.task_id, "relevant")
    wrong = hands.answer(project, round_.spec, two.task_id, "relevant")
    round_.pull()
    hands.delete(project, wrong)
    result = round_.pull()
    assert (result.n_withdrawn_annotations, result.n_answered_tasks) == (1, 1)
    assert ledger.gold().select("query", "item").rows() == [one.example]
    assert round_.pull().n_withdrawn_annotations == 0


def test_an_annotator_who_answers_twice_counts_once(platform, batch, ledger, hands):
    round_ = ledger.open_round(batch, platform=platform, name=uuid.uuid4().hex)
    project = round_.push().project
    task = round_.tasks()[0]
    for _ in range(2):
        hands.answer(project, round_.spec, task.task_id, "relevant")
    assert round_.pull().n_new_annotations == 2
    assert ledger.gold().select("annotators", "agreement").row(0) == (1, 1.0)


def test_two_ledgers_of_the_same_round_share_its_tasks(platform, batch, ledger, tmp_path):
    name = uuid.uuid4().hex
    first = ledger.open_round(batch, platform=platform, name=name).push()
    with lk.Ledger(f"sqlite:///{tmp_path}/other.db") as other:
        second = other.open_round(batch, platform=platform, name=name).push()
    assert (second.project, second.n_pushed) == (first.project, 0)
