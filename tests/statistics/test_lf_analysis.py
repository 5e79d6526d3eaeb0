"""Intervals and tests of the LF analysis: do they cover, and do they cry wolf?"""

from __future__ import annotations

import narwhals as nw
import numpy as np
import polars as pl
import pytest

from labelkit import LabelModel, Votes
from labelkit.labelmodels import marginal_value
from labelkit.lfs import lf_drift
from labelkit.lfs.clusters import paired_means, paired_shares, ratio_difference
from labelkit.lfs.pairs import kappa

pytestmark = pytest.mark.statistics


@pytest.mark.parametrize(
    ("better", "worse", "n_queries", "skewed"),
    [
        (0.1, 0.05, 40, False),
        (0.02, 0.02, 40, False),
        (0.005, 0.0, 30, False),
        (0.1, 0.02, 60, True),
    ],
)
def test_paired_change_of_a_share_covers_also_where_changes_are_rare(
    better, worse, n_queries, skewed
):
    """Examples of one query change together; weights may differ twentyfold."""
    rng = np.random.default_rng(11)
    covered = 0
    repeats = 1500
    for _ in range(repeats):
        cluster = np.repeat(np.arange(n_queries), 3)
        up = np.repeat(rng.random(n_queries) < 0.5, 3)  # a query leans one way or the other
        u = rng.random(len(cluster))
        change = np.where(u < 2 * better * up, 1.0, 0.0)
        change -= np.where(rng.random(len(cluster)) < 2 * worse * ~up, 1.0, 0.0)
        weight = np.where(rng.random(len(cluster)) < 0.3, 1.0, 20.0 if skewed else 1.0)
        _, low, high = paired_shares(change, weight, cluster)
        covered += low <= better - worse <= high
    assert covered / repeats > 0.935


def test_paired_means_and_ratios_cover_with_queries_as_the_units():
    rng = np.random.default_rng(12)
    repeats, hits = 1000, np.zeros(3)
    for _ in range(repeats):
        shared = rng.normal(0.3, 0.1, (50, 1))
        n = rng.poisson(8, (50, 2)) + 1
        p = np.clip(shared + np.array([0.0, 0.1]) + rng.normal(0, 0.05, (50, 2)), 0.01, 0.99)
        votes = rng.binomial(n, p)
        parts = [(votes[:, [s]].astype(float), n[:, [s]].astype(float)) for s in (0, 1)]
        both = ratio_difference(*parts)
        hits[0] += both.low[0] <= 0.1 <= both.high[0]
        # The same queries and others: the sides share nothing.
        empty = np.zeros((50, 1))
        apart = ratio_difference(
            tuple(np.vstack([x, empty]) for x in parts[0]),
            tuple(np.vstack([empty, x]) for x in parts[1]),
        )
        hits[1] += apart.low[0] <= 0.1 <= apart.high[0]
        change = np.repeat(rng.normal(0.2, 0.5, 50), 4) + rng.normal(0, 0.2, 200)
        _, low, high = paired_means(change, rng.uniform(1, 3, 200), np.repeat(np.arange(50), 4))
        hits[2] += low <= 0.2 <= high
    assert (hits / repeats > 0.93).all(), hits / repeats
    # Sides that share their queries without being told so have intervals that are too wide.
    assert hits[1] >= hits[0]


def test_kappa_covers():
    rng = np.random.default_rng(13)
    p = np.array([[0.45, 0.1], [0.08, 0.37]])
    agreed, chance = np.trace(p), (p.sum(1) * p.sum(0)).sum()
    truth = (agreed - chance) / (1 - chance)
    _, low, high = kappa(rng.multinomial(200, p.ravel(), 4000).reshape(-1, 2, 2))
    assert ((low <= truth) & (truth <= high)).mean() > 0.935


def _sides(rng: np.random.Generator, *, fall: float) -> Votes:
    """300 queries of 5 items, whose coverage goes together; f's coverage falls by ``fall``."""
    n = 1500
    query = np.repeat(rng.integers(0, 10**9, n // 5), 5)
    y = rng.integers(0, 2, n)
    columns = {"query": query, "item": np.tile(np.arange(5), n // 5)}
    for j in range(6):
        said = np.where(rng.random(n) < 0.75, y, 1 - y)
        rate = np.repeat(rng.beta(2, 2, n // 5), 5) - (fall if j == 0 else 0.0)
        columns[f"f{j}"] = np.where(rng.random(n) < rate, said, -1).astype(np.int8)
    table = pl.DataFrame(columns)
    return Votes(nw.from_native(table), ("query", "item"), tuple(table.columns[2:]), 2)


def test_drift_cries_wolf_in_few_comparisons_and_sees_a_real_fall():
    rng = np.random.default_rng(14)
    repeats, alarms, seen, raw = 80, 0, 0, 0
    for _ in range(repeats):
        before = _sides(rng, fall=0.0)
        quiet = lf_drift(before, _sides(rng, fall=0.0))
        alarms += bool((quiet["adjusted_p"] < 0.05).any())
        raw += int((quiet["p_value"] < 0.05).sum())
        loud = lf_drift(before, _sides(rng, fall=0.15)).filter(lf="f0", figure="coverage")
        seen += bool(loud["adjusted_p"][0] < 0.05)
    assert alarms / repeats <= 0.08
    assert seen / repeats > 0.9
    # 18 figures each: unadjusted p-values are uniform, so one in twenty is below 0.05.
    assert 0.03 < raw / (repeats * 18) < 0.075


def test_the_gain_of_an_lf_covers_what_all_truth_would_say():
    rng = np.random.default_rng(15)
    repeats, hits, total = 25, 0, 0
    for repeat in range(repeats):
        n = 1500
        y = rng.integers(0, 2, n)
        columns = {"query": np.arange(n) // 5, "item": np.arange(n) % 5}
        for j, (a, c) in enumerate([(0.85, 0.5), (0.7, 0.6), (0.6, 0.7), (0.5, 0.4)]):
            said = np.where(rng.random(n) < a, y, 1 - y)
            columns[f"f{j}"] = np.where(rng.random(n) < c, said, -1).astype(np.int8)
        table = pl.DataFrame(columns)
        names = tuple(table.columns[2:])
        votes = Votes(nw.from_native(table), ("query", "item"), names, 2, table.clear())
        truth = table.select("query", "item", label=pl.Series(y))
        queries = rng.choice(n // 5, 40, replace=False)
        gold = truth.filter(pl.col("query").is_in(queries.tolist()))
        found = marginal_value(votes, gold, method="onecoin", seed=repeat)
        whole = LabelModel(2, "onecoin").fit(votes, gold=gold).predict(votes) == y
        for j, row in enumerate(found.to_dicts()):
            rest = Votes(
                nw.from_native(table.drop(names[j])),
                ("query", "item"),
                tuple(name for name in names if name != names[j]),
                2,
            )
            without = LabelModel(2, "onecoin").fit(rest, gold=gold).predict(rest) == y
            gain = whole.mean() - without.mean()
            hits += row["accuracy_gain_low"] <= gain <= row["accuracy_gain_high"]
            total += 1
    assert hits / total > 0.9
