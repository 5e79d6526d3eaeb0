"""How much of a label is prior: its ends, and the same in every place."""

from __future__ import annotations

import narwhals as nw
import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labelkit.labelmodels import OneCoin
from labelkit.labelmodels.doubt import prior_share, prior_share_expr


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(2, 6))
def test_it_is_a_share_one_at_the_prior_and_nowhere_else(seed, k) -> None:
    rng = np.random.default_rng(seed)
    prior, proba = rng.dirichlet(np.ones(k)) + 1e-3, rng.dirichlet(np.ones(k), 20)
    prior /= prior.sum()
    share = prior_share(proba, prior)
    assert ((share >= 0) & (share <= 1)).all()
    assert prior_share(prior[None], prior)[0] == pytest.approx(1)
    away = np.abs(proba - prior).max(axis=1) > 0.01
    assert (share[away] < 1).all()
    assert prior_share(np.eye(k), prior).max() == pytest.approx(0)


def test_under_a_uniform_prior_it_is_the_normalised_entropy() -> None:
    p = np.array([[0.9, 0.1], [0.6, 0.4]])
    entropy = -(p * np.log2(p)).sum(axis=1)
    np.testing.assert_allclose(prior_share(p, np.array([0.5, 0.5])), entropy)


def test_the_table_says_one_where_nobody_voted_and_less_elsewhere(simulate, keyed_votes) -> None:
    simulated = simulate(500, coverage=0.3)
    votes = keyed_votes(simulated.L)
    table = OneCoin().fit(votes).label(votes)
    covered = table["covered"].to_numpy()
    share = table["prior_share"].to_numpy()
    assert 0 < (~covered).sum() < 500
    np.testing.assert_allclose(share[~covered], 1)
    # Votes that cancel each other leave the prior as it was.
    assert np.median(share[covered]) < 0.9


@pytest.mark.parametrize("engine", ["polars", "pandas", "pyarrow", "duckdb"])
def test_engines_agree_with_numpy(engine) -> None:
    rng = np.random.default_rng(0)
    prior = np.array([0.7, 0.2, 0.1])
    proba = np.r_[rng.dirichlet(np.ones(3), 50), np.eye(3), prior[None]]
    frame = pl.DataFrame({f"p_{y}": proba[:, y] for y in range(3)})
    native: object = frame
    if engine == "pandas":
        native = frame.to_pandas()
    elif engine == "pyarrow":
        native = frame.to_arrow()
    elif engine == "duckdb":
        duckdb = pytest.importorskip("duckdb")
        native = duckdb.sql("select * from frame")
    found = nw.from_native(native).select(prior_share_expr(prior)).lazy().collect()
    np.testing.assert_allclose(
        found["prior_share"].to_numpy(), prior_share(proba, prior), atol=1e-12
    )
