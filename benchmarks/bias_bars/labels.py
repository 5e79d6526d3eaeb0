"""What debiasing is worth: how far from the naive rate to the rate with the true θ?

Real grades (LightGBM's ranking example, shipped with the package), simulated clicks of three
rankers that are good, or adverse, θ_k = 1/k. Every example shown is scored by its raw click rate,
by the debiased rate, and by the oracle: the same evidence with the true curve. AUC is pooled over
queries and tells grades of 2 and more from the rest; NDCG@10 is the mean over queries. The way
is (debiased − naive)/(oracle − naive); where the oracle is not clearly better than naive there is
no way to go, and only the differences are printed.
"""

from __future__ import annotations

import numpy as np
import polars as pl

import labelkit as lk
from bias_bars.tell import Bar, FloatArray, mean_interval, say
from labelkit.demo import data
from labelkit.logs import Catalogue, Ranker
from labelkit.validation.metrics import auc
from labelkit.validation.ranking import query_ndcg

SIZES = (100_000, 1_000_000, 10_000_000)
JUDGED, WAY_BAR = 1_000_000, 0.95
# Ten million impressions take 5 s to simulate and read: a few logs show the limit.
MOST_LARGE = 3
SCORES = ("naive", "debiased", "oracle")
METRICS = ("AUC", "NDCG@10")
RANKERS = {
    "adverse": (Ranker("a", -0.8), Ranker("b", -0.6), Ranker("c", -0.4)),
    "good": (Ranker("a", 0.8), Ranker("b", 0.6), Ranker("c", 0.4)),
}


def run(*, seeds: int) -> list[Bar]:
    bars: list[Bar] = []
    grades = data.load().select(*data.KEYS, relevance=pl.col(data.GRADE).cast(pl.Int64))
    for name, rankers in RANKERS.items():
        print(
            f"\n{name} rankers"
            + "".join(f"{s:>10}" for s in SCORES)
            + f"{'debiased − naive':>22}{'debiased − oracle':>22}{'of the way':>18}"
        )
        for n in SIZES:
            n_seeds = min(seeds, MOST_LARGE) if n > JUDGED else seeds
            logs = [score(grades, rankers, n, seed) for seed in range(n_seeds)]
            bars += compare(name, n, np.array(logs))
    return bars


def compare(name: str, n: int, values: FloatArray) -> list[Bar]:
    """Print a row per metric; at the size that is judged, its bar.

    Parameters
    ----------
    values : (logs, metrics, scores)
    """
    new = []
    for m, metric in enumerate(METRICS):
        naive, ours, oracle = values[:, m].T
        gap, half = mean_interval(oracle - naive)
        gained, lost = mean_interval(ours - naive), mean_interval(ours - oracle)
        means = "".join(f"{v:>10.4f}" for v in values[:, m].mean(0))
        row = f"{n / 1e6:>5g} M {metric:<8}" + means
        row += f"{gained[0]:>+13.4f} ± {gained[1]:.4f}{lost[0]:>+13.5f} ± {lost[1]:.5f}"
        if gap > half:
            way, error = ratio_interval(ours - naive, oracle - naive)
            row += f"{100 * way:>9.1f} ± {100 * error:.1f} %"
            if n == JUDGED:
                new.append(Bar(f"{metric} at 1 M, {name} rankers: share of the way", way, WAY_BAR))
        else:
            row += f"{'no way to go':>18}"
            if n == JUDGED:
                # As good as the oracle, to the noise of the comparison.
                new.append(
                    Bar(f"{metric} at 1 M, {name} rankers: debiased less oracle", lost[0], -lost[1])
                )
        print(row, flush=True)
    return say(new)


def ratio_interval(top: FloatArray, bottom: FloatArray) -> tuple[float, float]:
    """Σ top/Σ bottom over logs and half its 95 % interval, by linearisation."""
    ratio = float(top.sum() / bottom.sum())
    _, half = mean_interval((top - ratio * bottom) / bottom.mean())
    return ratio, half


def score(
    grades: pl.DataFrame, rankers: tuple[Ranker, ...], n: int, seed: int
) -> list[list[float]]:
    """Every metric of every score on one log, (metrics, scores)."""
    simulation = lk.simulate(n, seed=seed, catalogue=Catalogue.of(grades), rankers=rankers)
    truth = {k + 1: float(t) for k, t in enumerate(simulation.truth.propensities)}
    log = lk.read_log(simulation.frame)
    columns = ["raw_ctr", "ctr"]
    ours = lk.evidence(log, lk.PositionBias().fit(log), columns=columns).collect()
    given = lk.PositionBias("given", curve=truth).fit(log)
    oracle = lk.evidence(log, given, columns=columns).collect()
    table = (
        ours.rename({"raw_ctr": "naive", "ctr": "debiased"})
        .join(oracle.select(*data.KEYS, oracle="ctr"), on=data.KEYS)
        .join(grades, on=data.KEYS)
        .sort(data.KEYS)
    )
    grade = table["relevance"].to_numpy()
    query = table["query"].rank("dense").to_numpy().astype(np.int64) - 1
    scores = [table[name].to_numpy() for name in SCORES]
    return [
        [float(auc(grade >= data.RELEVANT_FROM, s)) for s in scores],
        [float(query_ndcg(grade, s, query, k=10).value.mean()) for s in scores],
    ]
