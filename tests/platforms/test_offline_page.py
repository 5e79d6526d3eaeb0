"""The offline page without a browser: what stands in the file, and which answers are believed."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil

import polars as pl
import pytest

from labelkit.errors import PlatformError
from labelkit.platforms import OfflinePage
from labelkit.platforms.hostile import HOSTILE_TEXTS


@pytest.fixture
def pages(tmp_path):
    return OfflinePage(tmp_path / "rounds")


@pytest.fixture
def pushed(pages, ledger, batch):
    round_ = ledger.open_round(batch, platform=pages, name="Round 1 / öäü", instructions="Be kind.")
    round_.push()
    return round_


def said(round_, number, label, second, *, status="answered"):
    """What one export says about the task of that number."""
    time = f"2026-01-01T00:00:{second:02}Z"
    return {
        "key": round_.tasks()[number].key,
        "status": status,
        "label": label,
        "lead_time_s": 1.5,
        "created_at": time,
        "updated_at": time,
    }


def bring(pages, round_, name, answers, *, annotator="anna", session="a" * 32, **other):
    record = {
        "format": "labelkit answers 1",
        "round": round_.uid,
        "annotator": annotator,
        "session": session,
        "answers": answers,
        **other,
    }
    path = pages.folder(round_.project) / name
    path.write_text(json.dumps(record), encoding="utf-8")
    return path


def test_the_policy_names_the_very_script_and_style_of_the_page(pages, pushed):
    html = pages.page(pushed.project).read_text(encoding="utf-8")
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]*)"', html)
    for tag in ("script", "style"):
        (text,) = re.findall(rf"<{tag}>(.*?)</{tag}>", html, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert not re.search(r"""(src|href)=["']?(https?:)?//""", html), "the page asks for nothing"


def test_the_page_is_whole_whatever_the_texts_say(pages, ledger):
    n = len(HOSTILE_TEXTS)
    batch = pl.DataFrame(
        {
            "query": list(HOSTILE_TEXTS),
            "item": list(range(n)),
            "inclusion_probability": [1.0] * n,
            "stratum": ["audit"] * n,
        }
    )
    round_ = ledger.open_round(
        batch, platform=pages, name="@@DATA@@ </title><script>", instructions="@@SCRIPT@@ \\g<1>"
    )
    round_.push()
    html = pages.page(round_.project).read_text(encoding="utf-8")
    (block,) = re.findall(r'id="data">([^<]*)</script>', html)
    data = json.loads(block)
    assert [task["texts"][0] for task in data["tasks"]] == list(HOSTILE_TEXTS)
    assert (data["title"], data["instructions"]) == (
        "@@DATA@@ </title><script>",
        "@@SCRIPT@@ \\g<1>",
    )
    assert html.count("<script") == 2


def test_the_audit_sample_shows_no_guess(pages, pushed):
    html = pages.page(pushed.project).read_text(encoding="utf-8")
    (block,) = re.findall(r'id="data">([^<]*)</script>', html)
    guessed = {task["key"] for task in json.loads(block)["tasks"] if "guess" in task}
    audited = {task.key for task in pushed.tasks() if task.inclusion_probability < 1}
    assert len(guessed) == 8
    assert len(audited) == 4
    assert not guessed & audited


def test_the_same_file_under_another_name_changes_nothing(pages, ledger, pushed):
    path = bring(pages, pushed, "answers-anna.json", [said(pushed, 0, "relevant", 1)])
    assert pushed.pull().n_new_annotations == 1
    shutil.copy(path, path.with_name("answers-anna (1).json"))
    again = pushed.pull()
    assert (again.n_new_annotations, again.n_changed_annotations, again.n_foreign) == (0, 0, 0)
    assert ledger.gold()["annotators"].to_list() == [1]


def test_of_two_exports_of_one_person_the_later_word_on_each_task_counts(pages, ledger, pushed):
    later = [said(pushed, 0, "irrelevant", 9), said(pushed, 1, None, 9, status="withdrawn")]
    early = [said(pushed, 0, "relevant", 1), said(pushed, 1, "relevant", 1)]
    # The names sort against the times.
    bring(pages, pushed, "answers-a.json", later)
    bring(pages, pushed, "answers-b.json", early)
    pushed.pull()
    assert ledger.gold().select("item", "label").rows() == [(pushed.tasks()[0].example[1], 0)]


def test_two_people_are_two_annotators_and_neither_takes_back_what_the_other_said(
    pages, ledger, pushed
):
    bring(pages, pushed, "answers-anna.json", [said(pushed, 0, "relevant", 1)])
    ben = {"annotator": "ben", "session": "b" * 32}
    bring(pages, pushed, "answers-ben.json", [said(pushed, 0, "relevant", 2)], **ben)
    pushed.pull()
    assert ledger.gold()["annotators"].to_list() == [2]
    taken = [said(pushed, 0, None, 3, status="withdrawn")]
    bring(pages, pushed, "answers-ben.json", taken, **ben)
    assert pushed.pull().n_withdrawn_annotations == 1
    assert ledger.gold()["annotators"].to_list() == [1]


def test_a_file_that_is_taken_away_takes_no_answer_with_it(pages, ledger, pushed):
    path = bring(pages, pushed, "answers-anna.json", [said(pushed, 0, "relevant", 1)])
    bring(pages, pushed, "answers-ben.json", [said(pushed, 0, "relevant", 2)], session="b" * 32)
    pushed.pull()
    path.unlink()
    assert pushed.pull().n_withdrawn_annotations == 0
    assert len(ledger.gold()) == 1


def test_a_page_that_was_lost_comes_back_with_the_next_push(pages, pushed):
    page = pages.page(pushed.project)
    html = page.read_text(encoding="utf-8")
    page.unlink()
    assert pushed.push().n_pushed == 0
    assert page.read_text(encoding="utf-8") == html


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": "else"}, "not an export of the labeling page"),
        ({"round": "0" * 16}, "answers to another round"),
        ({"annotator": ""}, "does not say who answered"),
        ({"annotator": "a\x00b"}, "does not say who answered"),
        ({"annotator": "x" * 201}, "does not say who answered"),
        ({"session": "../../x"}, "no 'session' of 32 hex digits"),
        ({"answers": {}}, "no list of 'answers'"),
        ({"answers": [1, {"key": "k"}]}, "2 of 2 answers .*first: 1 has no 'key'"),
        ({"answers": [{"key": "k", "status": "done"}]}, "1 of 1 .*k has the status 'done'"),
        ({"answers": [{"key": "k", "status": "answered"}]}, "k is answered without a label"),
        (
            {"answers": [{"key": "k", "status": "skipped", "lead_time_s": -1}]},
            "k has the lead time -1",
        ),
        (
            {"answers": [{"key": "k", "status": "skipped", "updated_at": "yesterday"}]},
            "k has the time 'yesterday'",
        ),
    ],
)
def test_a_file_that_cannot_be_believed_is_named_before_anything_is_taken_in(
    pages, ledger, pushed, change, message
):
    bring(pages, pushed, "answers-0.json", [said(pushed, 0, "relevant", 1)])
    path = bring(pages, pushed, "answers-1.json", **{"answers": [], **change})
    with pytest.raises(PlatformError, match=message) as caught:
        pushed.pull()
    assert str(path) in str(caught.value)
    assert ledger.gold().is_empty()


def test_answers_to_tasks_that_the_round_does_not_have_are_counted_and_left(pages, ledger, pushed):
    stranger = {**said(pushed, 0, "relevant", 1), "key": "elsewhere/[1]"}
    bring(pages, pushed, "answers-0.json", [stranger, said(pushed, 1, "relevant", 1)])
    result = pushed.pull()
    assert (result.n_new_annotations, result.n_foreign) == (1, 1)


@pytest.mark.parametrize("pair", [("a", "a"), ("", "b"), ("a_", "a_b"), ("a",)])
def test_sides_that_cannot_be_told_apart_are_refused(tmp_path, pair):
    with pytest.raises(PlatformError, match="two different beginnings"):
        OfflinePage(tmp_path, pair=pair)


def test_a_pair_with_an_empty_side_is_refused_before_a_folder_is_made(tmp_path, ledger, batch):
    pages = OfflinePage(tmp_path / "rounds", pair=("left_", "right_"))
    round_ = ledger.open_round(batch, platform=pages)
    with pytest.raises(PlatformError, match=r"begins with 'left_'.*query, item"):
        round_.push()
    assert not (tmp_path / "rounds").exists()
