"""``auto``: which model suits these votes, and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from labelkit.labelmodels.statistics import GoldSample, VoteStatistics

Method: TypeAlias = Literal["majority", "onecoin", "snorkel"]

MIN_LFS = 3
# Below this share of examples with two votes or more, agreement says too little about accuracy.
MIN_OVERLAP = 0.02


@dataclass(frozen=True)
class Choice:
    """A method and the sentence that justifies it."""

    method: Method
    reason: str


def choose(statistics: VoteStatistics, gold: GoldSample | None) -> Choice:
    """Pick a method from what the votes can carry."""
    voting = int((statistics.votes_cast.sum(axis=1) > 0).sum())
    if voting < MIN_LFS:
        return Choice(
            "majority",
            f"only {voting} labeling functions vote: with fewer than {MIN_LFS}, agreement says "
            "nothing about who is right",
        )
    shared = (statistics.rows >= 0).sum(axis=1) >= 2
    overlap = float(statistics.counts @ shared) / statistics.n
    if overlap < MIN_OVERLAP:
        return Choice(
            "majority",
            f"two or more functions vote on only {overlap:.1%} of the examples: too little "
            "agreement to learn accuracies from",
        )
    return Choice(
        "onecoin",
        f"{voting} functions vote, two or more of them on {overlap:.0%} of the examples: enough "
        "agreement to learn one accuracy for each",
    )
