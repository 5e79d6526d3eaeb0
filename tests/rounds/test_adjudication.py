"""Disagreements are asked once more, and that answer is the last word."""

from __future__ import annotations

import pytest

from labelkit.errors import RoundError
from labelkit.platforms import ScriptedAnnotator
from labelkit.platforms.scripted import ScriptedAnswer
from labelkit.rounds import adjudication


@pytest.fixture
def disputed(ledger, batch, items, platform):
    """A round on which two people disagree about items 0, 1 and 2."""
    round_ = ledger.open_round(batch, platform=platform, items=items, name="first")
    round_.push()
    names = round_.spec.label_names
    for person, wrong in (("a", ()), ("b", (0, 1, 2))):
        said = [
            ScriptedAnswer(
                t.key, str(t.task_id), names[(t.example[1] + (t.example[1] in wrong)) % 2]
            )
            for t in round_.tasks()
        ]
        platform.submit(str(round_.project), round_.spec, said, annotator=person)
    round_.pull()
    return round_


def test_the_queue_holds_what_people_disagree_on(ledger, disputed):
    found = adjudication.queue(ledger, "first")
    assert sorted(found["example"]) == ['["q0",0]', '["q0",1]', '["q0",2]']
    assert found["agreement"].to_list() == [0.5] * 3
    assert adjudication.queue(ledger, "first", min_agreement=0.5).is_empty()


def test_the_adjudicator_has_the_last_word_and_the_sample_keeps_its_probabilities(
    ledger, disputed, batch
):
    later = adjudication.open_follow_up(ledger, disputed)
    assert later is not None
    assert disputed.status().state == "adjudicating"
    later.push()
    truth = {task.example: 1 for task in later.tasks()}
    ScriptedAnnotator(truth, name="judge").answer(later)
    later.pull()
    before = ledger.gold()
    assert adjudication.settle(ledger, disputed) == 3
    assert adjudication.settle(ledger, disputed) == 0
    gold = ledger.gold().sort("item")
    assert set(gold["round"]) == {"first"}
    assert gold["label"].to_list()[:3] == [1, 1, 1]
    assert gold["adjudicated"].to_list() == [True] * 3 + [False] * 9
    assert gold["inclusion_probability"].to_list() == batch["inclusion_probability"].to_list()
    assert set(before["round"]) == {"first"}
    later.close()
    disputed.close()
    sources = ledger.gold_sources()
    assert set(sources["adjudicator"].drop_nulls()) == {"judge"}
    assert len(sources) == 12


def test_a_follow_up_opened_again_is_the_same_round(ledger, disputed):
    first = adjudication.open_follow_up(ledger, disputed)
    again = adjudication.open_follow_up(ledger, disputed)
    assert first is not None
    assert again is not None
    assert first.uid == again.uid


def test_people_see_again_what_they_saw(ledger, disputed, platform):
    later = adjudication.open_follow_up(ledger, disputed)
    assert later is not None
    later.push()
    sheet = (platform.folder(later.name) / "annotations.csv").read_text(encoding="utf-8")
    assert "Title 1" in sheet


def test_nothing_disputed_opens_nothing(ledger, disputed):
    assert adjudication.open_follow_up(ledger, disputed, min_agreement=0.5) is None
    assert disputed.status().state == "collecting"


def test_a_share_outside_its_range_is_refused(ledger, disputed):
    with pytest.raises(RoundError, match="above 0 and at most 1"):
        adjudication.queue(ledger, "first", min_agreement=0)
