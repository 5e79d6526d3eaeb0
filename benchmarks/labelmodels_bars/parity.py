"""``solver="sgd"`` beside the real Snorkel: the same probabilities to 1e-6, from counts only.

Snorkel 0.10 runs with its defaults (100 epochs) over so many seeds on three published vote sets;
labelkit repeats them step by step, and the largest difference of any probability is printed. The
real package is left out, and that is said, where it is not installed.
"""

from __future__ import annotations

import argparse
import importlib.util
import time
from collections.abc import Sequence
from importlib.metadata import version

import numpy as np
import numpy.typing as npt

from labelkit.labelmodels import SnorkelMoments
from labelmodels_bars.vote_sets import FloatArray, VoteSet, read_all


def snorkel_proba(
    k: int, train: npt.NDArray[np.int8], rows: npt.NDArray[np.int8], seed: int
) -> FloatArray:
    """The real Snorkel's probabilities of ``rows`` after a fit to ``train`` with its defaults."""
    import torch
    from snorkel.labeling.model import LabelModel as Snorkel

    # Matrices of a few hundred rows: threads would only wait for each other.
    torch.set_num_threads(1)
    model = Snorkel(k, verbose=False)
    model.fit(train.astype(int), seed=seed, progress_bar=False)
    return np.asarray(model.predict_proba(rows.astype(int)), dtype=np.float64)


def beside_snorkel(votes: VoteSet, n_seeds: int) -> None:
    real = importlib.util.find_spec("snorkel") is not None
    k = votes.cardinality
    ours, theirs, apart, seconds = [], [], 0.0, [0.0, 0.0]
    for seed in range(n_seeds):
        start = time.perf_counter()
        mine = SnorkelMoments(k, solver="sgd", seed=seed).fit(votes.train).predict_proba(votes.test)
        seconds[0] += (time.perf_counter() - start) / n_seeds
        ours.append(votes.quality(mine))
        if real:
            start = time.perf_counter()
            proba = snorkel_proba(k, votes.train, votes.test, seed)
            seconds[1] += (time.perf_counter() - start) / n_seeds
            theirs.append(votes.quality(proba))
            apart = max(apart, float(np.abs(mine - proba).max()))
    print(f"  {'solver=sgd, Snorkel step by step':<38}{spread(ours)} {seconds[0]:7.2f} s a fit")
    if not real:
        print("  Snorkel is not installed: no parity shown")
        return
    name = f"Snorkel {version('snorkel')}"
    print(f"  {name:<38}{spread(theirs)} {seconds[1]:7.2f} s a fit")
    print(
        f"  largest difference of a probability over {n_seeds} seeds: {apart:.1g} "
        f"(bar: 1e-06, {'met' if apart <= 1e-6 else 'MISSED'})"
    )


def spread(values: Sequence[float]) -> str:
    return f"{np.mean(values):6.1f} ({min(values):.1f}–{max(values):.1f} over seeds)"


def main(argv: Sequence[str]) -> None:
    parser = argparse.ArgumentParser("labelmodels.py parity", description=__doc__)
    parser.add_argument("--seeds", type=int, default=10)
    arguments = parser.parse_args(argv)
    for votes in read_all():
        print(f"\n{votes.name}: {votes.measure} on {len(votes.truth)} test rows, per cent")
        beside_snorkel(votes, arguments.seeds)
