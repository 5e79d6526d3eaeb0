"""From scores and probabilities to votes: thresholds, and abstaining between them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from labelkit.errors import LFError
from labelkit.lfs.patterns import ABSTAIN, Int8Array

FloatArray = npt.NDArray[np.floating]


@dataclass(frozen=True)
class ScoreRule:
    """One label from ``above`` upwards, another from ``below`` downwards; else it abstains.

    Parameters
    ----------
    high, low : labels for high and for low scores; None where that side is not voted
    above, below : thresholds, both inclusive; None where that side is not voted
    """

    high: int | None
    low: int | None
    above: float | None
    below: float | None

    def __post_init__(self) -> None:
        if self.above is None and self.below is None:
            raise LFError("A score becomes a vote by a threshold: give above=, below= or both.")
        for side, threshold, label in (
            ("above", self.above, self.high),
            ("below", self.below, self.low),
        ):
            if threshold is not None and (label is None or not np.isfinite(threshold)):
                raise LFError(
                    f"{side}={threshold} needs a finite threshold and a label for that side."
                )
        if self.above is not None and self.below is not None and self.below >= self.above:
            raise LFError(
                f"below={self.below} does not lie under above={self.above}: a score between them "
                "would be voted both ways."
            )

    @property
    def labels(self) -> frozenset[int]:
        """The labels that may be voted."""
        sides = ((self.above, self.high), (self.below, self.low))
        return frozenset(
            label for threshold, label in sides if threshold is not None and label is not None
        )

    def votes(self, scores: FloatArray) -> Int8Array:
        """Votes (n,) for scores (n,); NaN abstains."""
        votes = np.full(len(scores), ABSTAIN, dtype=np.int8)
        # A comparison with NaN is false, so NaN stays where it abstains.
        if self.above is not None and self.high is not None:
            votes[scores >= self.above] = self.high
        if self.below is not None and self.low is not None:
            votes[scores <= self.below] = self.low
        return votes

    def __str__(self) -> str:
        parts = []
        if self.above is not None:
            parts.append(f"{self.high} where score >= {self.above:g}")
        if self.below is not None:
            parts.append(f"{self.low} where score <= {self.below:g}")
        return ", else ".join(parts)


@dataclass(frozen=True)
class ProbabilityRule:
    """The likeliest class, where its probability reaches the threshold of its label.

    Parameters
    ----------
    labels_of : (k,) label of each class; ABSTAIN for a class that is never voted
    at_least : (k,) threshold of each class, 0 … 1
    """

    labels_of: tuple[int, ...]
    at_least: tuple[float, ...]

    @classmethod
    def of(cls, labels_of: Sequence[int], above: float | Mapping[int, float]) -> ProbabilityRule:
        """One threshold for all labels, or a mapping from label to threshold."""
        if isinstance(above, Mapping):
            unknown = sorted(set(above) - set(labels_of))
            lacking = sorted(set(labels_of) - set(above) - {ABSTAIN})
            if unknown or lacking:
                raise LFError(
                    f"above={dict(above)} gives one threshold for each label that is voted "
                    f"({sorted(set(labels_of) - {ABSTAIN})})."
                )
        thresholds = [
            (above.get(label, 1.0) if isinstance(above, Mapping) else above) for label in labels_of
        ]
        wrong = [t for t in thresholds if not 0 <= t <= 1]
        if wrong:
            raise LFError(f"above={wrong[0]} is no probability: thresholds lie from 0 to 1.")
        return cls(tuple(labels_of), tuple(float(t) for t in thresholds))

    @property
    def labels(self) -> frozenset[int]:
        """The labels that may be voted."""
        return frozenset(self.labels_of) - {ABSTAIN}

    def votes(self, probabilities: FloatArray) -> Int8Array:
        """Votes (n,) for probabilities (n, k); NaN and equals at the top abstain."""
        likeliest = probabilities.argmax(axis=1)
        top = probabilities[np.arange(len(probabilities)), likeliest]
        alone = (probabilities == top[:, None]).sum(axis=1) == 1
        sure = alone & (top >= np.asarray(self.at_least)[likeliest])
        return np.where(sure, np.asarray(self.labels_of)[likeliest], ABSTAIN).astype(np.int8)

    def __str__(self) -> str:
        return ", else ".join(
            f"{label} where P >= {least:g}"
            for label, least in zip(self.labels_of, self.at_least, strict=True)
            if label != ABSTAIN
        )
