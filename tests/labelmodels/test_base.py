"""What every label model promises, whatever is inside."""

from __future__ import annotations

from dataclasses import replace

import narwhals as nw
import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from labelkit.errors import GoldError, LabelModelError, NotFittedError
from labelkit.labelmodels import (
    DawidSkene,
    LabelModel,
    MajorityVote,
    OneCoin,
    SnorkelMoments,
    Triplets,
    VoteModel,
    WeightedMajority,
)
from labelkit.lfs import Votes

MODELS = [
    MajorityVote,
    WeightedMajority,
    OneCoin,
    DawidSkene,
    Triplets,
    SnorkelMoments,
    LabelModel,
]
label_matrices = st.integers(3, 6).flatmap(
    lambda m: arrays(
        np.int8, st.tuples(st.integers(4, 60), st.just(m)), elements=st.integers(-1, 2)
    )
)


@pytest.fixture(params=MODELS, ids=lambda model: model.__name__)
def model(request: pytest.FixtureRequest) -> VoteModel:
    return request.param(3)


def test_a_model_that_is_not_fitted_says_so(model: VoteModel) -> None:
    L = np.array([[0, 1, -1]])
    for use in (model.predict_proba, model.predict, model.label):
        with pytest.raises(NotFittedError, match="not fitted yet"):
            use(L)
    with pytest.raises(NotFittedError):
        model.to_expression()
    with pytest.raises(NotFittedError):
        _ = model.lf_accuracies_


def test_scikit_learn_clones_a_model_with_its_parameters_and_without_its_fit(
    model: VoteModel, simulate
) -> None:
    from sklearn.base import clone

    model.set_params(seed=7).fit(simulate(balance=(0.3, 0.3, 0.4)).L)
    copy = clone(model)
    assert copy.get_params() == model.get_params()
    assert copy.seed == 7
    with pytest.raises(NotFittedError):
        copy.predict(np.array([[0, 1, -1, 0, 0, 0]]))


def test_an_unknown_parameter_is_named_with_those_that_exist(model: VoteModel) -> None:
    with pytest.raises(LabelModelError, match=r"no parameter 'sed'; it has cardinality"):
        model.set_params(sed=1)


def test_fit_returns_the_model(model: VoteModel, simulate) -> None:
    L = simulate(balance=(0.3, 0.3, 0.4)).L
    assert model.fit(L) is model
    assert model.n_examples_ == len(L)


@settings(max_examples=15, deadline=None)
@given(label_matrices, st.randoms(use_true_random=False))
@pytest.mark.parametrize("kind", MODELS)
def test_the_order_of_examples_and_of_lfs_is_irrelevant(kind, L, random) -> None:
    rows = random.sample(range(len(L)), len(L))
    columns = random.sample(range(L.shape[1]), L.shape[1])
    straight = kind(3).fit(L).predict_proba(L)
    shuffled = kind(3).fit(L[rows]).predict_proba(L)
    np.testing.assert_allclose(shuffled, straight, atol=1e-12)
    permuted = kind(3).fit(L[:, columns]).predict_proba(L[:, columns])
    np.testing.assert_allclose(permuted, straight, atol=1e-5)


@settings(max_examples=15, deadline=None)
@given(label_matrices)
@pytest.mark.parametrize("kind", MODELS)
def test_probabilities_sum_to_one_and_votes_equal_the_plain_matrix(kind, L) -> None:
    model = kind(3).fit(L)
    proba = model.predict_proba(L)
    np.testing.assert_allclose(proba.sum(axis=1), 1, atol=1e-12)
    assert (proba >= 0).all()
    votes = Votes.from_matrix(L, cardinality=3)
    np.testing.assert_array_equal(kind(3).fit(votes).predict_proba(votes), proba)


@pytest.mark.parametrize("kind", [MajorityVote, OneCoin])
def test_data_twice_gives_the_same_labels_as_data_once(kind, simulate) -> None:
    # A share of n as strength of the prior makes the fit depend on shares alone.
    L = simulate(500).L
    once, twice = kind().fit(L), kind().fit(np.concatenate([L, L]))
    np.testing.assert_allclose(once.predict_proba(L), twice.predict_proba(L), atol=1e-9)


def test_an_example_without_votes_gets_the_class_balance(model: VoteModel, simulate) -> None:
    L = simulate(balance=(0.5, 0.3, 0.2)).L
    model.fit(L, class_balance=[0.5, 0.3, 0.2])
    nothing = np.full((1, L.shape[1]), -1)
    np.testing.assert_allclose(model.predict_proba(nothing)[0], [0.5, 0.3, 0.2])


def test_lfs_are_found_by_name_whatever_their_order(simulate, keyed_votes) -> None:
    votes = keyed_votes(simulate().L)
    model = OneCoin().fit(votes)
    turned = replace(votes, lf_names=votes.lf_names[::-1])
    np.testing.assert_array_equal(model.predict_proba(turned), model.predict_proba(votes))


def test_votes_of_other_lfs_are_refused_by_name(simulate, keyed_votes) -> None:
    votes = keyed_votes(simulate().L)
    model = OneCoin().fit(votes)
    other = replace(
        votes,
        frame=votes.frame.rename({"lf_0": "new"}),
        lf_names=("new", *votes.lf_names[1:]),
    )
    with pytest.raises(LabelModelError, match=r"lack lf_0 and have new beside"):
        model.predict(other)


@pytest.mark.parametrize(
    ("L", "message"),
    [
        (np.zeros((0, 3), int), "no example"),
        (np.zeros((3, 0), int), "no labeling function"),
        (np.array([[0, 1, 5]]), "outside the 3 classes"),
        (np.array([[0, 1, -2]]), "below -1"),
    ],
)
def test_votes_that_cannot_be_fitted_are_refused(model: VoteModel, L, message) -> None:
    with pytest.raises(LabelModelError, match=message):
        model.fit(L)


@pytest.mark.parametrize("balance", [[0.5, 0.5], [1.0, 0.0, 0.0], [0.5, 0.5, 0.5]])
def test_a_class_balance_that_is_none_is_refused(model: VoteModel, balance, simulate) -> None:
    with pytest.raises(LabelModelError, match="class_balance"):
        model.fit(simulate(balance=(0.3, 0.3, 0.4)).L, class_balance=balance)


def test_cardinality_of_votes_and_model_must_agree(simulate, keyed_votes) -> None:
    with pytest.raises(LabelModelError, match="cardinality=2"):
        LabelModel(4).fit(keyed_votes(simulate().L))


def test_gold_by_key_equals_gold_in_order(simulate, keyed_votes) -> None:
    simulated = simulate(1000)
    votes = keyed_votes(simulated.L)
    chosen = np.arange(0, 1000, 9)
    array = np.full(1000, -1)
    array[chosen] = simulated.truth[chosen]
    frame = votes.key_frame.to_native()[chosen].with_columns(label=simulated.truth[chosen])
    by_key = LabelModel().fit(votes, gold=frame.sample(fraction=1, shuffle=True, seed=1))
    in_order = LabelModel().fit(votes, gold=array)
    assert by_key.n_gold_ == in_order.n_gold_ == len(chosen)
    np.testing.assert_allclose(
        by_key.predict_proba(votes), in_order.predict_proba(votes), atol=1e-9
    )


def test_the_class_balance_from_gold_weighs_by_inclusion_probability(simulate, keyed_votes) -> None:
    votes = keyed_votes(simulate(1000).L)
    keys = votes.key_frame.to_native()[:100]
    # Fifty chosen for certain are all of class 1; fifty that stand for ten each are of class 0.
    gold = keys.with_columns(label=pl.Series([1] * 50 + [0] * 50))
    probability = pl.Series([1.0] * 50 + [0.1] * 50)
    plain = OneCoin().fit(votes, gold=gold)
    weighted = OneCoin().fit(votes, gold=gold.with_columns(inclusion_probability=probability))
    np.testing.assert_allclose(plain.class_balance_, [0.5, 0.5])
    assert 1 / 11 <= weighted.class_balance_[1] < 0.15


def test_an_inclusion_probability_of_zero_is_refused_with_its_key(simulate, keyed_votes) -> None:
    votes = keyed_votes(simulate(100).L)
    gold = votes.key_frame.to_native()[:2].with_columns(
        label=pl.Series([0, 1]), inclusion_probability=pl.Series([1.0, 0.0])
    )
    with pytest.raises(GoldError, match=r"1 of 2 gold labels .* item 'i1'"):
        OneCoin().fit(votes, gold=gold)


def test_empty_gold_is_no_gold(simulate, keyed_votes) -> None:
    votes = keyed_votes(simulate(100).L)
    gold = votes.key_frame.to_native()[:0].with_columns(label=pl.Series([], dtype=pl.Int64))
    assert OneCoin().fit(votes, gold=gold).n_gold_ == 0


def test_accuracies_come_back_in_the_users_kind_with_null_for_silent_lfs(simulate) -> None:
    import pandas as pd

    L = simulate(300).L
    L[:, 2] = -1
    frame = pd.DataFrame(L, columns=[f"lf_{j}" for j in range(6)])
    frame.insert(0, "query", [str(i) for i in range(300)])
    votes = Votes(nw.from_native(frame), ("query",), tuple(frame.columns[1:]), 2, frame)
    table = LabelModel().fit(votes).lf_accuracies_
    assert isinstance(table, pd.DataFrame)
    assert list(table.columns) == ["lf", "accuracy", "low", "high"]
    assert table["accuracy"].isna().tolist() == [False, False, True, False, False, False]
    known = table.dropna()
    assert (known["low"] <= known["accuracy"]).all()
    assert (known["accuracy"] <= known["high"]).all()


def test_accuracies_depend_on_the_seed_where_they_are_drawn_and_on_nothing_else(simulate) -> None:
    L = simulate(500).L

    def lows(method: str, seed: int) -> list[float]:
        return LabelModel(method=method, seed=seed).fit(L).lf_accuracies_["low"].to_list()

    assert lows("majority", 0) == lows("majority", 0)
    assert lows("majority", 0) != lows("majority", 1)
    # By likelihood nothing is drawn.
    assert lows("onecoin", 0) == lows("onecoin", 1)
