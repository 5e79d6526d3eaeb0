"""Labels as tables: keys, order, ties, kinds of frame."""

from __future__ import annotations

import narwhals as nw
import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

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
from labelkit.lfs import Votes

COLUMNS = ["query", "item", "p_0", "p_1", "label", "margin", "covered", "prior_share"]


def as_kind(frame: pl.DataFrame, kind: str) -> object:
    import duckdb

    if kind == "duckdb":
        table = frame.to_arrow()
        return duckdb.from_arrow(table)
    return {
        "polars": lambda: frame,
        "lazy": frame.lazy,
        "pandas": frame.to_pandas,
        "pyarrow": frame.to_arrow,
    }[kind]()


def votes_on(native: object, lf_names: tuple[str, ...], cardinality: int = 2) -> Votes:
    return Votes(nw.from_native(native), ("query", "item"), lf_names, cardinality, native)


@pytest.mark.parametrize("kind", ["polars", "lazy", "pandas", "pyarrow", "duckdb"])
def test_labels_are_the_same_table_on_every_engine(kind, simulate, keyed_votes) -> None:
    votes = keyed_votes(simulate(300, coverage=0.2).L)
    shuffled = votes.frame.to_native().sample(fraction=1, shuffle=True, seed=3)
    native = as_kind(shuffled, kind)
    model = LabelModel().fit(votes)
    expected = model.label(votes)
    got = model.label(votes_on(native, votes.lf_names))
    kinds = {"pandas": "pandas", "pyarrow": "pyarrow", "duckdb": "pyarrow"}
    assert type(got).__module__.startswith(kinds.get(kind, "polars"))
    table = nw.from_native(got, eager_only=True).to_polars()
    assert table.columns == COLUMNS
    assert table.rows() == expected.rows()
    assert expected.select("query", "item").rows() == sorted(
        expected.select("query", "item").rows()
    )


@settings(max_examples=12, deadline=None)
@given(
    arrays(np.int8, st.tuples(st.integers(5, 40), st.just(4)), elements=st.integers(-1, 2)),
    st.booleans(),
)
@pytest.mark.parametrize("kind", ["polars", "pandas", "duckdb"])
@pytest.mark.parametrize(
    "model", [MajorityVote, WeightedMajority, OneCoin, DawidSkene, Triplets, SnorkelMoments]
)
def test_the_expression_equals_predict_proba(kind, model, L, with_gold) -> None:
    gold = np.full(len(L), -1)
    if with_gold:
        gold[:5] = [0, 1, 2, 0, 1]
    fitted = model(3).fit(L, gold=gold)
    frame = pl.DataFrame({name: L[:, j] for j, name in enumerate(fitted.lf_names_)})
    native = as_kind(frame.with_columns(row=pl.int_range(len(L))), kind)
    table = nw.from_native(native).lazy().with_columns(*fitted.to_expression()).collect()
    rows = table.to_polars().sort("row").select("p_0", "p_1", "p_2").to_numpy()
    np.testing.assert_allclose(rows, fitted.predict_proba(L), atol=1e-12)


def test_margin_label_and_covered_follow_from_the_probabilities(simulate, keyed_votes) -> None:
    votes = keyed_votes(simulate(500, coverage=0.15, balance=(0.3, 0.3, 0.4)).L, 3)
    table = LabelModel(3).fit(votes).label(votes)
    proba = table.select("p_0", "p_1", "p_2").to_numpy()
    best = np.sort(proba, axis=1)
    np.testing.assert_allclose(table["margin"].to_numpy(), best[:, 2] - best[:, 1])
    np.testing.assert_array_equal(table["label"].to_numpy(), proba.argmax(axis=1))
    voted = (votes.matrix >= 0).any(axis=1)
    np.testing.assert_array_equal(table["covered"].to_numpy(), voted)
    assert not voted.all()


def test_examples_with_the_same_key_come_in_one_order_whatever_came_first() -> None:
    L = np.array([[0, 0, 1], [1, 1, 1], [0, -1, 0], [1, 0, 0]], dtype=np.int8)
    frame = pl.DataFrame({"query": ["a"] * 4, "item": ["x"] * 4}).with_columns(
        pl.Series(f"lf_{j}", L[:, j]) for j in range(3)
    )
    names = ("lf_0", "lf_1", "lf_2")
    model = MajorityVote().fit(votes_on(frame, names))
    straight = model.label(votes_on(frame, names))
    turned = model.label(votes_on(frame.reverse(), names))
    assert straight.equals(turned)


def test_votes_without_keys_are_labeled_in_their_order(simulate) -> None:
    L = simulate(50).L
    model = OneCoin().fit(L)
    table = model.label(L)
    np.testing.assert_array_equal(table.select("p_0", "p_1").to_numpy(), model.predict_proba(L))


def test_ties_are_broken_by_the_rule_that_is_asked_for() -> None:
    from snorkel.labeling.model import MajorityLabelVoter

    rng = np.random.default_rng(0)
    L = rng.integers(-1, 3, (200, 4)).astype(np.int8)
    model = MajorityVote(3, seed=1).fit(L)
    proba = model.predict_proba(L)
    top = proba >= proba.max(axis=1, keepdims=True) - 1e-5
    assert (top.sum(axis=1) > 1).sum() > 20
    np.testing.assert_array_equal(model.predict(L), top.argmax(axis=1))
    snorkel = MajorityLabelVoter(3)
    for policy in ("abstain", "random"):
        np.testing.assert_array_equal(
            model.predict(L, tie_break=policy), snorkel.predict(L, tie_break_policy=policy)
        )
    drawn = model.predict(L, tie_break="true-random")
    assert top[np.arange(200), drawn].all()
    assert (drawn != model.predict(L)).any()
    np.testing.assert_array_equal(drawn, model.predict(L, tie_break="true-random"))
    with pytest.raises(LabelModelError, match="'first', 'abstain'"):
        model.predict(L, tie_break="last")


def test_a_million_examples_are_labeled_in_the_time_of_a_look_up(keyed_votes) -> None:
    import time

    rng = np.random.default_rng(0)
    votes = keyed_votes(rng.integers(-1, 2, (1_000_000, 5)).astype(np.int8))
    model = MajorityVote().fit(votes)
    model.label(votes)
    start = time.process_time()
    table = model.label(votes)
    assert len(table) == 1_000_000
    # A loop over rows in Python would take minutes; the bound is wide for busy machines.
    assert time.process_time() - start < 5


def test_votes_that_do_not_repeat_are_labeled_to_the_last_bit_as_by_pattern(monkeypatch) -> None:
    from labelkit.labelmodels import prediction

    L = np.random.default_rng(0).integers(-1, 5, (3000, 30)).astype(np.int8)
    frame = pl.DataFrame({f"lf_{j}": L[:, j] for j in range(30)})
    votes = [Votes(nw.from_native(f), (), tuple(frame.columns), 5, f) for f in (frame, frame)]
    assert not votes[0].repeating
    votes[1].__dict__["repeating"] = True
    monkeypatch.setattr(prediction, "_CHUNK", 701)
    for model in (SnorkelMoments(5), OneCoin(5)):
        apart, looked_up = (model.fit(votes[0]).label(v) for v in votes)
        assert apart.equals(looked_up)
        np.testing.assert_array_equal(*(model.predict_proba(v) for v in votes))
    # Whichever way the moments were counted, the fit is the same.
    mu = [SnorkelMoments(5).fit(v).mu_ for v in votes]
    np.testing.assert_array_equal(*mu)
