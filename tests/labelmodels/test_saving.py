"""Models as plain JSON, and as NPZ without pickles."""

from __future__ import annotations

import json

import numpy as np
import pytest

from labelkit.errors import LabelModelError
from labelkit.labelmodels import (
    DawidSkene,
    LabelModel,
    MajorityVote,
    OneCoin,
    SnorkelMoments,
    Triplets,
    WeightedMajority,
)
from labelkit.labelmodels.saving import read_model, write_model

KINDS = [
    LabelModel,
    MajorityVote,
    WeightedMajority,
    OneCoin,
    DawidSkene,
    Triplets,
    SnorkelMoments,
]


@pytest.mark.parametrize("name", ["model.json", "model.npz"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_loaded_model_predicts_to_the_last_bit(kind, name, simulate, tmp_path) -> None:
    simulated = simulate(800, balance=(0.3, 0.3, 0.4))
    gold = np.where(np.arange(800) < 60, simulated.truth, -1)
    model = kind(3, seed=4).fit(simulated.L, gold=gold)
    model.save(tmp_path / name)
    loaded = kind.load(tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == [name]
    np.testing.assert_array_equal(
        loaded.predict_proba(simulated.L), model.predict_proba(simulated.L)
    )
    assert loaded.get_params() == model.get_params()
    assert loaded.n_gold_ == 60
    assert loaded.lf_accuracies_.equals(model.lf_accuracies_)
    np.testing.assert_array_equal(loaded.class_balance_, model.class_balance_)
    assert len(loaded.to_expression()) == 3
    if kind is DawidSkene:
        assert loaded.confusion_.equals(model.confusion_)


def test_a_saved_label_model_says_what_was_fitted_and_why(simulate) -> None:
    model = LabelModel().fit(simulate().L)
    plain = json.loads(json.dumps(model.to_dict()))
    assert (plain["method"], plain["reason"]) == (model.method_, model.reason_)


def test_a_saved_model_of_another_kind_is_refused(simulate, tmp_path) -> None:
    OneCoin().fit(simulate().L).save(tmp_path / "model.json")
    with pytest.raises(LabelModelError, match=r"saved OneCoin .* MajorityVote reads its own kind"):
        MajorityVote.load(tmp_path / "model.json")


def test_both_kinds_of_file_hold_the_same_and_equal_models_equal_bytes(simulate, tmp_path) -> None:
    L = simulate().L
    for name in ("a.npz", "b.npz", "a.json"):
        DawidSkene().fit(L).save(tmp_path / name)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    assert read_model(tmp_path / "a.npz") == read_model(tmp_path / "a.json")


def test_the_numbers_of_an_npz_file_are_arrays(simulate, tmp_path) -> None:
    OneCoin().fit(simulate().L).save(tmp_path / "model.npz")
    with np.load(tmp_path / "model.npz", allow_pickle=False) as stored:
        assert any(stored[name].shape == (6, 2, 2) for name in stored.files)


@pytest.mark.parametrize(
    "plain",
    [
        {"a": [1, 2.5], "b": [[1.0, 2.0], [3.0]], "c": [], "d": [True, False], "e": [None, 1.0]},
        {"a": [float("nan"), float("inf")], "b": [2**60, -1], "c": [{"x": [1.5]}, "text"]},
        {"a": [2**70]},
    ],
    ids=["ragged and mixed", "numbers at the edge", "too large an integer"],
)
def test_plain_values_survive_an_npz_file(plain, tmp_path) -> None:
    write_model(tmp_path / "model.npz", plain)
    assert repr(read_model(tmp_path / "model.npz")) == repr(plain)


def test_a_pickled_array_is_not_opened(tmp_path) -> None:
    np.savez(tmp_path / "model.npz", json=np.array([{"model": "OneCoin"}], dtype=object))
    with pytest.raises(LabelModelError, match=r"not a label model .* allow_pickle=False"):
        OneCoin.load(tmp_path / "model.npz")


@pytest.mark.parametrize("name", ["model.json", "model.npz"])
def test_a_file_that_is_cut_short_is_refused(name, simulate, tmp_path) -> None:
    path = tmp_path / name
    OneCoin().fit(simulate().L).save(path)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(LabelModelError, match="not a label model that labelkit saved"):
        OneCoin.load(path)


def test_a_failed_save_leaves_the_old_file(simulate, tmp_path, monkeypatch) -> None:
    path = tmp_path / "model.npz"
    model = OneCoin().fit(simulate().L)
    model.save(path)
    before = path.read_bytes()

    def fail(*_: object, **__: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(np, "savez_compressed", fail)
    with pytest.raises(OSError, match="disk full"):
        model.save(path)
    assert path.read_bytes() == before
    assert [item.name for item in tmp_path.iterdir()] == ["model.npz"]
