"""``auto`` without gold on three published vote sets, beside every fixed model.

Fitted to the training votes, judged on the test split: accuracy, or F1 of spam on SMS (13 %
positive), in per cent, ties broken at random over five seeds. No gold and no validation label is
touched.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence

from labelkit.labelmodels import LabelModel
from labelmodels_bars.vote_sets import VoteSet, read_all

FIXED = ("majority", "onecoin", "snorkel")
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


def main(argv: Sequence[str]) -> None:
    parser = argparse.ArgumentParser("labelmodels.py quality", description=__doc__)
    parser.parse_args(argv)
    for votes in read_all():
        published(votes)
