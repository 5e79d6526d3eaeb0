"""``auto`` without gold on three published vote sets, beside every fixed model.

Fitted to the training votes, judged on the test split: accuracy, or F1 of spam on SMS (13 %
positive), in per cent, ties broken at random over five seeds. No gold and no validation label is
touched. Then the same promises on a zoo of simulated votes of many kinds (``zoo``): accuracy and
macro F1 of ``auto`` less majority vote's, and less the best fixed model's, mean and worst seed.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Sequence

import numpy as np

from labelkit.labelmodels import LabelModel
from labelmodels_bars.vote_sets import VoteSet, read_all
from labelmodels_bars.zoo import WORLDS, Quality, World

FIXED = (
    "majority",
    "weighted_majority",
    "onecoin",
    "rates",
    "snorkel",
    "dawid_skene",
    "triplets",
)
# What the issue asks for, in per cent; on SMS it is majority vote less one point.
AT_LEAST = {"ws_youtube": 88.0, "ws_trec_questions": 64.5}


def published(votes: VoteSet) -> None:
    print(
        f"\n{votes.name}: {votes.train.shape[0]:,} training rows, {votes.train.shape[1]} LFs, "
        f"{votes.cardinality} classes; {votes.measure} on {len(votes.truth)} test rows, per cent"
    )
    found = {}
    for method in (*FIXED, "auto"):
        start = time.perf_counter()
        model = LabelModel(votes.cardinality, method=method).fit(votes.train)
        found[method] = votes.quality(model.predict_proba(votes.test))
        seconds = time.perf_counter() - start
        print(f"  {method:<24}{found[method]:6.1f} {seconds:7.2f} s")
    print(f"  auto: {model.method_}, {model.reason_}")
    lowest = {
        "the figure asked for": AT_LEAST.get(votes.name, found["majority"] - 1),
        "best fixed model less one point": max(found[name] for name in FIXED) - 1,
        "majority less one point": found["majority"] - 1,
    }
    for name, bar in lowest.items():
        word = "met   " if found["auto"] >= bar else "MISSED"
        print(f"  {word} auto {found['auto']:.2f}, {name}: {bar:.2f}")


def judged(world: World, number: int, seed: int) -> tuple[str, dict[str, Quality]]:
    """What ``auto`` chose in a world, and the quality of every model there."""
    L, truth, k = world(np.random.default_rng([seed, number]))
    found, chosen = {}, ""
    for method in (*FIXED, "auto"):
        model = LabelModel(k, method=method).fit(L)
        found[method] = Quality.of(model.predict_proba(L), truth)
        chosen = model.method_
    return chosen, found


def zoo(seeds: int) -> None:
    print(f"\nsimulated votes, {seeds} seeds a kind: auto less majority vote, less the best fixed")
    print(f"  {'':<27}{'accuracy':>16}{'':>8}{'macro F1':>9}{'log loss':>11}  auto chose")
    print(f"  {'':<27}{'mean':>8}{'worst':>8}{'best':>8}{'mean':>9}{'auto':>6}{'best':>6}")
    for number, (name, world) in enumerate(WORLDS.items()):
        above, below, f1, loss, chosen = [], [], [], [], Counter[str]()
        for seed in range(seeds):
            method, found = judged(world, number, seed)
            chosen[method] += 1
            auto, majority = found["auto"], found["majority"]
            above.append(auto.accuracy - majority.accuracy)
            f1.append(auto.macro_f1 - majority.macro_f1)
            below.append(auto.accuracy - max(found[m].accuracy for m in FIXED))
            loss.append((auto.log_loss, min(found[m].log_loss for m in FIXED)))
        ours, best = np.mean(loss, axis=0)
        print(
            f"  {name:<27}{np.mean(above):+8.1f}{min(above):+8.1f}{np.mean(below):+8.1f}"
            f"{np.mean(f1):+9.1f}{ours:6.2f}{best:6.2f}  "
            + ", ".join(f"{method} {times}" for method, times in chosen.most_common()),
            flush=True,
        )


def main(argv: Sequence[str]) -> None:
    parser = argparse.ArgumentParser("labelmodels.py quality", description=__doc__)
    parser.add_argument("--seeds", type=int, default=10, help="draws of each kind in the zoo")
    arguments = parser.parse_args(argv)
    for votes in read_all():
        published(votes)
    zoo(arguments.seeds)
