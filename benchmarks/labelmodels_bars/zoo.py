"""Votes of many kinds with known truth: what ``auto`` must hold its promises on.

Each world is a function of a generator that draws the world's own parameters too, so that no two
seeds share accuracies, coverages or class shares. None was made to resemble a published set.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
Votes: TypeAlias = npt.NDArray[np.int8]
World: TypeAlias = Callable[[np.random.Generator], "tuple[Votes, IntArray, int]"]

# Classes whose probabilities differ by less are tied.
TIE = 1e-5


def classes(rng: np.random.Generator, n: int, share: npt.ArrayLike) -> IntArray:
    p = np.asarray(share, float)
    return rng.choice(len(p), size=n, p=p / p.sum())


def two_sided(
    rng: np.random.Generator, truth: IntArray, k: int, accuracy: FloatArray, coverage: FloatArray
) -> Votes:
    """LFs that are right with ``accuracy`` and vote on ``coverage``, whatever the class."""
    right = rng.random((len(truth), len(accuracy))) < accuracy
    other = (truth[:, None] + rng.integers(1, k, right.shape)) % k
    votes = np.where(right, truth[:, None], other)
    return np.where(rng.random(right.shape) < coverage, votes, -1).astype(np.int8)


def one_sided(
    rng: np.random.Generator, truth: IntArray, side: IntArray, hit: FloatArray, false: FloatArray
) -> Votes:
    """LFs (m,) that vote for the class ``side`` at rate ``hit`` within it, ``false`` outside."""
    rate = np.where(truth[:, None] == side, hit, false)
    return np.where(rng.random(rate.shape) < rate, side, -1).astype(np.int8)


def keywords(
    rng: np.random.Generator, k: int, each: int
) -> tuple[IntArray, FloatArray, FloatArray]:
    """``each`` one-sided LFs a class: rates within 5 to 50 %, outside 3 to 30 times lower."""
    side = np.repeat(np.arange(k), each)
    hit = np.exp(rng.uniform(np.log(0.05), np.log(0.5), len(side)))
    return side, hit, hit / np.exp(rng.uniform(np.log(3), np.log(30), len(side)))


def _both_ways(rng: np.random.Generator, k: int, m: int, n: int, low: float, high: float):
    truth = classes(rng, n, rng.dirichlet(np.full(k, 20.0)))
    accuracy = 1 / k + (1 - 1 / k) * rng.uniform(low, high, m)
    return two_sided(rng, truth, k, accuracy, rng.uniform(0.1, 0.9, m)), truth, k


def dense_binary(rng: np.random.Generator):
    return _both_ways(rng, 2, int(rng.integers(5, 15)), 2000, 0.1, 0.8)


def dense_many_classes(rng: np.random.Generator):
    return _both_ways(rng, int(rng.integers(3, 9)), int(rng.integers(5, 15)), 2000, 0.1, 0.8)


def few_lfs(rng: np.random.Generator):
    return _both_ways(rng, 2, int(rng.integers(3, 5)), 2000, 0.2, 0.8)


def small(rng: np.random.Generator):
    return _both_ways(rng, 2, int(rng.integers(4, 10)), 150, 0.1, 0.8)


def sparse(rng: np.random.Generator):
    k = int(rng.integers(2, 5))
    truth = classes(rng, 3000, rng.dirichlet(np.full(k, 10.0)))
    m = int(rng.integers(10, 40))
    accuracy = 1 / k + (1 - 1 / k) * rng.uniform(0.2, 0.8, m)
    return two_sided(rng, truth, k, accuracy, rng.uniform(0.01, 0.06, m)), truth, k


def adversarial(rng: np.random.Generator):
    truth = classes(rng, 2000, [1, 1])
    m = int(rng.integers(6, 12))
    accuracy = rng.uniform(0.6, 0.9, m)
    accuracy[: m // 4] = rng.uniform(0.2, 0.45, m // 4)
    return two_sided(rng, truth, 2, accuracy, rng.uniform(0.2, 0.8, m)), truth, 2


def imbalanced_two_sided(rng: np.random.Generator):
    truth = classes(rng, 3000, [0.9, 0.1])
    m = int(rng.integers(5, 12))
    accuracy = rng.uniform(0.7, 0.95, m)
    return two_sided(rng, truth, 2, accuracy, rng.uniform(0.2, 0.8, m)), truth, 2


def confused(rng: np.random.Generator):
    """Accuracy depends on the class: every LF has a confusion matrix of its own."""
    k, n, m = int(rng.integers(2, 5)), 2000, int(rng.integers(6, 12))
    truth = classes(rng, n, rng.dirichlet(np.full(k, 10.0)))
    L = np.full((n, m), -1, dtype=np.int8)
    for j in range(m):
        confusion = rng.dirichlet(np.full(k, 0.8), size=k) * 0.5
        confusion[np.arange(k), np.arange(k)] += 0.5 * rng.uniform(0.6, 1.0, k)
        drawn = np.cumsum(confusion / confusion.sum(axis=1, keepdims=True), axis=1)[truth]
        votes = (rng.random(n)[:, None] > drawn).sum(axis=1)
        L[:, j] = np.where(rng.random(n) < rng.uniform(0.2, 0.8), np.minimum(votes, k - 1), -1)
    return L, truth, k


def keyword_lfs(rng: np.random.Generator):
    k = int(rng.integers(2, 6))
    truth = classes(rng, 3000, rng.dirichlet(np.full(k, 5.0)))
    return one_sided(rng, truth, *keywords(rng, k, int(rng.integers(3, 7)))), truth, k


def keyword_lfs_of_rare_class(rng: np.random.Generator):
    truth = classes(rng, 4000, [0.93, 0.07])
    return one_sided(rng, truth, *keywords(rng, 2, int(rng.integers(3, 7)))), truth, 2


def copies(rng: np.random.Generator):
    """A weak LF and three near copies of it among independent ones."""
    truth = classes(rng, 2000, [1, 1])
    m = int(rng.integers(4, 8))
    accuracy = np.concatenate([[0.6], rng.uniform(0.65, 0.85, m)])
    L = two_sided(rng, truth, 2, accuracy, rng.uniform(0.3, 0.8, m + 1))
    same = [np.where(rng.random(len(L)) < 0.97, L[:, 0], -1) for _ in range(3)]
    return np.column_stack([L, *same]).astype(np.int8), truth, 2


def half_copies(rng: np.random.Generator):
    """Three LFs that repeat one half of the time and judge for themselves otherwise."""
    truth = classes(rng, 2000, [1, 1])
    m = int(rng.integers(4, 8))
    L = two_sided(rng, truth, 2, rng.uniform(0.6, 0.8, m + 3), rng.uniform(0.3, 0.8, m + 3))
    for j in range(1, 3):
        L[:, j] = np.where(rng.random(len(L)) < 0.5, L[:, 0], L[:, j])
    return L, truth, 2


def hard_examples(rng: np.random.Generator):
    """Some examples are hard for every LF: errors coincide."""
    truth = classes(rng, 2000, [1, 1])
    m = int(rng.integers(5, 12))
    skill, hard = rng.uniform(0.5, 2.5, m), rng.normal(0.8, 1.2, len(truth))
    right = rng.random((len(truth), m)) < 1 / (1 + np.exp(-skill * hard[:, None]))
    votes = np.where(right, truth[:, None], 1 - truth[:, None])
    return np.where(rng.random(right.shape) < rng.uniform(0.2, 0.8, m), votes, -1), truth, 2


def long_and_short_texts(rng: np.random.Generator):
    """Keyword LFs fire together on long texts, whatever the class."""
    k = int(rng.integers(2, 6))
    truth = classes(rng, 3000, rng.dirichlet(np.full(k, 5.0)))
    side, hit, false = keywords(rng, k, int(rng.integers(3, 7)))
    length = np.exp(rng.normal(0.0, 1.0, len(truth)))[:, None]
    rate = 1 - (1 - np.where(truth[:, None] == side, hit, false)) ** length
    return np.where(rng.random(rate.shape) < rate, side, -1).astype(np.int8), truth, k


def topics(rng: np.random.Generator):
    """Each class has topics; a keyword LF fires in some of them, with others of that topic."""
    k, each = int(rng.integers(2, 6)), int(rng.integers(4, 8))
    truth = classes(rng, 3000, rng.dirichlet(np.full(k, 5.0)))
    topic = truth * 3 + rng.integers(0, 3, len(truth))
    side = np.repeat(np.arange(k), each)
    home = side * 3 + rng.integers(0, 3, len(side))
    stray = rng.integers(0, 3 * k, len(side))
    rate = rng.uniform(0.1, 0.5, len(side)) * (topic[:, None] == home)
    rate = np.maximum(rate, rng.uniform(0.02, 0.2, len(side)) * (topic[:, None] == stray))
    rate = np.maximum(rate, 0.01)
    return np.where(rng.random(rate.shape) < rate, side, -1).astype(np.int8), truth, k


WORLDS: dict[str, World] = {
    world.__name__: world
    for world in (
        dense_binary,
        dense_many_classes,
        few_lfs,
        small,
        sparse,
        adversarial,
        imbalanced_two_sided,
        confused,
        keyword_lfs,
        keyword_lfs_of_rare_class,
        copies,
        half_copies,
        hard_examples,
        long_and_short_texts,
        topics,
    )
}


@dataclass(frozen=True)
class Quality:
    """Expected accuracy and macro F1 in per cent, ties broken at random, and log loss."""

    accuracy: float
    macro_f1: float
    log_loss: float

    @classmethod
    def of(cls, proba: FloatArray, truth: IntArray) -> Quality:
        tied = proba >= proba.max(axis=1, keepdims=True) - TIE
        answer = tied / tied.sum(axis=1, keepdims=True)
        own = np.arange(len(truth))
        one_hot = np.eye(proba.shape[1])[truth]
        hits = (answer * one_hot).sum(axis=0)
        f1 = 2 * hits / np.maximum(answer.sum(axis=0) + one_hot.sum(axis=0), 1e-12)
        loss = -np.log(np.maximum(proba[own, truth], 1e-12))
        return cls(100 * float(answer[own, truth].mean()), 100 * float(f1.mean()), loss.mean())
