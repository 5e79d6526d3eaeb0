"""Five per cent positives, one-sided LFs, two copied LFs: log loss in every one of 20 seeds.

Several kinds of such votes; beside majority vote and the real Snorkel (labelkit's step-by-step
repetition of it where Snorkel is not installed), each with its defaults and, another time, with
the true class balance given to all.
"""

from __future__ import annotations

import argparse
import importlib.util
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from labelkit.labelmodels import LabelModel, MajorityVote, SnorkelMoments
from labelmodels_bars.zoo import FloatArray, IntArray, Quality, Votes, one_sided

N, POSITIVE = 4000, 0.05
Rates = Sequence[tuple[float, float]]


def votes_of(
    rng: np.random.Generator, truth: IntArray, positive: Rates, negative: Rates
) -> list[npt.NDArray[np.int8]]:
    """One column an LF, those for class 1 first: (rate within the class, rate outside)."""
    side = np.array([1] * len(positive) + [0] * len(negative))
    hit, false = np.array([*positive, *negative]).T
    return list(one_sided(rng, truth, side, hit, false).T)


def one_copy_a_side(rng: np.random.Generator, truth: IntArray) -> list[npt.NDArray[np.int8]]:
    L = votes_of(rng, truth, ((0.6, 0.01), (0.5, 0.02), (0.4, 0.005)), ((0.5, 0.05), (0.4, 0.1)))
    return [*L, L[0], L[3]]


def twice_the_same_positive(
    rng: np.random.Generator, truth: IntArray
) -> list[npt.NDArray[np.int8]]:
    L = votes_of(
        rng,
        truth,
        ((0.6, 0.01), (0.5, 0.02), (0.4, 0.005), (0.3, 0.03)),
        ((0.5, 0.05), (0.4, 0.1), (0.3, 0.1)),
    )
    return [*L, L[0], L[0]]


def sparse(rng: np.random.Generator, truth: IntArray) -> list[npt.NDArray[np.int8]]:
    L = votes_of(
        rng,
        truth,
        ((0.4, 0.01), (0.3, 0.01), (0.3, 0.005), (0.2, 0.01)),
        ((0.3, 0.1), (0.2, 0.05), (0.2, 0.05)),
    )
    return [*L, L[1], L[4]]


def any_rates(rng: np.random.Generator, truth: IntArray) -> list[npt.NDArray[np.int8]]:
    positive = [(rng.uniform(0.3, 0.8), rng.uniform(0.002, 0.05)) for _ in range(4)]
    negative = [(rng.uniform(0.2, 0.6), rng.uniform(0.05, 0.2)) for _ in range(4)]
    L = votes_of(rng, truth, positive, negative)
    return [*L, L[0], L[4]]


def positive_only(rng: np.random.Generator, truth: IntArray) -> list[npt.NDArray[np.int8]]:
    L = votes_of(rng, truth, ((0.6, 0.02), (0.5, 0.03), (0.4, 0.01), (0.5, 0.05)), ())
    return [*L, L[0], L[1]]


def masked_coins(rng: np.random.Generator, truth: IntArray) -> list[npt.NDArray[np.int8]]:
    """Coins of accuracy 75 to 90 % of which each LF tells one side only."""
    columns = []
    for side in (1, 1, 1, 1, 0, 0, 0, 0):
        accuracy, coverage = rng.uniform(0.75, 0.9), rng.uniform(0.4, 0.6)
        coin = np.where(rng.random(N) < accuracy, truth, 1 - truth)
        columns.append(np.where((coin == side) & (rng.random(N) < coverage), side, -1))
    return [*columns, columns[0], columns[1]]


def near_copies(rng: np.random.Generator, truth: IntArray) -> list[npt.NDArray[np.int8]]:
    L = votes_of(
        rng,
        truth,
        ((0.7, 0.02), (0.5, 0.02), (0.6, 0.05)),
        ((0.8, 0.2), (0.7, 0.1), (0.6, 0.3)),
    )
    return [*L, *(np.where(rng.random(N) < 0.7, L[j], -1) for j in (0, 3))]


KINDS: tuple[Callable[[np.random.Generator, IntArray], list[npt.NDArray[np.int8]]], ...] = (
    one_copy_a_side,
    twice_the_same_positive,
    sparse,
    any_rates,
    positive_only,
    masked_coins,
    near_copies,
)


def snorkel(L: Votes, seed: int, balance: Sequence[float] | None) -> FloatArray:
    """Snorkel with its defaults."""
    if importlib.util.find_spec("snorkel") is None:
        return (
            SnorkelMoments(2, solver="sgd", seed=seed)
            .fit(L, class_balance=balance)
            .predict_proba(L)
        )
    import torch
    from snorkel.labeling.model import LabelModel as Snorkel

    torch.set_num_threads(1)
    model = Snorkel(2, verbose=False)
    model.fit(L.astype(int), class_balance=balance, seed=seed, progress_bar=False)
    return np.asarray(model.predict_proba(L.astype(int)), dtype=np.float64)


def losses(
    kind: Callable[[np.random.Generator, IntArray], list[npt.NDArray[np.int8]]],
    seed: int,
    balance: Sequence[float] | None,
) -> tuple[float, float, float]:
    """Log loss of ``auto``, majority vote and Snorkel."""
    rng = np.random.default_rng([seed, KINDS.index(kind)])
    truth = (rng.random(N) < POSITIVE).astype(np.int64)
    L = np.column_stack(kind(rng, truth)).astype(np.int8)
    ours, majority = (
        Quality.of(model.fit(L, class_balance=balance).predict_proba(L), truth).log_loss
        for model in (LabelModel(), MajorityVote())
    )
    return ours, majority, Quality.of(snorkel(L, seed, balance), truth).log_loss


def main(argv: Sequence[str]) -> None:
    parser = argparse.ArgumentParser("labelmodels.py imbalance", description=__doc__)
    parser.add_argument("--seeds", type=int, default=20)
    arguments = parser.parse_args(argv)
    for balance in (None, [1 - POSITIVE, POSITIVE]):
        given = "class balance not given" if balance is None else "true class balance given to all"
        print(f"\n{given}: mean log loss over {arguments.seeds} seeds, and seeds won")
        print(f"  {'':<26}{'auto':>8}{'majority':>10}{'won':>5}{'Snorkel':>9}{'won':>5}")
        for kind in KINDS:
            found = np.array([losses(kind, seed, balance) for seed in range(arguments.seeds)])
            ours, majority, theirs = found.mean(axis=0)
            won = (found[:, :1] < found[:, 1:]).sum(axis=0)
            word = "met" if (won == arguments.seeds).all() else "MISSED"
            print(
                f"  {kind.__name__:<26}{ours:8.3f}{majority:10.3f}{won[0]:5d}"
                f"{theirs:9.3f}{won[1]:5d}  {word}",
                flush=True,
            )
