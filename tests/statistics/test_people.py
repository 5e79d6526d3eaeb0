"""Intervals of agreement hold what they promise, in worlds with few and with rare classes."""

from __future__ import annotations

import numpy as np
import pytest

from labelkit.rounds.people import agreement

WORLDS = {
    "even": ([0.5, 0.5], 0.85, 3, 60),
    "rare": ([0.9, 0.1], 0.9, 2, 100),
    "five grades": ([0.3, 0.3, 0.2, 0.1, 0.1], 0.75, 4, 60),
}


def draw(random, world, n):
    shares, accuracy, raters, _ = WORLDS[world]
    k = len(shares)
    truth = random.choice(k, n, p=shares)
    wrong = (truth[:, None] + random.integers(1, k, (n, raters))) % k
    said = np.where(random.random((n, raters)) < accuracy, truth[:, None], wrong)
    return (said[:, :, None] == np.arange(k)).sum(axis=1)


@pytest.mark.parametrize("world", WORLDS)
def test_intervals_of_agreement_cover(world):
    random = np.random.default_rng(11)
    true = {a.measure: a.estimate for a in agreement(draw(random, world, 400_000), n_bootstrap=2)}
    hits = {name: [] for name in true}
    for seed in range(300):
        counts = draw(random, world, WORLDS[world][3])
        for found in agreement(counts, n_bootstrap=400, seed=seed):
            hits[found.measure].append(found.low <= true[found.measure] <= found.high)
    # Nominal 0.95; 0.91 allows for 300 draws and for a bootstrap of few rare cases.
    covered = {name: float(np.mean(hit)) for name, hit in hits.items()}
    assert min(covered.values()) >= 0.91, covered
