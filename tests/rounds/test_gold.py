from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelkit.errors import RoundError
from labelkit.rounds.gold import GOLD_COLUMNS, AnswerRow, gold_frame
from labelkit.rounds.keys import encode

START = datetime(2026, 1, 1, tzinfo=UTC)


def answer(id_, label, *, who="anna", example=("q", 1), round_id=1, minute=None, pi=0.5):
    at = None if minute is None else START + timedelta(minutes=minute)
    return AnswerRow(
        id=id_,
        round_id=round_id,
        round=f"round-{round_id}",
        keys=("query", "item"),
        dtypes=("String", "Int64"),
        example_key=encode(example),
        inclusion_probability=pi,
        annotator=who,
        label=label,
        answered_at=at,
    )


def gold(*answers):
    return gold_frame(answers, default_keys=("query", "item"))


def test_gold_has_exactly_the_promised_columns_and_types():
    frame = gold(answer(1, 1))
    assert frame.columns == ["query", "item", *GOLD_COLUMNS]
    assert frame.dtypes == [
        pl.String,
        pl.Int64,
        pl.Int64,
        pl.Float64,
        pl.String,
        pl.Int64,
        pl.Float64,
        pl.Boolean,
    ]


def test_no_answers_are_an_empty_frame_with_the_same_columns():
    assert gold().columns == gold(answer(1, 1)).columns
    assert gold().is_empty()


def test_the_majority_of_annotators_decides():
    frame = gold(answer(1, 0, who="anna"), answer(2, 1, who="ben"), answer(3, 1, who="cleo"))
    assert frame.row(0, named=True) | {"query": "q"} == {
        "query": "q",
        "item": 1,
        "label": 1,
        "inclusion_probability": 0.5,
        "round": "round-1",
        "annotators": 3,
        "agreement": 2 / 3,
        "adjudicated": False,
    }


def test_an_annotator_counts_once_with_the_last_answer():
    frame = gold(
        answer(1, 0, who="anna", minute=1),
        answer(2, 0, who="anna", minute=2),
        answer(4, 0, who="anna", minute=3),
        answer(3, 1, who="anna", minute=9),
        answer(5, 1, who="ben", minute=4),
    )
    assert frame.select("label", "annotators", "agreement").row(0) == (1, 2, 1.0)


def test_a_tie_goes_to_the_answer_that_was_given_first():
    late_zero = gold(answer(1, 0, who="anna", minute=5), answer(2, 1, who="ben", minute=1))
    late_one = gold(answer(1, 0, who="anna", minute=1), answer(2, 1, who="ben", minute=5))
    assert (late_zero["label"].item(), late_one["label"].item()) == (1, 0)
    assert late_zero["agreement"].item() == 0.5


def test_an_example_asked_again_is_taken_from_the_latest_round():
    frame = gold(answer(1, 0, round_id=1, pi=0.1), answer(2, 1, round_id=2, pi=0.9))
    assert frame.select("label", "round", "inclusion_probability").rows() == [(1, "round-2", 0.9)]


def test_rounds_over_different_keys_do_not_mix():
    other = AnswerRow(2, 2, "round-2", ("user",), ("String",), '["u"]', 1.0, "anna", 1, None)
    with pytest.raises(RoundError, match="different key columns"):
        gold(answer(1, 0), other)


@given(
    st.lists(
        st.tuples(st.integers(0, 3), st.integers(0, 4), st.integers(0, 2)), min_size=1, max_size=30
    ),
    st.randoms(use_true_random=False),
)
def test_gold_does_not_depend_on_the_order_in_which_answers_are_read(rows, random):
    answers = [
        answer(i, label, who=f"w{who}", example=("q", item))
        for i, (item, who, label) in enumerate(rows)
    ]
    shuffled = random.sample(answers, len(answers))
    assert gold(*answers).equals(gold(*shuffled))
    assert len(gold(*answers)) == len({item for item, _, _ in rows})
