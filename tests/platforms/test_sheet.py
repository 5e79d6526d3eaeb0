"""The sheet by itself: formulas that are shown and not calculated, and nothing lost by it."""

from __future__ import annotations

import csv
import io
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from labelkit.errors import PlatformError
from labelkit.platforms import sheet
from labelkit.platforms.hostile import HOSTILE_TEXTS
from labelkit.rounds import TaskSpec

DANGEROUS = st.text(alphabet="=+-@'\t\r\n;,\"＝a1 ", max_size=12)


@given(DANGEROUS | st.text())
@example("'=1")
@example("''\t=1")
@example("\r\n=1")
def test_what_is_made_harmless_can_be_restored_and_is_no_formula(text):
    harmless = sheet.harmless(text)
    assert sheet.restored(harmless) == text
    assert not re.search(r"""(^|[;,\t\r\n"])[=+\-@＝＋－＠]""", harmless)
    assert harmless[:1] not in ("\t", "\r", "\n")


def test_an_ordinary_text_stays_as_it_is():
    for text in ("running shoes", "'tis", "a-b = c+d", "a@b.c", "1 - 2", "x, -y"):
        assert sheet.harmless(text) == text


def test_every_hostile_text_and_key_comes_back_and_no_cell_is_a_formula(tmp_path, spec):
    path = tmp_path / "annotations.csv"
    tasks = [TaskSpec(text, {"query": text, "text": text}) for text in HOSTILE_TEXTS]
    sheet.extend(path, spec, tasks)
    sheet.extend(path, spec, tasks)
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [sheet.restored(row["query"]) for row in rows] == list(HOSTILE_TEXTS)
    assert [key for key, _ in sheet.read(path)] == list(HOSTILE_TEXTS)
    # As programs see it that split at semicolons or tabs.
    text = path.read_text(encoding="utf-8")
    for delimiter in ",;\t":
        cells = [cell for row in csv.reader(io.StringIO(text), delimiter=delimiter) for cell in row]
        assert not [cell for cell in cells if cell[:1] in "=+-@" and cell]


def test_a_text_longer_than_a_cell_is_cut_and_the_sheet_can_be_read(tmp_path, spec):
    path = tmp_path / "annotations.csv"
    sheet.extend(path, spec, [TaskSpec("k", {"query": "q", "text": "x" * 200_000})])
    assert [key for key, _ in sheet.read(path)] == ["k"]


def test_who_cannot_answer_says_so(tmp_path):
    path = tmp_path / "annotations-anna.csv"
    path.write_text("key,label,annotator\nk,(skip),\n", encoding="utf-8")
    ((_, answer),) = sheet.read(path)
    assert answer is not None
    assert (answer.status, answer.label_name, answer.annotator) == ("skipped", None, "anna")


def test_a_sheet_that_is_no_csv_is_named(tmp_path):
    path = tmp_path / "annotations.csv"
    path.write_text(f'key,label\n"{"x" * 200_000}",a\n', encoding="utf-8")
    with pytest.raises(PlatformError, match=r"annotations\.csv cannot be read as CSV"):
        list(sheet.read(path))
