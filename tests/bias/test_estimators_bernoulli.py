"""Coins instead of counts: consistent, and sharper where clicks are nearly certain."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

import labelkit as lk
from labelkit.bias.bernoulli import click_probability
from labelkit.bias.poisson import ClickedCells
from labelkit.bias.thinning import deal
from labelkit.errors import LabelkitError
from labelkit.logs import Catalogue, PositionCounts


def sure_log() -> lk.InteractionLog:
    """Items that are clicked nine times of ten that they are examined."""
    grades = np.random.default_rng(1).integers(0, 4, 4_000)
    items = pl.DataFrame(
        {"query": np.repeat(np.arange(200), 20), "item": np.arange(4_000), "relevance": grades}
    )
    catalogue = Catalogue.of(items, noise_rate=0.8)
    return lk.read_log(lk.simulate(100_000, seed=1, catalogue=catalogue).frame)


def test_it_agrees_with_poisson_and_proves_its_convergence() -> None:
    log = lk.read_log(lk.simulate(100_000, seed=2).frame)
    poisson = lk.PositionBias("poisson").fit(log).curve_
    bernoulli = lk.PositionBias("bernoulli").fit(log)
    np.testing.assert_allclose(bernoulli.curve_.theta, poisson.theta, rtol=0.1)
    (finding,) = [d for d in bernoulli.diagnostics_ if d.name == "convergence"]
    assert finding.level == "fine"
    assert "gradient left" in finding.message


def test_the_mean_click_probability_is_told_from_the_cells_alone() -> None:
    rng = np.random.default_rng(0)
    p = rng.beta(1, 2, 40_000)
    n = rng.integers(1, 6, 40_000)
    example = np.repeat(np.arange(20_000), 2)
    counts = PositionCounts.from_arrays(
        example, example, np.tile([1, 2], 20_000), n, rng.binomial(n, p)
    )
    cells = ClickedCells.of(counts)
    # Dropping examples without clicks selects; the whole table does not.
    whole = (n * p**2)[n >= 2].sum() / (n * p)[n >= 2].sum()
    assert click_probability(cells) == pytest.approx(whole, rel=0.05)


def test_auto_takes_it_where_examined_items_are_mostly_clicked() -> None:
    bias = lk.PositionBias().fit(sure_log())
    assert bias.method_ == "bernoulli"
    assert "probability 0." in bias.reason_


def test_halves_add_up_and_know_nothing_of_each_other() -> None:
    log = sure_log()
    cells = ClickedCells.of(log.counts)
    half = deal(cells, np.random.default_rng(0), fewest=2)
    other = half.other(cells)
    np.testing.assert_array_equal(half.n + other.n, cells.n)
    np.testing.assert_array_equal(half.clicks + other.clicks, cells.clicks)
    assert np.all(half.clicks <= half.n)
    assert np.all(other.clicks <= other.n)
    assert not half.n[~half.dealt].any()
    # Coins with one known chance: the halves' surpluses are uncorrelated, and of half the variance.
    rng = np.random.default_rng(1)
    example = np.repeat(np.arange(20_000), 2)
    clicks = rng.binomial(10, 0.4, 40_000)
    coins = ClickedCells.of(
        PositionCounts.from_arrays(
            example, example, np.tile([1, 2], 20_000), np.full(40_000, 10), clicks
        )
    )
    dealt = deal(coins, rng, fewest=1)
    a, b = dealt.clicks - 2, dealt.other(coins).clicks - 2
    assert abs(np.corrcoef(a, b)[0, 1]) < 0.02
    assert a.var() == pytest.approx(5 * 0.4 * 0.6, rel=0.05)


def test_other_clusters_are_refused() -> None:
    log = lk.read_log(lk.simulate(20_000, seed=2, extras=("user",)).frame)
    with pytest.raises(LabelkitError, match="clustered by query only"):
        lk.PositionBias("bernoulli", cluster="user").fit(log)
