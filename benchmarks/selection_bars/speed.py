"""Batches from a large pool of 64 features: seconds, CPU seconds and memory above the pool."""

from __future__ import annotations

import importlib.util
import os
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from labelkit.selection.batches import BATCHES, choose

WIDTH = 64


def make_pool(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Features (n, 64) float32, and probabilities of two classes."""
    rng = np.random.default_rng(0)
    x = np.empty((n, WIDTH), dtype=np.float32)
    for start in range(0, n, 1 << 18):
        rows = min(1 << 18, n - start)
        x[start : start + rows] = rng.standard_normal((rows, WIDTH), dtype=np.float32)
    p = rng.beta(0.5, 0.5, n)
    return x, np.column_stack([1 - p, p])


def _peer(name: str, x: np.ndarray, p: np.ndarray) -> Callable[[int], Any]:
    """modAL's and scikit-activeml's, as their users call them, with ten labeled examples."""
    from sklearn.linear_model import LogisticRegression

    y = (p[:, 1] > 0.5).astype(int)
    if name == "modAL ranked batch":
        from modAL.batch import uncertainty_batch_sampling

        model = LogisticRegression().fit(x[:10], y[:10])
        learner = type("L", (), {"X_training": x[:10], "on_transformed": False,
                                 "estimator": model,
                                 "predict_proba": staticmethod(model.predict_proba)})()  # fmt: skip
        return lambda n: uncertainty_batch_sampling(learner, x[10:], n_instances=n)
    from skactiveml.classifier import SklearnClassifier
    from skactiveml.pool import Badge, CoreSet

    labels = np.full(len(x), np.nan)
    labels[:10] = y[:10]
    if name == "skactiveml CoreSet":
        return lambda n: CoreSet(random_state=0).query(x, labels, batch_size=n)
    clf = SklearnClassifier(LogisticRegression(), classes=[0, 1])
    return lambda n: Badge(random_state=0).query(x, labels, clf, batch_size=n)


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(name: str, rows: int, n: int) -> None:
    """One strategy in a process of its own, so that its peak is its own."""
    x, p = make_pool(rows)
    ours = name in BATCHES
    # Libraries are loaded and warm before the clock starts.
    some = (x[:2_000], p[:2_000])
    if ours:
        choose(name, 10, probabilities=some[1], features=some[0])
        run: Callable[[int], Any] = lambda size: choose(name, size, probabilities=p, features=x)  # noqa: E731
    else:
        _peer(name, *some)(10)
        run = _peer(name, x, p)
    before, cpu, started = _peak(), time.process_time(), time.perf_counter()
    run(n)
    wall, spent = time.perf_counter() - started, time.process_time() - cpu
    print(f"{name:22s}{rows:>12,}{n:>8,}{wall:9.2f} s{spent:9.2f} s{_peak() - before:9.0f} MiB",
          flush=True)  # fmt: skip


def main(rows: int = 1_000_000, n: int = 1_000) -> None:
    """Print a line per strategy; peers with batches of 100, where they are installed."""
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, "
          f"NumPy {np.__version__}\n{'':22s}{'pool':>12s}{'batch':>8s}{'wall':>11s}{'CPU':>11s}"
          f"{'above pool':>13s}")  # fmt: skip
    cases = [(name, rows, n) for name in BATCHES]
    if importlib.util.find_spec("modAL"):
        cases.append(("modAL ranked batch", min(rows, 100_000), 100))
    if importlib.util.find_spec("skactiveml"):
        cases += [("skactiveml CoreSet", rows, 100), ("skactiveml BADGE", rows, 100)]
    for case in cases:
        call = f"from selection_bars.speed import measure; measure(*{case!r})"
        subprocess.run([sys.executable, "-W", "ignore", "-c", call], check=False,
                       env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)})  # fmt: skip
