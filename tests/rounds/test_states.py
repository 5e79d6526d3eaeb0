from __future__ import annotations

import pytest
import sqlalchemy as sa

import labelkit as lk
from labelkit.errors import RoundError
from labelkit.platforms import ScriptedAnnotator
from labelkit.rounds import counters, states
from labelkit.rounds.tables import rounds


def truth_of(batch):
    return {(q, i): i % 2 for q, i in batch.select("query", "item").iter_rows()}


@pytest.fixture
def round_(ledger, batch, platform):
    """A round in which two people answered everything, and disagree on four examples."""
    round_ = ledger.open_round(batch, platform=platform, name="first")
    project = round_.push().project
    spec = round_.spec
    anna = ScriptedAnnotator(truth_of(batch), name="anna")
    ben = ScriptedAnnotator({k: v if k[1] > 3 else 1 - v for k, v in truth_of(batch).items()})
    anna.answer(round_)
    ben.answer(round_)
    assert (spec.uid, project) == (round_.uid, round_.project)
    round_.pull()
    return round_


def test_every_move_that_there_is_and_no_other(ledger, batch, platform):
    """Each pair of states, tried on a round that is put there by hand."""
    round_ = ledger.open_round(batch, platform=platform)
    for now in states.MOVES:
        for to in states.MOVES:
            with round_._database.write() as connection:
                change = sa.update(rounds).where(rounds.c.id == round_._id)
                connection.execute(change.values(state=now))
                row = connection.execute(sa.select(rounds)).one()
                if to in states.MOVES[now]:
                    states.move(connection, row, to, {})
                    continue
                with pytest.raises(RoundError, match=f"cannot become '{to}'"):
                    states.move(connection, row, to, {})


def test_a_round_is_adjudicated_between_collecting_and_closed(ledger, round_):
    with pytest.raises(RoundError, match="not adjudicating yet"):
        round_.decide({("q0", 0): 1}, adjudicator="cleo")
    assert round_.adjudicate().state == "adjudicating"
    assert round_.adjudicate().state == "adjudicating"
    with pytest.raises(RoundError, match="asks nobody anything new"):
        round_.push()
    assert round_.pull().n_new_annotations == 0
    assert round_.decide({("q0", 0): 0, ("q0", 1): 1}, adjudicator="cleo", reason="read it") == 2
    assert round_.decide({("q0", 0): 0, ("q0", 1): 0}, adjudicator="cleo") == 1, "one is new"
    assert round_.close().state == "closed"
    for step in (round_.push, round_.pull, round_.adjudicate):
        with pytest.raises(RoundError, match="closed"):
            step()
    kinds = ledger.events()["kind"].to_list()
    assert kinds[-5:] == ["collecting", "adjudicating", "decided", "decided", "closed"]


def test_what_the_adjudicator_says_is_gold_with_its_provenance(ledger, round_):
    round_.adjudicate()
    round_.decide({("q0", 0): 1, ("q1", 5): 0}, adjudicator="cleo", reason="it is a shoe")
    before = ledger.gold().sort("item")
    round_.close()
    gold = ledger.gold().sort("item")
    assert gold.equals(before), "closing changes no gold"
    assert gold["label"].to_list()[:6] == [1, 1, 0, 1, 0, 0]
    assert gold.filter("adjudicated")["item"].to_list() == [0, 5]
    assert gold["agreement"].to_list()[:6] == [0.5, 0.5, 0.5, 0.5, 1.0, 0.0]
    sources = ledger.gold_sources(round="first")
    assert len(sources) == 12
    decided = sources.filter("adjudicated")
    assert decided["method"].unique().to_list() == ["adjudication"]
    assert decided["adjudicator"].to_list() == ["cleo", "cleo"]
    assert decided["reason"].to_list() == ["it is a shoe"] * 2
    assert [len(ids) for ids in sources["answer_ids"]] == [2] * 12
    same = ["label", "inclusion_probability", "annotators", "agreement", "adjudicated"]
    assert sorted(sources.select(same).rows()) == sorted(gold.select(same).rows())


def test_an_example_that_everybody_skipped_is_gold_once_it_is_decided(ledger, batch, platform):
    round_ = ledger.open_round(batch, platform=platform)
    round_.push()
    round_.adjudicate()
    round_.decide({("q3", 11): 1}, adjudicator="cleo")
    round_.close()
    (row,) = ledger.gold().rows(named=True)
    assert (row["item"], row["label"], row["annotators"], row["agreement"]) == (11, 1, 0, None)
    assert (row["adjudicated"], row["inclusion_probability"]) == (True, 0.25)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ({("q9", 9): 1}, r"does not ask about 1 of the 1 .*q9"),
        ({("q0", 0): 2}, r"1 decisions are none of the classes 0 … 1 .*2 for"),
    ],
)
def test_a_decision_that_cannot_be_is_refused_whole(ledger, round_, labels, message):
    round_.adjudicate()
    with pytest.raises(RoundError, match=message):
        round_.decide({("q0", 1): 1, **labels} if ("q0", 0) in labels else labels, adjudicator="c")
    assert not ledger.gold()["adjudicated"].any()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE events SET kind = 'nothing'",
        "DELETE FROM events",
        "UPDATE adjudications SET label = 0",
        "DELETE FROM adjudications",
        "UPDATE gold_labels SET label = 0",
        "DELETE FROM gold_labels",
        "UPDATE annotations SET label = 0",
        "DELETE FROM annotations",
    ],
)
def test_the_database_itself_refuses_to_change_history(ledger, round_, rows, statement):
    round_.adjudicate()
    round_.decide({("q0", 0): 1}, adjudicator="cleo")
    round_.close()
    table = statement.removeprefix("DELETE FROM ").removeprefix("UPDATE ").split()[0]
    before = rows(f"SELECT * FROM {table} ORDER BY id")
    with pytest.raises(sa.exc.DBAPIError, match=f"{table} is append-only"):
        rows(statement)
    assert rows(f"SELECT * FROM {table} ORDER BY id") == before


def test_the_counts_are_those_of_the_answers_after_every_kind_of_change(
    ledger, batch, platform, round_
):
    def agree() -> dict[str, int]:
        with round_._database.read() as connection:
            row = connection.execute(sa.select(rounds)).one()
            true = counters.recounted(connection, row.id)
        assert {name: row._mapping[name] for name in true} == true
        return true

    assert agree()["n_annotations"] == 24
    assert round_.status().n_annotators == 2
    for path in platform.folder(round_.project).glob("annotations-*.json"):
        text = path.read_text()
        path.write_text(text.replace('"irrelevant"', '"nonsense"'))
    round_.pull()
    true = agree()
    assert true["n_unreadable"] == 12
    for path in platform.folder(round_.project).glob("annotations-*.json"):
        path.write_text(path.read_text().replace('"was_cancelled": false', '"was_cancelled": true'))
    round_.pull()
    assert agree()["n_skipped"] == 24
    assert (round_.status().n_annotators, round_.status().n_answered_tasks) == (0, 0)
    assert len(ledger.annotators()) == 2


def test_the_ledger_lists_its_annotators(ledger, round_):
    people = ledger.annotators()
    assert sorted(people["annotator"]) == ["anna", "scripted-annotator"]
    assert people["n_annotations"].to_list() == [12, 12]
    assert isinstance(ledger, lk.Ledger)
