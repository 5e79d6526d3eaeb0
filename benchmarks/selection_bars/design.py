"""Do the labels that were selected to teach also measure? Bias and coverage over many rounds.

    python benchmarks/selection.py design [REPLICATIONS=1000] [--only WORDS]

Each replication draws one or five rounds from a pool of weak labels whose truth is known, asks the
truth, and estimates accuracy, precision, recall and F1 of the weak labels with ``lk.validate``.
Later rounds choose by what earlier answers taught: a logistic model refitted on all answers moves
the scores, so the design is adaptive. Printed for every design and metric: bias in standard errors,
coverage of the 95 % interval, its mean width; and the same estimate without weights.

Pools differ: rare and common positives, weak labels that are over-confident, and weak labels that
are wrong about a whole group of examples. A pool is drawn anew for every twentieth replication.
"""

from __future__ import annotations

import argparse
import os
import platform
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

import labelkit as lk
from labelkit.validation import metrics, validating

METRICS = ("accuracy", "precision", "recall", "f1")
N_POOL = 4000
BIAS_BAR, COVERAGE_BAR = 0.2, (0.93, 0.97)


@dataclass(frozen=True)
class World:
    """A kind of pool.

    ::

        positives  share of the positive class
        overtrust  factor on the weak labels' log-odds: 1 is calibrated, above 1 over-confident
        misled     share of examples about which the weak labels say the opposite of the evidence
    """

    name: str
    positives: float
    overtrust: float = 1.2
    misled: float = 0.0

    def pool(self, seed: int) -> tuple[pl.DataFrame, np.ndarray]:
        """Weak labels with their ``truth``, and two features that a learner may use."""
        rng = np.random.default_rng(seed)
        y = (rng.random(N_POOL) < self.positives).astype(int)
        strength = 2.0
        signal = rng.normal(size=N_POOL) + strength * y
        odds = np.log(self.positives / (1 - self.positives)) + strength * signal - strength**2 / 2
        group = rng.random(N_POOL) < self.misled
        odds = np.where(group, odds.mean() - (odds - odds.mean()), odds) * self.overtrust
        p = np.round(1 / (1 + np.exp(-odds)), 3).clip(0.001, 0.999)
        pool = pl.DataFrame(
            {"query": np.arange(N_POOL) // 10, "item": np.arange(N_POOL), "p_0": 1 - p, "p_1": p,
             "truth": y, "label": (p > 0.5).astype(int)}
        )  # fmt: skip
        features = np.column_stack([np.log(p / (1 - p)), group + 0.3 * rng.normal(size=N_POOL)])
        return pool, features


@dataclass(frozen=True)
class Case:
    """A design to be measured: options of ``lk.select``, labels in all, rounds that share them."""

    world: World
    n: int
    rounds: int
    options: dict[str, object]

    @property
    def name(self) -> str:
        how = ", ".join(f"{k} {v}" for k, v in self.options.items()) or "defaults"
        return f"{how}; {self.rounds} round(s), {self.n} labels; {self.world.name}"


def learn(pool: pl.DataFrame, features: np.ndarray, gold: pl.DataFrame) -> pl.DataFrame:
    """The pool with the probabilities of a learner fitted on all answers and on the weak labels."""
    from sklearn.linear_model import LogisticRegression

    items = gold["item"].to_numpy()
    x = np.column_stack([features, features[:, :1] * features[:, 1:]])
    y = gold["label"].to_numpy()
    if len(np.unique(y)) < 2:
        return pool
    model = LogisticRegression(max_iter=200).fit(x[items], y)
    p = (model.predict_proba(x)[:, 1] + pool["p_1"].to_numpy()) / 2
    return pool.with_columns(p_1=p, p_0=1 - p)


def draw(case: Case, pool: pl.DataFrame, features: np.ndarray, seed: int) -> pl.DataFrame:
    labels, gold = pool, None
    truth = pool["truth"].to_numpy()
    for number in range(case.rounds):
        batch = lk.select(labels, case.n // case.rounds, seed=seed, exclude=gold, **case.options)
        new = batch.frame.select("query", "item", "inclusion_probability")
        new = new.with_columns(label=truth[new["item"].to_numpy()], round=number)
        gold = new if gold is None else pl.concat([gold, new])
        if number + 1 < case.rounds:
            labels = learn(pool, features, gold)
    return gold


def values(y: np.ndarray, label: np.ndarray) -> np.ndarray:
    each = (metrics.accuracy, metrics.precision, metrics.recall, metrics.f1)
    return np.array([one(y, label) for one in each])


@dataclass(frozen=True)
class Outcome:
    """What the replications of a case came to, each (4,): accuracy, precision, recall, F1."""

    bias: np.ndarray
    naive_bias: np.ndarray
    coverage: np.ndarray
    width: np.ndarray
    missing: np.ndarray
    n: int


def simulate(case: Case, replications: int) -> Outcome:
    errors, covered, widths, naive = [], [], [], []
    for seed in range(replications):
        if seed % 20 == 0:
            pool, features = case.world.pool(seed // 20)
            y, label = pool["truth"].to_numpy(), pool["label"].to_numpy()
            truth = values(y, label)
        gold = draw(case, pool, features, seed)
        rows = lk.validate(pool, gold, seed=seed).frame.filter(pl.col("metric").is_in(METRICS))
        estimate, low, high = (
            rows[c].cast(pl.Float64).fill_null(np.nan).to_numpy()
            for c in ("estimate", "low", "high")
        )
        items = gold["item"].to_numpy()
        errors.append(estimate - truth)
        naive.append(values(y[items], label[items]) - truth)
        inside = (low <= truth) & (truth <= high)
        covered.append(np.where(np.isnan(estimate), np.nan, inside))
        widths.append(high - low)
    spread = np.nanstd(errors, axis=0)
    return Outcome(
        bias=np.nanmean(errors, axis=0) / spread,
        naive_bias=np.nanmean(naive, axis=0) / spread,
        coverage=np.nanmean(covered, axis=0),
        width=np.nanmean(widths, axis=0),
        missing=np.isnan(errors).mean(axis=0),
        n=replications,
    )


RARE = World("10 % positive, over-confident", 0.10)
EVEN = World("40 % positive, over-confident", 0.40)
MISLED = World("15 % positive, weak labels misled on a tenth", 0.15, misled=0.1)
_DESIGNS: tuple[dict[str, object], ...] = (
    {},
    {"strategy": "entropy"},
    {"strategy": "random"},
    {"audit_share": 0.5},
    {"audit": "class"},
    {"audit": "pps"},
    {"audit": "score"},
    {"audit": "poisson"},
)
CASES = [
    Case(world, n, rounds, options)
    for world, n in ((RARE, 1000), (EVEN, 500), (MISLED, 1000))
    for options in _DESIGNS
    for rounds in (1, 5)
]


def report(case: Case, found: Outcome) -> str:
    lines = [case.name]
    for j, metric in enumerate(METRICS):
        low, high = COVERAGE_BAR
        fine = abs(found.bias[j]) < BIAS_BAR and low <= found.coverage[j] <= high
        missing = f"   no number in {found.missing[j]:.1%}" if found.missing[j] else ""
        lines.append(
            f"  {metric:10s} bias {found.bias[j]:+.2f} se   coverage {found.coverage[j]:.3f}   "
            f"width {found.width[j]:.3f}   naive bias {found.naive_bias[j]:+.1f} se   "
            f"{'within the bars' if fine else 'OUTSIDE'}{missing}"
        )
    return "\n".join(lines)


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="benchmarks/selection.py design")
    parser.add_argument("replications", nargs="?", type=int, default=1000)
    parser.add_argument("--only", default="", help="cases whose name contains this")
    parser.add_argument("--draws", type=int, default=1000, help="posterior draws an interval")
    given = parser.parse_args(argv)
    validating._N_DRAWS = given.draws
    error = 1.96 * np.sqrt(0.95 * 0.05 / given.replications)
    print(
        f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, "
        f"NumPy {np.__version__}; {given.replications} replications; Monte-Carlo error of a "
        f"coverage of 95 %: ±{error:.1%}, of a bias: ±{1.96 / np.sqrt(given.replications):.2f} se"
    )
    for case in CASES:
        if given.only in case.name:
            started = time.perf_counter()
            print(report(case, simulate(case, given.replications)))
            print(f"  ({time.perf_counter() - started:.0f} s)", flush=True)


if __name__ == "__main__":
    main()
