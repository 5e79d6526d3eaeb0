"""Do intervals hold the truth 93 to 97 times of 100, under the tool's own selection?

Small versions of ``benchmarks/validation.py``, fixed seeds. With positives this rare, precision
rests on a handful of audited labels: there intervals may err on the wide side, never the narrow.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import polars as pl
import pytest

import labelkit as lk
from labelkit.validation import metrics, validating

pytestmark = pytest.mark.statistics

METRICS = ["accuracy", "precision", "recall", "f1", "auc", "log_loss"]


@pytest.fixture(autouse=True)
def fewer_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    """500 draws instead of 2,000: quantiles a little noisier, many replications affordable."""
    monkeypatch.setattr(validating, "_N_DRAWS", 500)


def make_pool(n: int, positives: float, seed: int) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    y = (rng.random(n) < positives).astype(int)
    score = rng.normal(size=n) + 1.6 * y
    odds = np.log(positives / (1 - positives)) + 1.6 * score - 1.28
    p = 1 / (1 + np.exp(-(1.2 * odds + 0.2)))  # over-confident, as weak labels are
    return pl.DataFrame(
        {"query": np.arange(n) // 10, "item": np.arange(n), "p_0": 1 - p, "p_1": p, "truth": y}
    ).with_columns(label=(pl.col("p_1") > 0.5).cast(pl.Int64))


def answered(pool: pl.DataFrame, batch: lk.Batch) -> pl.DataFrame:
    truth = pool["truth"].to_numpy()[batch.frame["item"].to_numpy()]
    return batch.frame.select("query", "item", "inclusion_probability").with_columns(label=truth)


def values(rows: pl.DataFrame) -> np.ndarray:
    y, label, p = (rows[c].to_numpy() for c in ("truth", "label", "p_1"))
    return np.array(
        [
            metrics.accuracy(y, label),
            metrics.precision(y, label),
            metrics.recall(y, label),
            metrics.f1(y, label),
            metrics.auc(y, p),
            metrics.log_loss(y, p),
        ]
    )


def simulate(
    draw: Callable[[pl.DataFrame, int], pl.DataFrame], replications: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Errors in standard deviations, whether covered, and errors of the unweighted estimates."""
    errors, covered, naive = [], [], []
    for number in range(5):
        pool = make_pool(3000, 0.1, number)
        truth = values(pool)
        for seed in range(number, replications, 5):
            gold = draw(pool, seed)
            frame = lk.validate(pool, gold, seed=seed).frame
            rows = frame.filter(pl.col("metric").is_in(METRICS))
            assert rows["estimate"].null_count() == 0
            errors.append(rows["estimate"].to_numpy() - truth)
            covered.append((rows["low"].to_numpy() <= truth) & (truth <= rows["high"].to_numpy()))
            naive.append(values(pool[gold["item"].to_numpy()]) - truth)
    spread = np.std(errors, axis=0)
    return np.array(errors) / spread, np.array(covered), np.array(naive) / spread


@pytest.mark.parametrize(
    ("n", "audit_share", "replications"), [(100, 0.5, 250), (200, 0.5, 250), (200, 0.2, 250)]
)
def test_intervals_cover_and_estimates_are_unbiased_where_naive_ones_are_not(
    n, audit_share, replications
):
    errors, covered, naive = simulate(
        lambda pool, seed: answered(pool, lk.select(pool, n, audit_share=audit_share, seed=seed)),
        replications,
    )
    monte_carlo = 2.6 * np.sqrt(0.95 * 0.05 / replications)
    coverage = dict(zip(METRICS, covered.mean(axis=0), strict=True))
    assert min(coverage.values()) > 0.93 - monte_carlo, coverage
    assert 0.93 < np.mean(list(coverage.values())) < 0.985, coverage
    # 0.2 standard deviations beside Monte-Carlo error: ratios of small counts are biased a little.
    bias = dict(zip(METRICS, errors.mean(axis=0), strict=True))
    assert max(abs(b) for b in bias.values()) < 0.2 + 2.6 / np.sqrt(replications), bias
    for metric in ("accuracy", "log_loss"):
        assert abs(bias[metric]) < 3.3 / np.sqrt(replications), bias
    # The same labels without their weights: the hard examples, taken for all.
    wrong = dict(zip(METRICS, naive.mean(axis=0), strict=True))
    assert wrong["accuracy"] < -2
    assert wrong["log_loss"] > 2
    assert wrong["auc"] < -0.7


def test_rounds_that_learn_from_each_other_pool_into_honest_intervals():
    def draw(pool: pl.DataFrame, seed: int) -> pl.DataFrame:
        labels, gold = pool, None
        for number in range(3):
            batch = lk.select(labels, 60, audit_share=0.5, seed=seed, exclude=gold)
            new = answered(pool, batch).with_columns(round=number)
            gold = new if gold is None else pl.concat([gold, new])
            found = gold.filter(pl.col("inclusion_probability") == 1)["label"].mean()
            odds = pl.col("p_1").log() - pl.col("p_0").log() + 2 * (found - 0.5)
            labels = pool.with_columns(p_1=1 / (1 + (-odds).exp()))
            labels = labels.with_columns(p_0=1 - pl.col("p_1"))
        return gold

    errors, covered, naive = simulate(draw, 200)
    assert covered.mean(axis=0).min() > 0.93 - 2.6 * np.sqrt(0.95 * 0.05 / 200)
    assert np.abs(errors.mean(axis=0)).max() < 0.2 + 2.6 / np.sqrt(200)
    assert abs(naive.mean(axis=0)).max() > 2


def test_gold_of_whole_queries_speaks_about_new_queries():
    """Rows of a query share their luck; treating them as independent would cover far too little."""
    replications, n_queries, per_query = 250, 60, 8

    def queries(count: int, seed: int) -> pl.DataFrame:
        rng = np.random.default_rng(seed)
        skill = np.repeat(rng.normal(1.2, 1.2, size=count), per_query)  # some queries are hard
        y = rng.integers(2, size=count * per_query)
        odds = rng.normal(size=len(y)) + skill * (2 * y - 1)
        p = 1 / (1 + np.exp(-odds))
        return pl.DataFrame(
            {
                "query": np.arange(len(y)) // per_query,
                "item": np.arange(len(y)),
                "p_0": 1 - p,
                "p_1": p,
                "truth": y,
                "label": (p > 0.5).astype(int),
            }
        )

    truth = values(queries(50_000, 10**6))
    covered, row_wise = [], []
    for seed in range(replications):
        pool = queries(n_queries, seed)
        gold = pool.select("query", "item", label="truth")
        frame = lk.validate(pool, gold, seed=seed).frame
        rows = frame.filter(pl.col("metric").is_in(METRICS))
        covered.append((rows["low"].to_numpy() <= truth) & (truth <= rows["high"].to_numpy()))
        a = float(rows["estimate"][0])
        row_wise.append(abs(a - truth[0]) <= 1.96 * np.sqrt(a * (1 - a) / len(pool)))
    coverage = np.mean(covered, axis=0)
    assert coverage.min() > 0.93 - 2.6 * np.sqrt(0.95 * 0.05 / replications)
    assert coverage.max() < 0.99
    assert np.mean(row_wise) < 0.85
