"""Simulated crowds of many kinds, with the truth known.

A world is a kind of crowd and its size: workers answer at random items until each item has its
number of answers (workers' appetite is long-tailed, as on real platforms); how they answer is what
the kinds differ in.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Crowd:
    """Answers in long form (a,), and the true class of every item (n,).

    Parameters
    ----------
    confusion : (m, k, k) P(answer | class) of every worker on an item of ordinary difficulty
    """

    kind: str
    item: IntArray
    worker: IntArray
    label: IntArray
    truth: IntArray
    confusion: FloatArray

    @property
    def cardinality(self) -> int:
        return self.confusion.shape[1]


@dataclass(frozen=True)
class Size:
    items: int = 600
    workers: int = 60
    answers: int = 5
    k: int = 2


def coins(accuracy: FloatArray, k: int) -> FloatArray:
    """Confusion (m, k, k) of workers with one accuracy each."""
    confusion = np.repeat(((1 - accuracy) / (k - 1))[:, None], k * k, axis=1).reshape(-1, k, k)
    confusion[:, np.arange(k), np.arange(k)] = accuracy[:, None]
    return confusion


def skilled(rng: np.random.Generator, m: int, k: int, *, mean: float = 0.5) -> FloatArray:
    """Accuracies spread around the share ``mean`` of the way from chance to certainty."""
    skill = rng.beta(6 * mean, 6 * (1 - mean), m)
    return np.asarray(1 / k + skill * (1 - 1 / k))


def plain(rng: np.random.Generator, size: Size) -> FloatArray:
    return coins(skilled(rng, size.workers, size.k), size.k)


def alike(rng: np.random.Generator, size: Size) -> FloatArray:
    return coins(np.full(size.workers, 1 / size.k + 0.5 * (1 - 1 / size.k)), size.k)


def spammers(rng: np.random.Generator, size: Size) -> FloatArray:
    """A third answer whatever the item: half of them at random, half always the same class."""
    m, k = size.workers, size.k
    confusion = coins(skilled(rng, m, k, mean=0.65), k)
    spam = rng.permutation(m)[: m // 3]
    confusion[spam] = 1 / k
    lazy = spam[: len(spam) // 2]
    confusion[lazy] = 0.02 / (k - 1)
    confusion[lazy, :, rng.integers(0, k, len(lazy))] = 0.98
    return confusion


def adversaries(rng: np.random.Generator, size: Size) -> FloatArray:
    """One worker in eight is right less often than chance."""
    m, k = size.workers, size.k
    accuracy = skilled(rng, m, k, mean=0.6)
    accuracy[rng.permutation(m)[: m // 8]] = 0.3 / k
    return coins(accuracy, k)


def biased(rng: np.random.Generator, size: Size) -> FloatArray:
    """Every worker knows some classes much better than others, and errs in his own way."""
    m, k = size.workers, size.k
    confusion = rng.dirichlet(np.full(k, 0.6), (m, k))
    skill = rng.beta(1.5, 1.0, (m, k, 1))
    return np.asarray(skill * np.eye(k) + (1 - skill) * confusion)


def leaning(rng: np.random.Generator, size: Size) -> FloatArray:
    """All workers take class 1 for class 0 more often than the reverse."""
    m, k = size.workers, size.k
    confusion = coins(skilled(rng, m, k, mean=0.7), k)
    lean = rng.beta(4, 8, m)
    confusion[:, 1] = (1 - lean)[:, None] * confusion[:, 1]
    confusion[:, 1, 0] += lean
    return confusion


def neighbours(rng: np.random.Generator, size: Size) -> FloatArray:
    """Errors fall on the classes beside the true one, as with grades."""
    m, k = size.workers, size.k
    width = rng.uniform(0.3, 1.2, m)
    apart = np.abs(np.arange(k)[:, None] - np.arange(k)[None])
    weight = np.exp(-apart[None] / width[:, None, None])
    return np.asarray(weight / weight.sum(axis=2, keepdims=True))


Kind = Callable[[np.random.Generator, Size], FloatArray]
KINDS: dict[str, Kind] = {
    "alike": alike,
    "plain": plain,
    "spammers": spammers,
    "adversaries": adversaries,
    "class-biased": biased,
    "leaning": leaning,
    "neighbours": neighbours,
}
# How items differ: all alike; a third on which everybody is near chance; a tenth that mislead.
ITEMS = ("alike", "hard", "misleading")
SIZES = {
    "usual": Size(),
    "few answers": Size(answers=2),
    "many answers": Size(items=300, answers=15),
    "few workers": Size(workers=5, answers=4),
    "many workers": Size(items=800, workers=700, answers=5),
    "k = 4": Size(k=4),
    "k = 10": Size(k=10, items=800),
}
BALANCES = ("even", "skewed")


def draw(
    kind: str, size: Size, *, items: str = "alike", balance: str = "even", seed: int = 0
) -> Crowd:
    """One crowd of this kind."""
    rng = np.random.default_rng(seed)
    n, m, k = size.items, size.workers, size.k
    weight = np.ones(k) if balance == "even" else np.geomspace(1, 1 / 9, k)
    truth = rng.choice(k, n, p=weight / weight.sum())
    confusion = KINDS[kind](rng, size)
    item, worker = _assignments(rng, n, m, size.answers)
    chance = confusion[worker, truth[item]]
    if items == "hard":
        hard = (rng.random(n) < 1 / 3)[item]
        chance[hard] = 0.25 * chance[hard] + 0.75 / k
    elif items == "misleading":
        lure = (truth + rng.integers(1, k, n)) % k
        misled = np.flatnonzero((rng.random(n) < 0.1)[item])
        chance[misled] *= 0.4
        chance[misled, lure[item[misled]]] += 0.6
    label = (rng.random((len(item), 1)) > chance.cumsum(axis=1)[:, :-1]).sum(axis=1)
    return Crowd(f"{kind}, items {items}, {balance}", item, worker, label, truth, confusion)


def _assignments(
    rng: np.random.Generator, n: int, m: int, answers: int
) -> tuple[IntArray, IntArray]:
    """Who answers what: different workers per item, drawn by a long-tailed appetite."""
    appetite = rng.pareto(1.5, m) + 0.2
    # The largest of log appetite + Gumbel noise are a draw without replacement (Efraimidis 2006).
    keys = np.log(appetite) + rng.gumbel(size=(n, m))
    chosen = np.argpartition(-keys, answers - 1, axis=1)[:, :answers]
    return np.repeat(np.arange(n), answers), chosen.ravel()
