from __future__ import annotations

import polars as pl
import pytest

import labelkit as lk
from labelkit.errors import RoundError
from labelkit.platforms import ScriptedAnnotator

TRUTH = {("q", i): i % 3 for i in range(3000)}


def answers(annotator):
    return {example: annotator.label(example, cardinality=3) for example in TRUTH}


def test_without_errors_the_answers_are_the_truth():
    assert answers(ScriptedAnnotator(TRUTH)) == TRUTH


def test_the_error_rate_is_what_was_asked_for_and_errors_are_spread_evenly():
    given = answers(ScriptedAnnotator(TRUTH, error_rate=0.3, seed=1))
    wrong = [(TRUTH[e], given[e]) for e in TRUTH if given[e] != TRUTH[e]]
    # Four standard errors of a share of 0.3 among 3,000.
    assert abs(len(wrong) / 3000 - 0.3) < 4 * (0.3 * 0.7 / 3000) ** 0.5
    pairs = [wrong.count((t, g)) / len(wrong) for t in range(3) for g in range(3) if t != g]
    assert all(abs(share - 1 / 6) < 0.06 for share in pairs)


def test_an_example_gets_the_same_answer_whenever_it_is_asked():
    one = ScriptedAnnotator(TRUTH, error_rate=0.5, seed=7)
    assert answers(one) == answers(ScriptedAnnotator(TRUTH, error_rate=0.5, seed=7))
    assert answers(one) != answers(ScriptedAnnotator(TRUTH, error_rate=0.5, seed=8))


@pytest.mark.parametrize("kind", ["polars", "pandas", "arrow"])
def test_truth_may_be_a_frame_of_any_kind(kind):
    frame = pl.DataFrame({"query": ["q", "q"], "item": [1, 2], "label": [1, 0]})
    truth = {"polars": frame, "pandas": frame.to_pandas(), "arrow": frame.to_arrow()}[kind]
    assert ScriptedAnnotator(truth).label(("q", 1), cardinality=2) == 1


def test_an_example_without_truth_is_not_answered_by_guessing():
    with pytest.raises(RoundError, match="no truth for example"):
        ScriptedAnnotator(TRUTH).label(("other", 1), cardinality=3)


def test_a_round_that_was_not_pushed_cannot_be_answered(tmp_path, batch, ledger):
    round_ = ledger.open_round(batch, platform=lk.FilesPlatform(tmp_path))
    with pytest.raises(RoundError, match="push it first"):
        ScriptedAnnotator({(f"q{i // 3}", i): 0 for i in range(12)}).answer(round_)
