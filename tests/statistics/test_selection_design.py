"""Are the inclusion probabilities the frequencies with which examples are drawn?"""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from scipy import stats

import labelkit as lk
from labelkit.selection import found_share, plan_labels, pooled_weights, stop_at_plateau
from labelkit.selection.design import AUDITS, expected_probability
from labelkit.validation import validating

pytestmark = pytest.mark.statistics

N = 60
_P = np.random.default_rng(1).beta(0.6, 3, N).round(2)
POOL = pl.DataFrame(
    {"query": np.arange(N) // 6, "item": np.arange(N), "p_0": 1 - _P, "p_1": _P}
)  # fmt: skip


def _frequencies(draws: list[np.ndarray]) -> np.ndarray:
    return np.bincount(np.concatenate(draws), minlength=N) / len(draws)


def _agree(frequency: np.ndarray, pi: np.ndarray, n_draws: int) -> None:
    """Each frequency within Monte-Carlo error of π: largest |z| over units, Bonferroni at 0.1 %."""
    uncertain = (pi > 0) & (pi < 1)
    assert (frequency[~uncertain] == pi[~uncertain]).all()
    p = pi[uncertain]
    z = (frequency[uncertain] - p) / np.sqrt(p * (1 - p) / n_draws)
    assert np.abs(z).max() < stats.norm.isf(0.0005 / len(z))


@pytest.mark.parametrize("audit", AUDITS)
def test_examples_are_drawn_as_often_as_their_inclusion_probability_says(audit):
    n_draws = 800
    # Five score strata of at least two labels each need ten.
    n, share = (22, 10 / 22) if audit == "score" else (20, 0.4)
    # All margins differ, so the certainty stratum is the same in every draw.
    p = np.linspace(0.02, 0.48, N)
    pool = POOL.with_columns(p_1=p, p_0=1 - p)
    informative = np.argsort(-p)[:12]
    rest = np.setdiff1d(np.arange(N), informative)
    pi = np.zeros(N)
    pi[informative] = 1
    weak = np.column_stack([1 - p[rest], p[rest]])
    pi[rest] = expected_probability(audit, weak, 8 if audit != "score" else 10)
    draws = []
    for seed in range(n_draws):
        frame = lk.select(pool, n, audit=audit, audit_share=share, seed=seed).frame
        items = frame["item"].to_numpy()
        np.testing.assert_allclose(frame["inclusion_probability"].to_numpy(), pi[items])
        draws.append(items)
    _agree(_frequencies(draws), pi, n_draws)


def test_a_second_round_with_the_same_seed_is_a_fresh_draw():
    """Were random numbers reused, those too large in round one would be tried in round two."""
    n_draws = 800
    counts, chances = np.zeros(N), np.zeros(N)
    for seed in range(n_draws):
        first = lk.select(POOL, 15, strategy="random", seed=seed).frame
        second = lk.select(POOL, 15, strategy="random", seed=seed, exclude=first).frame
        left = np.setdiff1d(np.arange(N), first["item"].to_numpy())
        counts[second["item"].to_numpy()] += 1
        chances[left] += 15 / 45
    z = (counts - chances) / np.sqrt(chances * (1 - 15 / 45))
    assert np.abs(z).max() < stats.norm.isf(0.0005 / N)


def test_pooled_rounds_are_unbiased_although_the_second_learns_from_the_first():
    """One minus the product of missing each round is biased when rounds depend on answers."""
    y = (POOL["query"].to_numpy() % 3 == 0).astype(float)  # relevance comes in whole queries
    estimates, multiplied = [], []
    for seed in range(1000):
        first = lk.select(POOL, 16, audit_share=0.5, seed=seed).frame
        got = first["item"].to_numpy()
        # The learner believes what it saw: queries in which a positive was found become uncertain.
        hot = np.isin(POOL["query"].to_numpy(), POOL["query"].to_numpy()[got[y[got] == 1]])
        p = np.where(hot, 0.5, _P / 2)
        learned = POOL.with_columns(p_1=p, p_0=1 - p)
        second = lk.select(learned, 16, audit_share=0.5, seed=seed, exclude=first).frame
        both = pl.concat([first.with_columns(round=1), second.with_columns(round=2)])
        pi, drawn = both["inclusion_probability"].to_numpy(), both["item"].to_numpy()
        weight = pooled_weights(pi, both["round"].to_numpy()).weight
        estimates.append((weight * y[drawn]).sum())
        # "Drawn in any round" from the recorded π alone: the other round's π is taken from the
        # stratum that the example was in, which is the best that gold rows allow.
        audit = [f.filter(pl.col("stratum") == "audit")["inclusion_probability"][0]
                 for f in (first, second)]  # fmt: skip
        ever = np.where(pi == 1, 1.0, 1 - (1 - audit[0]) * (1 - audit[1]))
        multiplied.append((y[drawn] / ever).sum())
    error = np.std(estimates) / np.sqrt(len(estimates))
    assert abs(np.mean(estimates) - y.sum()) < 3.3 * error
    assert abs(np.mean(multiplied) - y.sum()) > 5 * np.std(multiplied) / np.sqrt(len(multiplied))


def _world(n, seed, positives=0.2):
    """A pool of over-confident weak labels with its truth."""
    rng = np.random.default_rng(seed)
    y = (rng.random(n) < positives).astype(int)
    odds = np.log(positives / (1 - positives)) + 2 * (rng.normal(size=n) + 2 * y) - 2
    p = (1 / (1 + np.exp(-1.2 * odds))).clip(0.001, 0.999)
    return pl.DataFrame(
        {"query": np.arange(n) // 5, "item": np.arange(n), "p_0": 1 - p, "p_1": p,
         "label": (p > 0.5).astype(int)}
    ), y  # fmt: skip


def _ask(pool, y, n, number, gold, **options):
    frame = lk.select(pool, n, exclude=gold, **options).frame
    new = frame.select("query", "item", "inclusion_probability")
    new = new.with_columns(label=y[new["item"].to_numpy()], round=number)
    return new if gold is None else pl.concat([gold, new])


def test_five_adaptive_rounds_measure_without_bias_where_the_plain_average_is_far_off(monkeypatch):
    """Small version of ``benchmarks/selection.py design``."""
    monkeypatch.setattr(validating, "_N_DRAWS", 400)
    metrics = ["accuracy", "precision", "recall", "f1"]
    errors, covered, naive = [], [], []
    for seed in range(120):
        pool, y = _world(1200, seed // 10)
        called = pool["label"].to_numpy()
        hit = (called * y).sum()
        truth = np.array([(called == y).mean(), hit / called.sum(), hit / y.sum(),
                          2 * hit / (called + y).sum()])  # fmt: skip
        labels, gold = pool, None
        for number in range(5):
            gold = _ask(labels, y, 60, number, gold, audit_share=0.4, audit="class", seed=seed)
            # What was found moves the scores, so later designs depend on earlier answers.
            shift = np.log((gold["label"].mean() + 0.05) / 0.25)
            odds = np.log(pool["p_1"].to_numpy() / pool["p_0"].to_numpy()) + shift
            p = 1 / (1 + np.exp(-odds))
            labels = pool.with_columns(p_0=1 - p, p_1=p)
        frame = lk.validate(pool, gold, seed=seed).frame.filter(pl.col("metric").is_in(metrics))
        low, high = frame["low"].to_numpy(), frame["high"].to_numpy()
        errors.append(frame["estimate"].to_numpy() - truth)
        covered.append((low <= truth) & (truth <= high))
        at = gold["item"].to_numpy()
        naive.append((called[at] == y[at]).mean() - truth[0])
    spread = np.std(errors, axis=0)
    assert np.abs(np.mean(errors, axis=0) / spread).max() < 0.2 + 2.6 / np.sqrt(120)
    assert np.mean(covered, axis=0).min() > 0.93 - 2.6 * np.sqrt(0.95 * 0.05 / 120)
    assert np.mean(naive) / spread[0] < -3


def test_predicted_widths_come_about(monkeypatch):
    """Small version of ``benchmarks/selection.py planning``."""
    monkeypatch.setattr(validating, "_N_DRAWS", 400)
    predicted, realised = [], []
    for seed in range(12):
        pool, y = _world(2500, 100 + seed)
        gold = _ask(pool, y, 150, 0, None, audit_share=0.5, seed=seed)
        plan = plan_labels(pool, "f1 ± 0.001", gold=gold, n_max=300, audit_share=0.5, seed=seed)
        predicted.append(plan.frame["half_width"][-1])
        both = _ask(pool, y, 300, 1, gold, audit_share=0.5, seed=seed)
        row = lk.validate(pool, both, seed=seed).frame.row(
            by_predicate=pl.col("metric") == "f1", named=True
        )
        realised.append((row["high"] - row["low"]) / 2)
    assert np.mean(predicted) == pytest.approx(np.mean(realised), rel=0.15)


def test_the_lower_limit_of_what_was_found_holds_as_often_as_it_says():
    held = []
    for seed in range(300):
        pool, y = _world(800, seed // 10)
        gold = _ask(pool, y, 200, 0, None, audit_share=0.4, seed=seed)
        found = found_share(pool, gold, seed=seed)
        held.append(found.low <= found.n_found / y.sum())
    assert np.mean(held) > 0.95 - 2.6 * np.sqrt(0.95 * 0.05 / 300)


def test_a_plateau_is_seldom_declared_where_there_is_a_gain_worth_having():
    rng = np.random.default_rng(0)
    stops = []
    for _ in range(400):
        before = rng.random(300) < 0.8
        after = np.where(rng.random(300) < 0.9, before, rng.random(300) < 0.8)
        gained = rng.random(300) < 0.05  # the gain is exactly what is worth having
        after = np.where(gained & ~after, True, after)
        true_gain = 0.05 * 0.2
        stops.append(stop_at_plateau(before, after, min_gain=true_gain).stop)
    assert np.mean(stops) < 0.05 + 2.6 * np.sqrt(0.05 * 0.95 / 400)
