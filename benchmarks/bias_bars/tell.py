"""How a figure stands beside its bar, and what machine it was measured on."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Bar:
    """One figure of the issue and what it is held to.

    Parameters
    ----------
    name : what was measured
    figure : what came out
    low, high : where the figure must lie, ends included
    """

    name: str
    figure: float
    low: float = -np.inf
    high: float = np.inf

    @property
    def met(self) -> bool:
        return self.low <= self.figure <= self.high

    def __str__(self) -> str:
        ends = {
            (True, False): f"at least {self.low:.4g}",
            (False, True): f"at most {self.high:.4g}",
            (True, True): f"{self.low:.4g} to {self.high:.4g}",
        }[bool(np.isfinite(self.low)), bool(np.isfinite(self.high))]
        past = max(self.low - self.figure, self.figure - self.high)
        word = "met   " if self.met else "MISSED"
        gap = f"{abs(past):.3g} {'to spare' if self.met else 'past it'}"
        return f"{word} {self.name}: {self.figure:.4g} (bar: {ends}; {gap})"


def say(bars: Sequence[Bar]) -> list[Bar]:
    """Print the bars as they are reached, and hand them on for the summary."""
    for bar in bars:
        print(f"  {bar}", flush=True)
    return list(bars)


def mean_interval(values: Sequence[float] | FloatArray) -> tuple[float, float]:
    """Mean over replications and half the width of its 95 % Student interval; NaN from one."""
    from scipy.special import stdtrit

    x = np.asarray(values, dtype=np.float64)
    if len(x) < 2:
        return float(x.mean()), float("nan")
    half = stdtrit(len(x) - 1, 0.975) * x.std(ddof=1) / np.sqrt(len(x))
    return float(x.mean()), float(half)


def environment() -> str:
    packages = ("labelkit", "numpy", "scipy", "polars", "duckdb")
    return (
        f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, "
        + ", ".join(f"{name} {version(name)}" for name in packages)
    )
