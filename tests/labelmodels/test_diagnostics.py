"""What is said of fits that are to be doubted, and that nothing is said of a good one."""

from __future__ import annotations

import numpy as np
import pytest

from labelkit.errors import NotFittedError
from labelkit.labelmodels import LabelModel


def checks(model: LabelModel) -> set[tuple[str, str]]:
    return {(f.check, f.about) for f in model.diagnose().findings}


def test_nothing_is_found_where_nothing_is_wrong(simulate) -> None:
    diagnosis = LabelModel().fit(simulate(coverage=0.7).L).diagnose()
    assert diagnosis.findings == ()
    assert diagnosis.frame.is_empty()
    assert diagnosis.pairs.is_empty()
    assert diagnosis.explained > 0.9


def test_silent_functions_copies_and_missing_classes_are_named(simulate) -> None:
    L = simulate(coverage=0.7).L
    L = np.column_stack([L, L[:, 0], np.full(len(L), -1)]).astype(np.int8)
    model = LabelModel(3).fit(L)
    assert {
        ("silent function", "lf_7"),
        ("dependent pair", "lf_0, lf_6"),
        ("class without votes", "class 2"),
    } <= checks(model)
    frame = model.diagnose().frame
    assert frame["severity"].to_list() == sorted(frame["severity"], reverse=True)
    assert all(sentence.endswith(".") for sentence in model.diagnose().sentences)


def test_too_few_functions_are_too_few() -> None:
    L = np.array([[0, 0, -1], [1, 1, -1], [0, -1, -1], [-1, -1, 1]] * 30)
    assert ("too few functions", "") in checks(LabelModel().fit(L))


def test_a_function_the_wrong_way_round_is_named_by_its_agreement(simulate) -> None:
    simulated = simulate(accuracy=(0.9, 0.8, 0.85, 0.8, 0.15), coverage=0.7)
    model = LabelModel().fit(simulated.L)
    assert ("worse than guessing", "lf_4") in checks(model)
    named = next(f for f in model.diagnose().findings if f.check == "worse than guessing")
    assert named.value == pytest.approx(0.15, abs=0.12)


def test_a_function_for_a_rare_class_may_be_wrong_most_of_the_time(simulate) -> None:
    rng = np.random.default_rng(0)
    truth = (rng.random(6000) < 0.05).astype(int)
    side = np.array([1, 1, 1, 1, 0, 0])
    hit, false = np.array([[0.5, 0.6, 0.5, 0.5, 0.5, 0.4], [0.05, 0.05, 0.06, 0.04, 0.05, 0.1]])
    L = np.where(
        rng.random((6000, 6)) < np.where(truth[:, None] == side, hit, false), side, -1
    ).astype(np.int8)
    precision = (truth[L[:, 0] == 1] == 1).mean()
    assert precision < 0.45
    assert not [
        about for check, about in checks(LabelModel().fit(L)) if check == "worse than guessing"
    ]


def test_a_side_that_was_switched_is_warned_of(youtube) -> None:
    # On these votes one-coin EM declares the functions for spam worthless (see test_auto).
    found = checks(LabelModel(method="onecoin").fit(youtube.test))
    assert ("label switching", "class 1") in found


def test_near_ties_and_a_fit_that_explains_little_are_noted(vote_set) -> None:
    found = {check for check, _ in checks(LabelModel(vote_set.cardinality).fit(vote_set.train))}
    assert {"near-ties", "fit"} <= found


def test_votes_that_share_nothing_are_said_to_share_nothing() -> None:
    L = np.where(np.random.default_rng(0).random((4000, 5)) < 0.3, 1, -1)
    L[:, :2] = np.where(L[:, :2] == 1, 0, -1)
    assert ("signal", "") in checks(LabelModel().fit(L))


def test_a_model_that_was_saved_is_diagnosed_on_votes_that_are_given(simulate, tmp_path) -> None:
    L = simulate().L
    model = LabelModel().fit(L)
    model.save(tmp_path / "model.json")
    again = LabelModel.load(tmp_path / "model.json")
    with pytest.raises(NotFittedError, match="give them to diagnose"):
        again.diagnose()
    assert again.diagnose(L).frame.equals(model.diagnose().frame)
