"""Intervals of LF accuracies where the one-coin model is true: 95 % of them should hold the truth.

``OneCoin`` with its defaults, prior included, against accuracies that are drawn anew for every data
set: two and four classes, 5 to 25 functions, 10 to 60 % coverage, 500 to 20,000 examples, balanced
and not (the balance is given). Functions of one data set share their fate, so that the standard
error is taken over data sets. The last column says how wide the intervals are.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from labelkit.labelmodels import OneCoin

LOW, HIGH = 93.0, 97.0


@dataclass(frozen=True)
class World:
    """Votes that follow the one-coin model; each LF's coverage is 0.5 to 1.5 times ``coverage``."""

    n: int
    m: int
    coverage: float
    balance: tuple[float, ...]
    replications: int = 500

    def draw(
        self, rng: np.random.Generator
    ) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.float64]]:
        """A label matrix (n, m) and the accuracies (m,) behind it."""
        k = len(self.balance)
        accuracy = rng.uniform(1 / k + 0.1 * (1 - 1 / k), 0.95, self.m)
        coverage = rng.uniform(0.5, 1.5, self.m) * self.coverage
        truth = rng.choice(k, self.n, p=self.balance)
        wrong = (truth[:, None] + rng.integers(1, k, (self.n, self.m))) % k
        L = np.where(rng.random(wrong.shape) < accuracy, truth[:, None], wrong)
        L[rng.random(wrong.shape) >= coverage] = -1
        return L.astype(np.int8), accuracy


EVEN, FOUR = (0.5, 0.5), (0.25, 0.25, 0.25, 0.25)
WORLDS = (
    World(500, 5, 0.1, EVEN),
    World(500, 5, 0.2, EVEN),
    World(500, 5, 0.6, EVEN),
    World(500, 25, 0.1, FOUR),
    World(2_000, 10, 0.3, (0.9, 0.1)),
    World(2_000, 10, 0.3, FOUR),
    World(2_000, 25, 0.1, EVEN),
    World(5_000, 25, 0.3, (0.4, 0.3, 0.2, 0.1)),
    World(20_000, 8, 0.5, (0.8, 0.2)),
    World(20_000, 10, 0.1, (0.95, 0.05)),
)


def covered(world: World, replications: int) -> tuple[list[float], list[float]]:
    """Per data set: the share of intervals that hold the truth in per cent, the mean width."""
    shares, widths = [], []
    for replication in range(replications):
        rng = np.random.default_rng([replication, world.n, world.m])
        L, accuracy = world.draw(rng)
        model = OneCoin(len(world.balance)).fit(L, class_balance=world.balance)
        table = model.lf_accuracies_.drop_nulls("low")
        voted = np.flatnonzero((L >= 0).any(axis=0))
        low, high = table["low"].to_numpy(), table["high"].to_numpy()
        shares.append(100 * float(np.mean((low <= accuracy[voted]) & (accuracy[voted] <= high))))
        widths.append(float(np.mean(high - low)))
    return shares, widths


def main(argv: Sequence[str]) -> None:
    parser = argparse.ArgumentParser("labelmodels.py coverage", description=__doc__)
    parser.add_argument("--replications", type=int, help="per world; 500 unless given")
    arguments = parser.parse_args(argv)
    print("examples  LFs  classes  coverage  largest class   of 95 % intervals hold    width")
    for world in WORLDS:
        start = time.perf_counter()
        shares, widths = covered(world, arguments.replications or world.replications)
        mean, error = np.mean(shares), np.std(shares, ddof=1) / np.sqrt(len(shares))
        met = "met" if LOW <= mean <= HIGH else "MISSED"
        print(
            f"{world.n:8,}  {world.m:3}  {len(world.balance):7}  {world.coverage:8.0%}  "
            f"{max(world.balance):13.0%}   {mean:5.1f} ± {1.96 * error:.1f} % (bar 93–97: {met})"
            f"  {np.mean(widths):.3f}   {time.perf_counter() - start:.0f} s",
            flush=True,
        )
