"""Label models on simulated votes whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest

from labelkit.labelmodels import (
    DawidSkene,
    LabelModel,
    MajorityVote,
    OneCoin,
    SnorkelMoments,
    Triplets,
)

pytestmark = pytest.mark.statistics

ACCURACY = np.array([0.9, 0.8, 0.7, 0.65, 0.85, 0.6])


def simulate(
    seed: int, *, n: int = 2000, coverage: float = 0.6, balance: tuple[float, ...] = (0.5, 0.5)
) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    k = len(balance)
    truth = rng.choice(k, size=n, p=balance)
    right = rng.random((n, len(ACCURACY))) < ACCURACY
    wrong = (truth[:, None] + rng.integers(1, k, right.shape)) % k
    L = np.where(right, truth[:, None], wrong)
    return np.where(rng.random(L.shape) < coverage, L, -1).astype(np.int8), truth


def log_loss(proba: np.ndarray, truth: np.ndarray) -> float:
    return float(-np.log(np.maximum(proba[np.arange(len(truth)), truth], 1e-9)).mean())


@pytest.mark.parametrize("balance", [(0.5, 0.5), (0.25, 0.25, 0.25, 0.25)])
def test_accuracies_are_found_without_gold(balance) -> None:
    L, _ = simulate(0, n=20_000, balance=balance)
    model = OneCoin(len(balance), strength=0.0).fit(L)
    np.testing.assert_allclose(model.accuracy_, ACCURACY, atol=0.02)


@pytest.mark.parametrize(
    ("n", "coverage", "balance"),
    [
        (500, 0.6, (0.5, 0.5)),
        (2000, 0.4, (0.25, 0.25, 0.25, 0.25)),
        # Here the prior is worth half of an LF's votes: an interval that leaned on it would hold
        # the accuracies near its centre and lose the others.
        (20_000, 0.1, (0.8, 0.2)),
    ],
)
def test_intervals_of_accuracies_cover_the_truth_when_the_model_is_true(
    n, coverage, balance
) -> None:
    # 100 data sets of 6 functions: 600 intervals, so that 95 % has a standard error of 0.9 %
    # (more, since functions of one data set share their fate); benchmarks/ has the large version.
    covered = []
    for seed in range(100):
        L, _ = simulate(seed, n=n, coverage=coverage, balance=balance)
        table = OneCoin(len(balance)).fit(L, class_balance=balance).lf_accuracies_
        low, high = table["low"].to_numpy(), table["high"].to_numpy()
        covered.append((low <= ACCURACY) & (high >= ACCURACY))
    assert 0.925 <= np.mean(covered) <= 0.98
    assert np.mean(covered, axis=0).min() > 0.87


# P(right | Y = 0), P(right | Y = 1) of six functions.
BY_CLASS = np.array([[0.9, 0.7], [0.6, 0.85], [0.8, 0.8], [0.7, 0.95], [0.85, 0.6], [0.75, 0.75]])


def simulate_by_class(seed: int, *, n: int = 2000, coverage: float = 0.6) -> np.ndarray:
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 2, n)
    right = rng.random((n, 6)) < BY_CLASS[:, truth].T
    votes = np.where(right, truth[:, None], 1 - truth[:, None])
    return np.where(rng.random(votes.shape) < coverage, votes, -1).astype(np.int8)


@pytest.mark.parametrize("k", [2, 3, 6])
def test_confusions_are_found_without_gold_through_abstentions(k) -> None:
    rng = np.random.default_rng(k)
    truth = rng.integers(0, k, 20_000)
    confusion = np.stack(
        [np.stack([rng.dirichlet(1 + 7 * (np.arange(k) == y)) for y in range(k)]) for _ in range(8)]
    )
    draws = rng.random((8, len(truth), 1))
    votes = (draws > confusion[:, truth].cumsum(axis=2)[:, :, :-1]).sum(axis=2).T
    L = np.where(rng.random(votes.shape) < 0.6, votes, -1).astype(np.int8)
    model = DawidSkene(k, strength=0.0).fit(L)
    assert np.abs(model.conditional_ - confusion).max() < 0.06
    assert np.abs(model.conditional_ - confusion).mean() < 0.012


def test_intervals_of_confusions_cover_the_truth_when_the_model_is_true() -> None:
    right = BY_CLASS[:, :, None]
    pairs = np.concatenate([right, 1 - right], axis=2)
    truth = np.stack([pairs[:, 0], pairs[:, 1, ::-1]], axis=1).ravel()
    covered = []
    for seed in range(30):
        model = DawidSkene(strength=0.0, seed=seed).fit(simulate_by_class(seed))
        low, high = (model.confusion_[name].to_numpy() for name in ("low", "high"))
        covered.append((low <= truth) & (high >= truth))
    assert 0.91 <= np.mean(covered) <= 0.985


@pytest.mark.parametrize("kind", [DawidSkene, Triplets])
def test_intervals_of_accuracies_of_other_models_cover_too(kind) -> None:
    covered = []
    for seed in range(30):
        L, _ = simulate(seed)
        table = kind(seed=seed).fit(L).lf_accuracies_
        low, high = table["low"].to_numpy(), table["high"].to_numpy()
        covered.append((low <= ACCURACY) & (high >= ACCURACY))
    assert 0.91 <= np.mean(covered) <= 0.985


def test_the_prior_of_confusions_costs_little_where_it_is_not_needed_and_saves_much() -> None:
    # 60 symmetric LFs that vote 60 times each on 600 examples of five classes.
    losses = []
    for seed in range(3):
        rng = np.random.default_rng(seed)
        truth = rng.integers(0, 5, 600)
        accuracy = rng.beta(6, 2.5, 60)
        right = rng.random((600, 60)) < accuracy
        L = np.where(right, truth[:, None], (truth[:, None] + rng.integers(1, 5, right.shape)) % 5)
        votes = np.argsort(rng.random(L.shape), axis=1) < 6
        L = np.where(votes, L, -1).astype(np.int8)
        free = DawidSkene(5, strength=0.0, imagined_votes=0.0, tolerance=1e-4, max_iter=20_000)
        models = (OneCoin(5), DawidSkene(5), free)
        losses.append([log_loss(model.fit(L).predict_proba(L), truth) for model in models])
    one_coin, default, without = np.mean(losses, axis=0)
    assert default < 1.25 * one_coin
    assert without > 3 * one_coin


def test_soft_labels_are_nearly_as_good_as_with_the_true_accuracies() -> None:
    losses = []
    for seed in range(10):
        L, truth = simulate(seed)
        odds = np.log(ACCURACY / (1 - ACCURACY))
        z = ((L == 1) @ odds) - ((L == 0) @ odds)
        best = np.column_stack([1 / (1 + np.exp(z)), 1 / (1 + np.exp(-z))])
        fits = [model().fit(L).predict_proba(L) for model in (OneCoin, SnorkelMoments)]
        losses.append([log_loss(p, truth) for p in (best, *fits)])
    best_loss, onecoin, _ = np.mean(losses, axis=0)
    assert onecoin < best_loss + 0.02


def test_labels_beat_majority_with_rare_positives_one_sided_functions_and_copies() -> None:
    # 5 % positives, one-sided functions, two of them copied; the class balance is known.
    gains = []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        truth = (rng.random(4000) < 0.05).astype(int)
        positive = [
            np.where(rng.random(4000) < np.where(truth == 1, hit, false), 1, -1)
            for hit, false in ((0.6, 0.01), (0.5, 0.02), (0.4, 0.005))
        ]
        negative = [
            np.where(rng.random(4000) < np.where(truth == 0, hit, false), 0, -1)
            for hit, false in ((0.5, 0.05), (0.4, 0.1))
        ]
        L = np.column_stack([*positive, *negative, positive[0], negative[0]]).astype(np.int8)
        balance = [0.95, 0.05]
        ours, majority = (
            log_loss(model.fit(L, class_balance=balance).predict_proba(L), truth)
            for model in (LabelModel(), MajorityVote())
        )
        gains.append(majority - ours)
    assert np.mean(gains) > 0.05
    assert np.mean(np.array(gains) > 0) >= 0.9


def test_a_hundred_selected_labels_improve_labels_from_correlated_graded_functions() -> None:
    # 20 % positives; three thresholds of each of three signals; half of the gold is where the
    # model is in doubt, half is audited. Judged on examples of other draws.
    before, after = [], []
    for seed in range(8):
        rng = np.random.default_rng(seed)
        truth = (rng.random(6000) < 0.2).astype(int)
        L = graded_votes(truth, rng)
        pool, rest = slice(0, 3000), slice(3000, 6000)
        without = LabelModel().fit(L[pool])
        margin = np.abs(np.diff(without.predict_proba(L[pool]))[:, 0])
        doubtful = np.argsort(margin, kind="stable")[:50]
        audit = rng.choice(np.setdiff1d(np.arange(3000), doubtful), 50, replace=False)
        chosen = np.concatenate([doubtful, audit])
        gold = np.full(3000, -1)
        gold[chosen] = truth[:3000][chosen]
        with_gold = LabelModel().fit(L[pool], gold=gold)
        before.append(quality(without.predict_proba(L[rest])[:, 1], truth[rest]))
        after.append(quality(with_gold.predict_proba(L[rest])[:, 1], truth[rest]))
    auc, loss, calibration = (np.mean(after, axis=0) - np.mean(before, axis=0)).T
    assert auc > -0.003
    assert loss < -0.1
    assert calibration < -0.1


def graded_votes(truth: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    shared = rng.normal(size=len(truth))
    columns = []
    for strength in (0.9, 0.6, 0.7):
        signal = strength * truth + 0.5 * shared + rng.normal(size=len(truth))
        columns += [np.where(signal > t, 1, -1) for t in (0.6, 1.0, 1.6)]
        columns += [np.where(signal < t, 0, -1) for t in (0.0, -0.6)]
    return np.column_stack(columns).astype(np.int8)


def quality(p: np.ndarray, truth: np.ndarray) -> tuple[float, float, float]:
    """AUC, log loss, calibration error in ten bins."""
    from scipy.stats import rankdata

    positive = truth == 1
    rank = rankdata(p)[positive].sum() - positive.sum() * (positive.sum() + 1) / 2
    auc = rank / (positive.sum() * (~positive).sum())
    two = np.column_stack([1 - p, p])
    bins = np.minimum((p * 10).astype(int), 9)
    gaps = [
        abs(p[bins == b].mean() - truth[bins == b].mean()) * (bins == b).mean()
        for b in np.unique(bins)
    ]
    return float(auc), log_loss(two, truth), float(sum(gaps))
