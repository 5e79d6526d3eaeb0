"""Learned thresholds and suggested rules, simulated: intervals hold, and chance is called chance.

Bigger versions of both: ``benchmarks/suggest.py``.
"""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from scipy.special import expit

import labelkit as lk
from labelkit.lfs.suggest import learn_thresholds, suggest
from labelkit.lfs.suggest.share import share_right
from labelkit.lfs.templates import long_dwell

pytestmark = pytest.mark.statistics


@pytest.mark.parametrize(
    ("n_clusters", "spread", "accuracy"), [(25, 0.0, 0.9), (40, 0.8, 0.8), (150, 0.8, 0.95)]
)
def test_the_interval_of_a_weighted_clustered_share_holds(n_clusters, spread, accuracy):
    rng = np.random.default_rng(0)
    cluster = np.repeat(np.arange(n_clusters), 4)
    # The mean of the clusters' own rates is what is estimated: 400,000 draws tell it.
    shift = np.log(accuracy / (1 - accuracy))
    truth = expit(shift + spread * rng.normal(size=400_000)).mean()
    hits, runs = 0, 1_000
    for _ in range(runs):
        rate = expit(shift + spread * rng.normal(size=n_clusters))[cluster]
        right = (rng.random(len(cluster)) < rate).astype(float)
        weight = rng.choice([0.5, 1.0, 2.0], len(cluster))
        share = share_right(right, weight, cluster, level=0.95)
        hits += share.low <= truth <= share.high
    # Two-sided 95 %, give or take three standard errors of 1,000 runs, and room to be cautious.
    assert 0.93 <= hits / runs <= 0.985


@pytest.mark.parametrize("slope", [0.0, 1.2], ids=["nothing to learn", "a slope to learn"])
def test_the_accuracy_of_a_learned_threshold_holds_for_the_threshold_that_was_chosen(slope):
    def world(rng, n_queries):
        query = np.repeat(np.arange(n_queries), 5)
        dwell = rng.exponential(40, len(query))
        noise = 0.7 * rng.normal(size=n_queries)[query]
        return query, dwell, expit(slope * (np.minimum(dwell, 80) / 40 - 1) - 0.2 + noise)

    _, dwell, p = world(np.random.default_rng(1), 40_000)
    truth = {s: p[dwell >= s].mean() for s in long_dwell.grid["seconds"]}
    hits, errors, runs = 0, [], 120
    for seed in range(runs):
        rng = np.random.default_rng(100 + seed)
        query, dwell, p = world(rng, 100)
        examples = pl.DataFrame({"query": query, "item": np.arange(500), "dwell_max": dwell})
        gold = examples.select(
            "query", "item", label=pl.Series((rng.random(500) < p).astype(int))
        ).sample(150, seed=seed)
        learned = learn_thresholds(long_dwell, examples, gold, seed=seed)
        right = truth[learned.thresholds["seconds"]]
        hits += learned.accuracy.low <= right <= learned.accuracy.high
        errors.append(learned.accuracy.estimate - right)
    assert hits / runs >= 0.93
    assert abs(np.mean(errors)) <= 3 * np.std(errors) / np.sqrt(runs) + 0.015


def _planted(rng, n_queries, *, planted):
    n = n_queries * 5
    x, clicks = rng.normal(size=(n, 5)), rng.poisson(1.2, n)
    said = rng.random((n, 8)) < 0.3
    words = np.array(["free", "win", "the", "of", "cat", "dog", "red", "blue"])
    examples = pl.DataFrame(
        {"query": np.arange(n) // 5, "item": np.arange(n), "clicks": clicks}
        | {f"x{j}": x[:, j] for j in range(5)}
    ).with_columns(title=pl.Series([" ".join(words[s]) for s in said]))
    odds = np.full(n, -0.4)
    if planted:
        odds = np.where((clicks >= 2) & (x[:, 1] > 0), 2.0, np.where(said[:, 1], 1.5, -1.2))
    return examples, expit(odds + 0.7 * rng.normal(size=n_queries)[np.arange(n) // 5])


@pytest.mark.parametrize("planted", [False, True], ids=["chance", "planted rules"])
def test_suggestions_hold_what_they_say_and_chance_is_not_worth_accepting(planted):
    """All intervals of a call hold at once in at least 95 % of calls, whatever is then accepted."""
    universe, p = _planted(np.random.default_rng(9), 8_000, planted=planted)
    all_hold, anything, single, total, runs = 0, 0, 0, 0, 30
    for seed in range(runs):
        rng = np.random.default_rng(500 + seed)
        examples, rate = _planted(rng, 300, planted=planted)
        take = 300 * (0.5 + (examples["clicks"].to_numpy() > 1))
        pi = np.clip(take / (0.5 + (examples["clicks"].to_numpy() > 1)).sum(), 0, 1)
        gold = examples.select(
            "query",
            "item",
            label=pl.Series((rng.random(len(rate)) < rate).astype(int)),
            inclusion_probability=pl.Series(pi),
        ).filter(pl.Series(rng.random(len(rate)) < pi))
        found = suggest(examples, None, gold, seed=seed)
        votes = lk.apply([c.lf for c in found.candidates], universe).matrix
        holds = []
        for j, candidate in enumerate(found.candidates):
            voted = votes[:, j] != -1
            right = (p if candidate.label == 1 else 1 - p)[voted].mean()
            holds.append(candidate.accuracy.low <= right <= candidate.accuracy.high)
            if planted and candidate.verdict == "accept":
                assert right > max(p.mean() if candidate.label == 1 else 1 - p.mean(), 0.5)
        all_hold += all(holds)
        single, total = single + sum(holds), total + len(holds)
        anything += bool(found.worth)
    assert all_hold / runs >= 0.9
    assert single / total >= 0.98
    if planted:
        assert anything / runs >= 0.8
    else:
        assert anything <= 3
