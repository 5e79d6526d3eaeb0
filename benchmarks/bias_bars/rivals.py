"""What people use instead: a textbook EM, CLAX, click-rate ratios.

PyClick reads one Python object per result, which a million impressions do not fit through in
minutes. Its position-based model is a textbook EM whose sufficient statistic is the counts, so it
is written here on them: parameters start at 1/2, every M-step adds one success in two trials to
each (the counters of its ``ParamEM``), and 50 iterations are run, as PyClick does by default.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bias_bars.worlds import Draw
from labelkit.logs import PositionCounts

FloatArray = npt.NDArray[np.float64]

PYCLICK_ITERATIONS = 50


def pyclick_em(
    counts: PositionCounts, n_iterations: int = PYCLICK_ITERATIONS, *, smoothing: float = 1.0
) -> FloatArray:
    """θ (K,) relative to the first position after so many iterations of PyClick's EM.

    ``smoothing`` successes in twice as many trials are added to every parameter; 0 is plain
    maximum likelihood, if it were run to convergence.
    """
    positions, index = np.unique(counts.position, return_inverse=True)
    example = counts.example
    n, clicks = counts.impressions.astype(np.float64), counts.clicks.astype(np.float64)
    unclicked = n - clicks
    n_examples = counts.n_examples
    shown_e = np.bincount(example, n, n_examples) + 2 * smoothing
    shown_k = np.bincount(index, n, len(positions)) + 2 * smoothing
    gamma, theta = np.full(n_examples, 0.5), np.full(len(positions), 0.5)
    for _ in range(n_iterations):
        g, t = gamma[example], theta[index]
        silent = unclicked / (1 - g * t)
        attracted = clicks + silent * (1 - t) * g
        examined = clicks + silent * (1 - g) * t
        gamma = np.minimum(
            (np.bincount(example, attracted, n_examples) + smoothing) / shown_e, 1 - 1e-6
        )
        theta = np.minimum(
            (np.bincount(index, examined, len(positions)) + smoothing) / shown_k, 1 - 1e-6
        )
    ratio: FloatArray = theta / theta[0]
    return ratio


def click_rate_ratio(counts: PositionCounts) -> FloatArray:
    """θ (K,) by those who take click rates by position for it."""
    _, index = np.unique(counts.position, return_inverse=True)
    rate = np.bincount(index, counts.clicks) / np.bincount(index, counts.impressions)
    ratio: FloatArray = rate / rate[0]
    return ratio


def known_relevance(draw: Draw) -> FloatArray:
    """θ (K,) by one who knows every γ: Σ c / Σ γ n, the floor that noise alone sets."""
    expected = draw.page_counts[:, :, None] * draw.world.gamma[draw.world.shown]
    theta = draw.clicks.sum((0, 1)) / expected.sum((0, 1))
    ratio: FloatArray = theta / theta[0]
    return ratio


def efficient_error(draw: Draw) -> float:
    """Mean relative error over positions 2–10 that the best unbiased estimator can have.

    From the Cramér–Rao bound of the Bernoulli model with every γ_e unknown: a cell informs log θ_k
    and log γ_e by n θγ/(1 − θγ) each, and γ_e is profiled out. A normal error of that standard
    deviation is √(2/π) of it in the mean.
    """
    counts, world = draw.counts, draw.world
    k, size = counts.position - 1, len(world.theta)
    p = world.theta[k] * world.gamma[counts.example]
    weight = counts.impressions * p / np.maximum(1 - p, 1e-9)
    by_example = np.zeros((len(world.gamma), size))
    by_example[counts.example, k] = weight
    shares = by_example / np.maximum(by_example.sum(1, keepdims=True), 1e-300)
    information = np.diag(by_example.sum(0)) - by_example.T @ shares
    variance = np.diag(np.linalg.inv(information[1:, 1:]))
    return float(np.sqrt(2 / np.pi * variance).mean())


def clax(python: str, draw: Draw, seed: int) -> tuple[FloatArray, float]:
    """θ (K,) of CLAX's position-based model on the same pages, and the seconds it took to fit."""
    shown, clicked = draw.pages(seed)
    with tempfile.TemporaryDirectory() as name:
        np.savez(Path(name) / "pages.npz", shown=shown, clicked=clicked)
        child = subprocess.run(
            [python, str(Path(__file__).with_name("clax_side.py")), name, str(seed)],
            capture_output=True,
            text=True,
        )
    if child.returncode:
        sys.exit(child.stderr)
    line = next(line for line in child.stdout.splitlines() if line.startswith("CLAX"))
    theta, seconds = json.loads(line.removeprefix("CLAX"))
    return np.asarray(theta) / theta[0], float(seconds)
