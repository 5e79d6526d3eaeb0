from __future__ import annotations

import json
import subprocess
import sys

import polars as pl
import pytest

import labelkit as lk
from labelkit.errors import PlatformError, RoundError
from labelkit.platforms import ScriptedAnnotator


def truth_of(batch):
    return {(q, i): i % 2 for q, i in batch.select("query", "item").iter_rows()}


def test_a_round_goes_from_planned_to_closed(ledger, batch, items, platform):
    round_ = ledger.open_round(batch, platform=platform, items=items)
    assert round_.status().state == "planned"
    assert round_.push().n_pushed == 12
    assert round_.status().state == "pushed"
    ScriptedAnnotator(truth_of(batch)).answer(round_)
    assert round_.pull().n_new_annotations == 12
    assert round_.status().state == "collecting"
    assert round_.close().state == "closed"
    assert round_.status().is_complete


def test_gold_is_what_was_answered_with_the_keys_in_their_types(ledger, batch, platform):
    round_ = ledger.open_round(batch, platform=platform)
    round_.push()
    ScriptedAnnotator(truth_of(batch)).answer(round_)
    round_.pull()
    expected = batch.select(
        "query", "item", label=pl.col("item") % 2, inclusion_probability="inclusion_probability"
    ).sort("item")
    gold = ledger.gold().sort("item")
    assert gold.select(expected.columns).equals(expected)
    assert gold["item"].dtype == pl.Int64


def test_the_same_batch_opened_again_is_the_same_round(ledger, batch, items, platform):
    first = ledger.open_round(batch, platform=platform, items=items)
    again = ledger.open_round(batch.reverse(), platform=platform, items=items)
    assert (first.name, first.uid) == (again.name, again.uid)
    assert [status.name for status in ledger.rounds()] == ["round-1"]


def test_another_batch_under_a_taken_name_is_refused(ledger, batch, platform):
    ledger.open_round(batch, platform=platform, name="first")
    with pytest.raises(RoundError, match="'first' exists already"):
        ledger.open_round(batch.head(5), platform=platform, name="first")


def test_a_batch_can_be_asked_again_on_purpose_under_another_name(ledger, batch, platform):
    first = ledger.open_round(batch, platform=platform, name="first")
    second = ledger.open_round(batch, platform=platform, name="second")
    first.push()
    assert second.push().n_pushed == 12


def test_a_later_process_finds_the_round_by_its_name(url, ledger, batch, platform):
    ledger.open_round(batch, platform=platform, name="first").push()
    with lk.Ledger(url) as later:
        round_ = later.round("first", platform=platform)
        assert round_.push().n_already_there == 12
        with pytest.raises(RoundError, match=r"no round 'second' .*rounds: 'first'"):
            later.round("second", platform=platform)


def test_a_round_stays_on_the_kind_of_platform_it_was_opened_on(ledger, batch, platform):
    ledger.open_round(batch, platform=platform, name="first")
    with pytest.raises(RoundError, match="opened on platform 'files', not on 'label_studio'"):
        ledger.round("first", platform=lk.LabelStudio("http://127.0.0.1:1", "token"))


def test_steps_out_of_order_are_refused(ledger, batch, platform):
    round_ = ledger.open_round(batch, platform=platform)
    with pytest.raises(RoundError, match="push it first"):
        round_.pull()
    with pytest.raises(RoundError, match="never pushed"):
        round_.close()
    round_.push()
    round_.close()
    assert round_.close().state == "closed"
    for step in (round_.push, round_.pull):
        with pytest.raises(RoundError, match="is closed"):
            step()


def test_a_pull_with_nothing_new_changes_nothing_in_the_ledger(rows, ledger, batch, platform):
    round_ = ledger.open_round(batch, platform=platform)
    round_.push()
    ScriptedAnnotator(truth_of(batch)).answer(round_)
    round_.pull()
    before = dump(rows)
    assert round_.pull().n_new_annotations == 0
    assert round_.push().n_pushed == 0
    assert dump(rows) == before


def test_a_changed_answer_replaces_the_old_one_in_gold_and_both_are_kept(
    rows, ledger, batch, platform
):
    round_ = ledger.open_round(batch, platform=platform)
    project = round_.push().project
    ScriptedAnnotator(truth_of(batch)).answer(round_)
    round_.pull()
    path = next(platform.folder(project).glob("annotations-*.json"))
    path.write_text(path.read_text().replace('"irrelevant"', '"relevant"'))
    result = round_.pull()
    assert (result.n_new_annotations, result.n_changed_annotations) == (0, 6)
    assert ledger.gold()["label"].to_list() == [1] * 12
    versions = rows("SELECT label, is_current FROM annotations ORDER BY id")
    assert versions.count((0, 0)) == 6
    assert versions.count((1, 1)) == 12


def test_every_step_leaves_an_event(ledger, batch, platform):
    round_ = ledger.open_round(batch, platform=platform)
    round_.push(batch_size=5)
    ScriptedAnnotator(truth_of(batch)).answer(round_)
    round_.pull()
    round_.close()
    kinds = ledger.events(round="round-1")["kind"].to_list()
    pushing = ["project", "sent", "sent", "sent", "pushed"]
    assert kinds == ["planned", *pushing, "pulled", "collecting", "closed"]


def test_progress_reaches_the_number_of_tasks(ledger, batch, platform):
    seen = []
    round_ = ledger.open_round(batch, platform=platform)
    round_.push(batch_size=5, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(0, 12), (5, 12), (10, 12), (12, 12)]


def test_the_ledger_knows_what_its_batches_came_from(ledger, batch, platform):
    assert ledger.model_versions() == ()
    ledger.open_round(batch, platform=platform, name="a")
    assert ledger.model_versions() == (), "nobody said"
    ledger.open_round(batch, platform=platform, name="b", model_version="m2")
    ledger.open_round(batch, platform=platform, name="c", model_version="m1")
    assert ledger.model_versions() == ("m1", "m2")


def test_the_audit_sample_is_never_shown_a_guess(ledger, batch, platform):
    project = ledger.open_round(batch, platform=platform, model_version="m1").push().project
    tasks = json.loads((platform.folder(project) / "tasks.json").read_text())
    guessed = {int(task["data"]["item"]) for task in tasks if "predictions" in task}
    assert guessed == set(range(8))
    assert {p["model_version"] for t in tasks for p in t.get("predictions", [])} == {"m1"}


def test_no_guess_at_all_is_shown_when_asked(ledger, batch, platform):
    project = ledger.open_round(batch, platform=platform, preannotate=False).push().project
    assert "predictions" not in (platform.folder(project) / "tasks.json").read_text()


def test_what_the_platform_lost_is_sent_again(ledger, batch, platform):
    round_ = ledger.open_round(batch, platform=platform)
    project = round_.push().project
    path = platform.folder(project) / "tasks.json"
    path.write_text(json.dumps(json.loads(path.read_text())[:7]))
    result = round_.push()
    assert (result.n_pushed, result.n_already_there) == (5, 7)


class Stopping(lk.FilesPlatform):
    """Files on a machine that loses power after some batches, before the ledger hears of it."""

    batches = 1

    def push(self, project, spec, tasks):
        ids = super().push(project, spec, tasks)
        self.batches -= 1
        if self.batches < 0:
            raise PlatformError("power cut")
        return ids


@pytest.mark.parametrize("batches", [0, 1, 2])
def test_a_push_that_stops_between_sending_and_noting_goes_on_without_doubles(
    ledger, batch, platform, batches
):
    stopping = Stopping(platform.directory)
    stopping.batches = batches
    round_ = ledger.open_round(batch, platform=stopping)
    with pytest.raises(PlatformError, match="power cut"):
        round_.push(batch_size=4)
    assert round_.status().n_on_platform == 4 * batches
    result = ledger.round("round-1", platform=platform).push(batch_size=4)
    assert result.n_already_there == 4 * (batches + 1)
    tasks = json.loads((platform.folder(result.project) / "tasks.json").read_text())
    assert len({task["data"]["labelkit_key"] for task in tasks}) == len(tasks) == 12


def test_a_round_of_select_carries_its_design_into_the_ledger(rows, ledger, platform):
    pool = pl.DataFrame({"query": [f"q{i}" for i in range(60)], "item": range(60)}).with_columns(
        p_1=pl.col("item") / 60, label=pl.lit(0), margin=pl.lit(0.1), covered=pl.lit(value=True)
    )
    pool = pool.with_columns(p_0=1 - pl.col("p_1"))
    drawn = lk.select(pool, 20, seed=1)
    round_ = ledger.open_round(drawn, platform=platform)
    assert round_.push().n_tasks == 20
    design = rows("SELECT design FROM rounds")[0][0]
    design = json.loads(design) if isinstance(design, str) else design
    assert (design["n_population"], design["seed"]) == (60, 1)


def test_a_ledger_that_cannot_be_opened_says_so(tmp_path):
    (tmp_path / "notes.db").write_text("this is no database, but long enough to look at" * 9)
    with pytest.raises(RoundError, match="cannot be opened"):
        lk.Ledger(f"sqlite:///{tmp_path}/notes.db")
    with pytest.raises(RoundError, match="cannot be opened"):
        lk.Ledger("rounds.db")


def test_the_password_of_a_database_is_in_no_message():
    with pytest.raises(RoundError) as caught:
        lk.Ledger("mysql+nosuchdriver://me:secret@127.0.0.1:1/db")
    assert "secret" not in str(caught.value)


def test_two_processes_that_push_and_pull_at_once_count_nothing_twice(url, ledger, batch, platform):
    round_ = ledger.open_round(batch, platform=platform)
    round_.push()
    ScriptedAnnotator(truth_of(batch)).answer(round_)
    code = (
        "import sys, labelkit as lk\n"
        "platform = lk.FilesPlatform(sys.argv[2])\n"
        "lk.Ledger(sys.argv[1]).round('round-1', platform=platform).pull()\n"
    )
    command = [sys.executable, "-W", "error", "-c", code, url, str(platform.directory)]
    running = [subprocess.Popen(command) for _ in range(3)]
    assert [process.wait() for process in running] == [0, 0, 0]
    assert round_.status().n_annotations == 12
    assert round_.pull().n_new_annotations == 0


def test_the_room_does_not_import_sqlalchemy_before_a_ledger_is_opened():
    code = (
        "import sys, labelkit.rounds, labelkit.platforms\n"
        "heavy = {'sqlalchemy', 'label_studio_sdk', 'httpx', 'pandas', 'polars'}\n"
        "sys.exit(','.join(heavy & set(sys.modules)) or 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def dump(rows):
    """All that the ledger knows; who had held a lease when is not of it."""
    tables = ["rounds", "tasks", "annotations", "events", "annotators", "round_annotators", "sends"]
    return {table: sorted(map(repr, rows(f"SELECT * FROM {table}"))) for table in tables}
