"""Acquisition scores: how much a person's answer to an example would tell. Higher is better.

What comes in: probabilities, votes, or features, as arrays.
What goes out: one number per example, non-negative.
It must never build anything of size n × n.

- ``uncertainty``     of one soft label: least confidence, margin, entropy
- ``disagreement``    of two sources, of a committee, of labeling functions
- ``change``          how far an answer would move a model: expected gradient length
- ``density``         how many examples are like this one
- ``combining``       weak label and learner as one, and what an answer costs
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from labelkit.selection.scores.change import expected_gradient_length
from labelkit.selection.scores.combining import Combined, combine, per_second
from labelkit.selection.scores.density import cosine_density, euclidean_density
from labelkit.selection.scores.disagreement import (
    consensus_divergence,
    jensen_shannon,
    vote_conflict,
    vote_entropy,
)
from labelkit.selection.scores.uncertainty import entropy, least_confidence, margin

FloatArray = npt.NDArray[np.float64]

SCORES: dict[str, Callable[[FloatArray], FloatArray]] = {
    "margin": margin,
    "entropy": entropy,
    "least_confidence": least_confidence,
    "expected_change": expected_gradient_length,
}
"""Scores of probabilities alone, by the names that ``select`` knows."""

__all__ = [
    "SCORES",
    "Combined",
    "combine",
    "consensus_divergence",
    "cosine_density",
    "entropy",
    "euclidean_density",
    "expected_gradient_length",
    "jensen_shannon",
    "least_confidence",
    "margin",
    "per_second",
    "vote_conflict",
    "vote_entropy",
]
