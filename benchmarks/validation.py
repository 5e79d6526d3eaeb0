"""How honest are the intervals? Bias and coverage under the tool's own selection, simulated.

    python benchmarks/validation.py [REPLICATIONS=400]

Pools of weak labels with known truth; each replication draws a batch with ``lk.select``, asks the
truth for its labels and validates with ``lk.validate``. "Linearised" is the textbook interval for
the same gold (Hájek ratio, Taylor variance of the audit sample, logit scale, normal quantile);
"naive" is the estimate that ignores how examples were chosen. Truth: the pool that was drawn from.
Prints, per design and metric: bias of the estimate in its own standard deviations, coverage and
mean width of the 95 % interval, coverage of the linearised interval, naive bias.
"""

from __future__ import annotations

import platform
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import polars as pl

import labelkit as lk
from labelkit.validation import metrics

METRICS = ("accuracy", "precision", "recall", "f1", "auc", "log_loss")


@dataclass(frozen=True)
class Scenario:
    """A pool and a way of drawing gold from it."""

    name: str
    n: int
    positives: float
    draw: Callable[[pl.DataFrame, int, int], pl.DataFrame]
    n_pool: int = 4000


def make_pool(n: int, positives: float, rng: np.random.Generator) -> pl.DataFrame:
    """Weak labels from a noisy score, over-confident by a fifth; the truth beside them."""
    y = (rng.random(n) < positives).astype(int)
    strength = 1.6
    score = rng.normal(size=n) + strength * y
    odds = np.log(positives / (1 - positives)) + strength * score - strength**2 / 2
    p = 1 / (1 + np.exp(-(1.2 * odds + 0.2)))
    return pl.DataFrame(
        {"query": np.arange(n) // 10, "item": np.arange(n), "p_0": 1 - p, "p_1": p, "truth": y}
    ).with_columns(label=(pl.col("p_1") > 0.5).cast(pl.Int64))


def one_round(**options: object) -> Callable[[pl.DataFrame, int, int], pl.DataFrame]:
    def draw(pool: pl.DataFrame, n: int, seed: int) -> pl.DataFrame:
        return answered(pool, lk.select(pool, n, seed=seed, **options).frame)  # type: ignore[arg-type]

    return draw


def rounds(number: int, **options: object) -> Callable[[pl.DataFrame, int, int], pl.DataFrame]:
    """Later rounds move the weak labels by what earlier ones found: the design is adaptive."""

    def draw(pool: pl.DataFrame, n: int, seed: int) -> pl.DataFrame:
        labels, gold = pool, None
        for r in range(number):
            batch = lk.select(labels, n // number, seed=seed, exclude=gold, **options)  # type: ignore[arg-type]
            new = answered(pool, batch.frame).with_columns(round=r)
            gold = new if gold is None else pl.concat([gold, new])
            found = gold.filter(pl.col("stratum") == "informative")["label"].mean() or 0.5
            shift = float(np.clip(np.log((found + 0.1) / (1.1 - found)), -2, 2))
            odds = pl.col("p_1").log() - pl.col("p_0").log() + shift
            labels = pool.with_columns(p_1=1 / (1 + (-odds).exp()))
            labels = labels.with_columns(p_0=1 - pl.col("p_1"))
        if gold is None:
            raise ValueError("at least one round")
        return gold

    return draw


def answered(pool: pl.DataFrame, frame: pl.DataFrame) -> pl.DataFrame:
    """The batch with the truth as a person would have given it."""
    truth = pool["truth"].to_numpy()[frame["item"].to_numpy()]
    return frame.select("query", "item", "inclusion_probability", "stratum").with_columns(
        label=truth
    )


def values(
    y: np.ndarray, label: np.ndarray, p: np.ndarray, weight: np.ndarray | None
) -> np.ndarray:
    return np.array(
        [
            metrics.accuracy(y, label, weight),
            metrics.precision(y, label, weight),
            metrics.recall(y, label, weight),
            metrics.f1(y, label, weight),
            metrics.auc(y, p, weight),
            metrics.log_loss(y, p, weight),
        ]
    )


def linearised(gold: pl.DataFrame, pool: pl.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Textbook 95 % intervals of the four ratio metrics (NaN for the others)."""
    items = gold["item"].to_numpy()
    y, h = gold["label"].to_numpy(), pool["label"].to_numpy()[items]
    pi = gold["inclusion_probability"].to_numpy()
    w, audit = 1 / pi, pi < 1
    low, high = np.full(len(METRICS), np.nan), np.full(len(METRICS), np.nan)
    top = [y == h, h * y, h * y, 2 * h * y]
    bottom = [np.ones(len(y)), h, y, h + y]
    for j, (a, b) in enumerate(zip(top, bottom, strict=True)):
        total = (w * b).sum()
        if not total:
            continue
        r = (w * a).sum() / total
        u = (w * (a - r * b) / total)[audit]
        m = len(u)
        se = np.sqrt((1 - pi[audit]).mean() * m / (m - 1) * ((u - u.mean()) ** 2).sum())
        if 0 < r < 1:
            logit, half = np.log(r / (1 - r)), 1.96 * se / (r * (1 - r))
            low[j], high[j] = 1 / (1 + np.exp(-(logit - half))), 1 / (1 + np.exp(-(logit + half)))
        else:
            low[j] = high[j] = r
    return low, high


def simulate(scenario: Scenario, replications: int, *, pools: int = 4) -> str:
    estimates, lows, highs, truths, naive, textbook = ([] for _ in range(6))
    for number in range(pools):
        pool = make_pool(scenario.n_pool, scenario.positives, np.random.default_rng(number))
        y, label, p = (pool[c].to_numpy() for c in ("truth", "label", "p_1"))
        truth = values(y, label, p, None)
        for seed in range(number, replications, pools):
            gold = scenario.draw(pool, scenario.n, seed)
            report = lk.validate(pool, gold.drop("stratum"), seed=seed).frame
            rows = report.filter(pl.col("metric").is_in(METRICS))
            items = gold["item"].to_numpy()
            estimates.append(rows["estimate"].to_numpy())
            lows.append(rows["low"].to_numpy())
            highs.append(rows["high"].to_numpy())
            truths.append(truth)
            naive.append(values(y[items], label[items], p[items], None))
            low, high = linearised(gold, pool)
            textbook.append(np.where(np.isnan(low), np.nan, (low <= truth) & (truth <= high)))
    e, lo, hi, t = (np.array(x, dtype=float) for x in (estimates, lows, highs, truths))
    given = ~np.isnan(e)
    lines = [f"{scenario.name}: {scenario.n} labels of {scenario.n_pool:,}, "
             f"{scenario.positives:.0%} positive"]  # fmt: skip
    covered = np.where(given, (lo <= t) & (t <= hi), np.nan)
    plainly = np.array(naive) - t
    for j, metric in enumerate(METRICS):
        error = e[:, j] - t[:, j]
        plain = np.array(textbook)[:, j]
        wide = f"{np.nanmean(plain):.3f}" if not np.isnan(plain).all() else "    –"
        lines.append(
            f"  {metric:10s} bias/sd {np.nanmean(error) / np.nanstd(error):+.2f}   "
            f"coverage {np.nanmean(covered[:, j]):.3f}   width {np.nanmean((hi - lo)[:, j]):.3f}   "
            f"linearised coverage {wide}   "
            f"naive bias/sd {np.nanmean(plainly[:, j]) / np.nanstd(error):+.1f}   "
            f"no number in {1 - given[:, j].mean():.1%}"
        )
    return "\n".join(lines)


SCENARIOS = [
    Scenario("margin, 20 % audit", 100, 0.10, one_round()),
    Scenario("margin, 20 % audit", 200, 0.10, one_round()),
    Scenario("margin, half audit", 100, 0.10, one_round(audit_share=0.5)),
    Scenario("margin, half audit", 200, 0.10, one_round(audit_share=0.5)),
    Scenario("margin, half audit", 1000, 0.10, one_round(audit_share=0.5)),
    Scenario("margin, half audit", 50, 0.05, one_round(audit_share=0.5)),
    Scenario("margin, half audit", 200, 0.05, one_round(audit_share=0.5)),
    Scenario("margin, half audit", 200, 0.50, one_round(audit_share=0.5)),
    Scenario("margin, half πps audit", 200, 0.10, one_round(audit_share=0.5, audit="pps")),
    Scenario("entropy, half audit", 200, 0.10, one_round(strategy="entropy", audit_share=0.5)),
    Scenario("random", 200, 0.10, one_round(strategy="random")),
    Scenario("random, a third of the pool", 200, 0.10, one_round(strategy="random"), 600),
    Scenario("five adaptive rounds, half audit", 200, 0.10, rounds(5, audit_share=0.5)),
    Scenario("five adaptive rounds, 20 % audit", 500, 0.10, rounds(5)),
]


def main() -> None:
    replications = int(sys.argv[1]) if len(sys.argv) > 1 else 400
    print(f"{platform.machine()}, Python {platform.python_version()}, NumPy {np.__version__}; "
          f"{replications} replications over 4 pools; Monte-Carlo error of a coverage of 95 %: "
          f"±{1.96 * np.sqrt(0.95 * 0.05 / replications):.1%}")  # fmt: skip
    for scenario in SCENARIOS:
        started = time.perf_counter()
        print(simulate(scenario, replications))
        print(f"  ({time.perf_counter() - started:.0f} s)", flush=True)


if __name__ == "__main__":
    main()
