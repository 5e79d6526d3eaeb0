"""Rounds as files: the answer sheet and the export, as people really bring them back."""

from __future__ import annotations

import csv
import json

import pytest

import labelkit as lk
from labelkit.errors import PlatformError
from labelkit.platforms import sheet


@pytest.fixture
def files(tmp_path):
    return lk.FilesPlatform(tmp_path / "tasks")


@pytest.fixture
def pushed(files, ledger, batch):
    round_ = ledger.open_round(batch, platform=files, name="Round 1 / öäü")
    round_.push()
    return round_


def sheet_of(files, round_):
    return files.folder(round_.project) / "annotations.csv"


def fill(path, answers, *, delimiter=",", encoding="utf-8", newline="\n"):
    """Fill in label and annotator by row number, as a spreadsheet program would save it."""
    rows = list(csv.reader(path.read_text(encoding="utf-8-sig").splitlines()))
    for number, answer in answers.items():
        rows[number][1:3] = answer
    with path.open("w", encoding=encoding, newline="") as file:
        csv.writer(file, delimiter=delimiter, lineterminator=newline).writerows(rows)


@pytest.mark.parametrize(
    "manner",
    [
        {},
        {"delimiter": ";"},
        {"delimiter": "\t"},
        {"encoding": "utf-8-sig", "newline": "\r\n"},
    ],
)
def test_a_sheet_that_was_filled_in_is_read_whatever_program_saved_it(
    files, ledger, pushed, manner
):
    fill(sheet_of(files, pushed), {1: ["relevant", "anna"], 3: [" irrelevant ", "ben"]}, **manner)
    result = pushed.pull()
    assert (result.n_new_annotations, result.n_unreadable, result.n_answered_tasks) == (2, 0, 2)
    first, third = (pushed.tasks()[i].example for i in (0, 2))
    labels = {row[:2]: row[2] for row in ledger.gold().select("query", "item", "label").rows()}
    assert labels == {first: 1, third: 0}


def test_a_label_that_is_misspelled_is_named_and_does_not_stop_the_others(files, pushed):
    fill(sheet_of(files, pushed), {1: ["relevnat", "anna"], 2: ["relevant", "anna"]})
    result = pushed.pull()
    assert (result.n_unreadable, result.n_answered_tasks) == (1, 1)
    assert "'relevnat' of annotator anna" in result.problems[0]
    fill(sheet_of(files, pushed), {1: ["relevant", "anna"]})
    assert pushed.pull().n_changed_annotations == 1
    assert pushed.status().n_unreadable == 0


def test_an_answer_that_was_blanked_is_withdrawn(files, ledger, pushed):
    fill(sheet_of(files, pushed), {1: ["relevant", "anna"]})
    pushed.pull()
    fill(sheet_of(files, pushed), {1: ["", ""]})
    assert pushed.pull().n_withdrawn_annotations == 1
    assert ledger.gold().is_empty()


def test_people_who_fill_in_copies_of_the_sheet_are_told_apart_by_its_name(files, ledger, pushed):
    path = sheet_of(files, pushed)
    text = path.read_text()
    for who, label in (("anna", "relevant"), ("ben", "relevant"), ("cleo", "irrelevant")):
        copy = path.with_name(f"annotations-{who}.csv")
        copy.write_text(text)
        fill(copy, {1: [label, ""]})
    assert pushed.pull().n_new_annotations == 3
    assert ledger.gold().select("label", "annotators").row(0) == (1, 3)
    assert round(ledger.gold()["agreement"].item(), 3) == 0.667


def test_pushing_again_leaves_what_is_filled_in_alone(files, pushed):
    path = sheet_of(files, pushed)
    fill(path, {1: ["relevant", "anna"]}, delimiter=";")
    filled = path.read_text()
    pushed.push()
    assert path.read_text() == filled
    tasks = files.folder(pushed.project) / "tasks.json"
    tasks.write_text("[]")
    assert pushed.push().n_pushed == 12
    assert path.read_text() == filled


def test_a_text_that_looks_like_a_formula_is_shown_and_not_calculated(files, ledger, batch):
    batch = batch.with_columns(query="=HYPERLINK(1)" + batch["query"])
    round_ = ledger.open_round(batch, platform=files)
    round_.push()
    rows = list(csv.DictReader(sheet_of(files, round_).read_text().splitlines()))
    assert {row["query"][:2] for row in rows} == {"'="}
    fill(sheet_of(files, round_), {1: ["relevant", "anna"]})
    round_.pull()
    assert ledger.gold()["query"].item().startswith("=HYPERLINK(1)")


def test_columns_of_the_items_may_be_called_key_or_label(files, ledger, batch):
    items = batch.select("item", key="query", label="query")
    round_ = ledger.open_round(batch, platform=files, items=items)
    round_.push()
    fill(sheet_of(files, round_), {1: ["relevant", "anna"]})
    assert round_.pull().n_answered_tasks == 1


def test_tasks_are_in_label_studios_import_format(files, pushed):
    folder = files.folder(pushed.project)
    tasks = json.loads((folder / "tasks.json").read_text())
    assert len(tasks) == 12
    assert set(tasks[0]) <= {"data", "predictions"}
    assert tasks[0]["data"]["labelkit_key"] == pushed.tasks()[0].key
    assert "<Choices" in (folder / "labeling_config.xml").read_text()


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("annotations.json", "{not json", "is not JSON"),
        ("annotations.json", "{}", "must hold a JSON list"),
        ("annotations.json", '[{"label": "relevant", "id": 1}]', "not as JSON-MIN"),
        ("annotations-2.csv", "a,b\n1,2\n", "no column 'key'"),
    ],
)
def test_a_file_that_holds_no_answers_is_named(files, pushed, name, text, message):
    path = files.folder(pushed.project) / name
    path.write_text(text)
    with pytest.raises(PlatformError, match=message) as caught:
        pushed.pull()
    assert name in str(caught.value)


def test_of_two_exports_of_one_annotation_the_later_counts(files, ledger, pushed):
    task = pushed.tasks()[0]

    def export(name, label, time):
        result = [{"from_name": "label", "type": "choices", "value": {"choices": [label]}}]
        answer = {"id": 7, "completed_by": 1, "result": result, "updated_at": time}
        record = [{"data": {"labelkit_key": task.key}, "annotations": [answer]}]
        (files.folder(pushed.project) / name).write_text(json.dumps(record))

    export("annotations-a.json", "relevant", "2026-01-02T10:00:00Z")
    export("annotations-b.json", "irrelevant", "2026-01-01T10:00:00Z")
    assert pushed.pull().n_new_annotations == 1
    assert ledger.gold()["label"].to_list() == [1]


def test_two_rounds_whose_names_make_one_folder_name_get_two_folders(files, ledger, batch):
    one = ledger.open_round(batch, platform=files, name="a b")
    two = ledger.open_round(batch.head(3), platform=files, name="a/b")
    assert one.push().project != two.push().project
    assert (one.push().n_pushed, two.push().n_pushed) == (0, 0)


def test_a_sheet_never_loses_a_row_to_a_repeated_push(tmp_path, spec, tasks):
    path = tmp_path / "annotations.csv"
    sheet.extend(path, spec, tasks[:3])
    sheet.extend(path, spec, tasks)
    assert [key for key, _ in sheet.read(path)] == [task.key for task in tasks]
