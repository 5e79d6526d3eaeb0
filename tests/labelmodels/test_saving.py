"""Models as plain JSON."""

from __future__ import annotations

import json

import numpy as np
import pytest

from labelkit.errors import LabelModelError
from labelkit.labelmodels import (
    LabelModel,
    MajorityVote,
    OneCoin,
    SnorkelMoments,
)


@pytest.mark.parametrize("kind", [LabelModel, MajorityVote, OneCoin, SnorkelMoments])
def test_a_loaded_model_predicts_to_the_last_bit(kind, simulate, tmp_path) -> None:
    simulated = simulate(800, balance=(0.3, 0.3, 0.4))
    gold = np.where(np.arange(800) < 60, simulated.truth, -1)
    model = kind(3, seed=4).fit(simulated.L, gold=gold)
    model.save(tmp_path / "model.json")
    loaded = kind.load(tmp_path / "model.json")
    np.testing.assert_array_equal(
        loaded.predict_proba(simulated.L), model.predict_proba(simulated.L)
    )
    assert loaded.get_params() == model.get_params()
    assert loaded.n_gold_ == 60
    assert loaded.lf_accuracies_.equals(model.lf_accuracies_)
    np.testing.assert_array_equal(loaded.class_balance_, model.class_balance_)
    assert len(loaded.to_expression()) == 3


def test_a_saved_label_model_says_what_was_fitted_and_why(simulate) -> None:
    model = LabelModel().fit(simulate().L)
    plain = json.loads(json.dumps(model.to_dict()))
    assert (plain["method"], plain["reason"]) == (model.method_, model.reason_)


def test_a_saved_model_of_another_kind_is_refused(simulate, tmp_path) -> None:
    OneCoin().fit(simulate().L).save(tmp_path / "model.json")
    with pytest.raises(LabelModelError, match=r"saved OneCoin .* MajorityVote reads its own kind"):
        MajorityVote.load(tmp_path / "model.json")
