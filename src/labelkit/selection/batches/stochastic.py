"""Stochastic batches: scores with noise, so that a batch is not n times the same example."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from labelkit.errors import SelectionError
from labelkit.selection.batches.candidates import BatchTask, IntArray, best

SHARPNESS = 8.0
"""Exponent of the weights (1 - gap between the two best classes)⁸ for margin scores."""


def power(task: BatchTask, n: int) -> IntArray:
    """n draws without replacement, with weights score⁸: Gumbel noise on 8 log score, then the top.

    Raises
    ------
    SelectionError
        A score is below 0.

    Notes
    -----
    Kirsch et al. (2023), Stochastic batch acquisition, eq. 6 ("power"); the top of Gumbel noise
    on log weights is a draw without replacement (Kool et al. 2019).
    """
    below = task.score < 0
    if below.any():
        raise SelectionError(
            f"{int(below.sum()):,} of {len(below):,} scores are below 0 (for example "
            f"{task.score[below][0]:g}): draws with weights score⁸ need scores of 0 and more."
        )
    with np.errstate(divide="ignore"):
        log_weight = SHARPNESS * np.log(task.score.astype(np.float64))
    return _noisy(task, log_weight, n)


def softmax(task: BatchTask, n: int) -> IntArray:
    """The same with weights exp(8 · score): also scores of 0 have a chance (ibid., eq. 5)."""
    return _noisy(task, SHARPNESS * task.score.astype(np.float64), n)


def _noisy(task: BatchTask, log_weight: npt.NDArray[np.float64], n: int) -> IntArray:
    noise = task.rng.gumbel(size=len(log_weight))
    return best(BatchTask(log_weight + noise, task.rng), n)
