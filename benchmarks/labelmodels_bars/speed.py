"""Votes in an engine to probabilities in an engine, beside the real Snorkel on the same matrix.

Two matrices: ten million rows of ten functions over two classes, and a million rows of 25 functions
over five, in which no row repeats. Each side runs in a process of its own, once on a small matrix
to be warm, then timed; memory is the peak of the process above what it held with the votes loaded.
Snorkel runs for its default 100 steps and for 500. At the end, the same fit on a hundred times the
examples with the same patterns. Timings mean something on a quiet machine only.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

# Name: examples, LFs, classes, coverage, times as fast as Snorkel, share of its memory (None: any).
MATRICES = {
    "repeating": (10_000_000, 10, 2, 0.5, 30.0, 0.1),
    "dense": (1_000_000, 25, 5, 0.8, 5.0, None),
}
SNORKEL_STEPS = (100, 500)
OURS = ("snorkel", "onecoin", "auto")


def draw(n: int, m: int, k: int, coverage: float, seed: int = 0) -> npt.NDArray[np.int8]:
    """A label matrix (n, m) in column order, LFs right 60 to 87 % of the time."""
    rng = np.random.default_rng(seed)
    L = np.empty((n, m), dtype=np.int8, order="F")
    truth = rng.integers(0, k, n, dtype=np.int8)
    for j in range(m):
        wrong = (truth + rng.integers(1, k, n, dtype=np.int8)) % k
        L[:, j] = np.where(rng.random(n, dtype=np.float32) < 0.6 + 0.03 * (j % 10), truth, wrong)
        L[rng.random(n, dtype=np.float32) >= coverage, j] = -1
    return L


def labelkit_run(L: npt.NDArray[np.int8], k: int, method: str) -> Callable[[], tuple[float, float]]:
    """How to go from a Polars frame of votes to one of probabilities: seconds of fit, of labels."""
    import narwhals as nw
    import polars as pl

    from labelkit.labelmodels import LabelModel
    from labelkit.lfs import Votes

    frame = pl.DataFrame({f"lf_{j}": L[:, j] for j in range(L.shape[1])})

    def run() -> tuple[float, float]:
        votes = Votes(nw.from_native(frame), (), tuple(frame.columns), k, frame)
        start = time.perf_counter()
        model = LabelModel(k, method).fit(votes)  # type: ignore[arg-type]
        fitted = time.perf_counter()
        if votes.coding.dense:
            lazily = Votes(nw.from_native(frame.lazy()), (), votes.lf_names, k, frame)
            lazily.__dict__["patterns"] = votes.patterns
            query = model.label_in_engine(lazily)
            table = query.select(f"p_{y}" for y in range(k)).collect(engine="streaming")
        else:
            table = pl.DataFrame(model.predict_proba(votes))
        assert len(table) == len(L)
        return fitted - start, time.perf_counter() - fitted

    return run


def snorkel_run(L: npt.NDArray[np.int8], k: int, steps: int) -> Callable[[], tuple[float, float]]:
    from snorkel.labeling.model import LabelModel as Snorkel

    rows = np.ascontiguousarray(L)

    def run() -> tuple[float, float]:
        model = Snorkel(k, verbose=False)
        start = time.perf_counter()
        model.fit(rows, n_epochs=steps, seed=0, progress_bar=False)
        fitted = time.perf_counter()
        model.predict_proba(rows)
        return fitted - start, time.perf_counter() - fitted

    return run


def _memory(line: str) -> float:
    """VmRSS or VmHWM (the peak) of this process in MiB; Linux."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.split(f"{line}:")[1].split()[0]) / 1024


def child(side: str, what: str, file: str, k: int) -> None:
    """Time one side on the matrix in ``file``, and print seconds and MiB as JSON."""
    L = np.load(file)
    make = labelkit_run if side == "labelkit" else snorkel_run
    argument = what if side == "labelkit" else int(what)
    make(L[:5_000], k, argument)()  # type: ignore[arg-type]
    run = make(L, k, argument)  # type: ignore[arg-type]
    # From here on the peak is that of the work, not that of loading.
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    before = _memory("VmRSS")
    fit, proba = run()
    print(json.dumps({"fit": fit, "proba": proba, "memory": _memory("VmHWM") - before}))


def measured(side: str, what: str, file: Path, k: int) -> dict[str, float]:
    command = [sys.executable, "-m", "labelmodels_bars.speed", side, what, str(file), str(k)]
    here = Path(__file__).resolve().parents[1]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=here)
    result: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return result


def compare(name: str, scale: float, folder: Path) -> None:
    n, m, k, coverage, faster, memory = MATRICES[name]
    n = int(n * scale)
    file = folder / f"{name}.npy"
    np.save(file, draw(n, m, k, coverage))
    print(f"\n{n:,} x {m} functions, {k} classes ({name})")
    theirs = {}
    if importlib.util.find_spec("snorkel"):
        for steps in SNORKEL_STEPS:
            theirs[steps] = _row(
                f"Snorkel, {steps} steps", measured("snorkel", str(steps), file, k)
            )
    else:
        print("  Snorkel is not installed: nothing to compare with")
    for method in OURS:
        mine = _row(f"labelkit, {method}", measured("labelkit", method, file, k))
        for steps, (seconds, mib) in theirs.items():
            ratio, share = seconds / mine[0], mine[1] / mib
            met = ratio >= faster and (memory is None or share <= memory)
            asked = f"{faster:.0f} times" + ("" if memory is None else f" at {memory:.0%}")
            print(
                f"    {ratio:6.1f} times as fast as {steps} steps, {share:4.0%} of the memory "
                f"(bar: {asked}: {'met' if met else 'MISSED'})",
                flush=True,
            )
    file.unlink()


def _row(name: str, result: dict[str, float]) -> tuple[float, float]:
    print(
        f"  {name:24} fit {result['fit']:7.2f} s  probabilities {result['proba']:6.2f} s  "
        f"{max(result['memory'], 0):7.0f} MiB above the votes",
        flush=True,
    )
    return result["fit"] + result["proba"], max(result["memory"], 1.0)


def growth() -> None:
    """The same patterns, counted a hundred times: the fit must not notice."""
    from labelkit.labelmodels import LabelModel
    from labelkit.lfs import Patterns, Votes

    print("\nonce counts exist: 6 functions, fit in ms by number of examples")
    patterns = Patterns.of(draw(100_000, 6, 2, 0.5))
    for method in OURS:
        times = []
        for times_as_many in (1, 10, 100):
            votes = Votes.from_matrix(patterns.rows, cardinality=2)
            votes.__dict__["patterns"] = Patterns(patterns.rows, patterns.counts * times_as_many)
            taken = []
            for _ in range(5):
                start = time.perf_counter()
                LabelModel(2, method).fit(votes)  # type: ignore[arg-type]
                taken.append(time.perf_counter() - start)
            times.append(f"{votes.patterns.n:,}: {1000 * min(taken):.1f}")
        print(f"  {method:10} " + "   ".join(times))


def main(argv: Sequence[str]) -> None:
    parser = argparse.ArgumentParser("labelmodels.py speed", description=__doc__)
    parser.add_argument("--scale", type=float, default=1.0, help="times as many rows")
    arguments = parser.parse_args(argv)
    print(f"{os.cpu_count()} cores")
    with tempfile.TemporaryDirectory() as folder:
        for name in MATRICES:
            compare(name, arguments.scale, Path(folder))
    growth()


if __name__ == "__main__":
    child(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]))
