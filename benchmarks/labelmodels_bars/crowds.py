"""People as sources: four published crowds beside crowd-kit, a simulated zoo, coverage, speed.

    python benchmarks/labelmodels.py crowds [--seeds 1] [--only sets zoo coverage speed]

Accuracy against gold, in per cent; a tie of majority vote counts for its expected share. crowd-kit
runs with its defaults where it is installed (``pip install crowd-kit``), and is said to be missing
where it is not.
"""

from __future__ import annotations

import argparse
import importlib.util
import time
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from labelkit.labelmodels import CrowdModel
from labelmodels_bars.crowd_zoo import BALANCES, ITEMS, KINDS, SIZES, Crowd, draw

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"
SETS = ("crowd_ms", "crowd_rte", "crowd_trec11_relevance", "crowd_zencrowd_us")
METHODS = ("majority", "weighted_majority", "onecoin", "dawid_skene", "auto")
PEERS = (
    "MajorityVote",
    "Wawa",
    "ZeroBasedSkill",
    "DawidSkene",
    "OneCoinDawidSkene",
    "GLAD",
    "MACE",
    "MMSR",
)
COLUMNS = {"item": "task", "worker": "worker", "label": "label"}
# What auto may lose to majority vote, and to the best of crowd-kit.
BELOW_MAJORITY, BEHIND_BEST = 0.5, 1.0

FloatArray = npt.NDArray[np.float64]


def main(argv: Sequence[str] = ()) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=1, help="crowds of each kind in the zoo")
    parser.add_argument("--replications", type=int, default=60, help="crowds for the coverage")
    parts = {"sets": sets, "zoo": zoo, "coverage": coverage, "speed": speed}
    parser.add_argument("--only", nargs="+", choices=parts, default=list(parts))
    arguments = parser.parse_args(argv)
    for name in arguments.only:
        parts[name](arguments)


def expected_accuracy(votes: FloatArray, truth: npt.NDArray[np.int64]) -> float:
    top = votes >= votes.max(axis=1, keepdims=True) - 1e-9
    return float((top[np.arange(len(truth)), truth] / top.sum(axis=1)).mean())


def sets(_: argparse.Namespace) -> None:
    if not SHARED.is_dir():
        print("../shared/data is not here: no published crowds to label")
        return
    peers = importlib.util.find_spec("crowdkit") is not None
    if not peers:
        print("crowd-kit is not installed: its columns are missing")
    for name in SETS:
        text = {"task": pl.String, "worker": pl.String}
        answers = pl.read_csv(SHARED / name / "labels.csv.gz", schema_overrides=text)
        gold = pl.read_csv(SHARED / name / "gold.csv.gz", schema_overrides={"task": pl.String})
        gold = gold.join(answers.select("task").unique(), on="task", how="semi").sort("task")
        print(f"\n{name}: {len(answers):,} answers, gold on {len(gold):,} items")
        found = {}
        for method in METHODS:
            start = time.perf_counter()
            model = CrowdModel(method=method).fit(answers, **COLUMNS)
            seconds = time.perf_counter() - start
            label = gold.join(model.label(), on="task", suffix="_found", maintain_order="left")
            found[method] = 100 * (label["label"] == label["label_found"]).mean()
            chose = f"  chose {model.method_}" if method == "auto" else ""
            print(f"  {method:<28}{found[method]:6.1f} {seconds:7.2f} s{chose}", flush=True)
        theirs = {}
        for peer in PEERS if peers else ():
            start = time.perf_counter()
            theirs[peer] = beside(peer, answers, gold)
            seconds = time.perf_counter() - start
            print(f"  crowd-kit {peer:<18}{theirs[peer]:6.1f} {seconds:7.2f} s", flush=True)
        k = answers["label"].n_unique()
        shifted = answers.with_columns(pl.col("label") - pl.col("label").min())
        counts = (
            shifted.join(gold.select("task"), on="task")
            .group_by("task")
            .agg((pl.col("label") == y).sum().alias(str(y)) for y in range(k))
        )
        votes = counts.sort("task").drop("task").to_numpy().astype(float)
        truth = (gold["label"] - answers["label"].min()).to_numpy()
        majority = 100 * expected_accuracy(votes, truth)
        bar(f"auto over majority vote ({majority:.1f})", found["auto"] - majority, -BELOW_MAJORITY)
        if theirs:
            best = max(theirs, key=lambda peer: theirs[peer])
            bar(f"auto over crowd-kit's best ({best})", found["auto"] - theirs[best], -BEHIND_BEST)


def bar(name: str, figure: float, least: float) -> None:
    word = "met   " if figure >= least - 1e-9 else "MISSED"
    print(f"  {word} {name}: {figure:+.1f} points (bar: {least:+.1f})")


def beside(peer: str, answers: pl.DataFrame, gold: pl.DataFrame) -> float:
    from crowdkit.aggregation import classification
    from sklearn.base import BaseEstimator

    # crowd-kit's MACE draws from the global generator.
    np.random.seed(0)  # noqa: NPY002
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # Wawa and ZeroBasedSkill lack what scikit-learn asks of an estimator since 1.6.
        kind = type(peer, (getattr(classification, peer), BaseEstimator), {})
        label = kind().fit_predict(answers.to_pandas())
    truth = gold.to_pandas().set_index("task")["label"]
    return float(100 * (label.reindex(truth.index) == truth).mean())


def long_form(crowd: Crowd) -> pl.DataFrame:
    return pl.DataFrame({"task": crowd.item, "worker": crowd.worker, "label": crowd.label})


def zoo(arguments: argparse.Namespace) -> None:
    gains: dict[str, list[float]] = {kind: [] for kind in KINDS}
    names = ("weighted_majority", "onecoin", "dawid_skene")
    others: dict[str, list[float]] = {name: [] for name in names}
    for kind in KINDS:
        for items in ITEMS:
            for size in SIZES.values():
                for balance in BALANCES:
                    for seed in range(arguments.seeds):
                        # Seeds from 1,000 on: the rules of auto were chosen on seeds 0 to 2.
                        crowd = draw(kind, size, items=items, balance=balance, seed=1000 + seed)
                        frame = long_form(crowd)
                        score = {}
                        for method in (*names, "auto"):
                            model = CrowdModel(size.k, method).fit(frame, **COLUMNS)
                            score[method] = (
                                model.label()["label"].to_numpy() == crowd.truth
                            ).mean()
                        flat = np.bincount(
                            crowd.item * size.k + crowd.label, minlength=len(crowd.truth) * size.k
                        )
                        votes = flat.reshape(-1, size.k).astype(float)
                        majority = expected_accuracy(votes, crowd.truth)
                        gains[kind].append(100 * (score["auto"] - majority))
                        for name in names:
                            others[name].append(100 * (score[name] - majority))
    every = np.concatenate(list(gains.values()))
    print(f"\nzoo of {len(every)} simulated crowds: points of accuracy over majority vote")
    for kind, gain in gains.items():
        tell(f"auto, {kind}", np.array(gain))
    for name, gain in others.items():
        tell(name, np.array(gain))
    tell("auto", every)


def tell(name: str, gain: FloatArray) -> None:
    print(
        f"  {name:<24} mean {gain.mean():+5.1f}, worst {gain.min():+6.1f}, below -0.5 in "
        f"{(gain < -0.5).mean():4.0%}, below -2 in {(gain < -2).mean():4.0%}",
        flush=True,
    )


def coverage(arguments: argparse.Namespace) -> None:
    """Intervals of workers' accuracies and of the class balance, where the model is true."""
    print(f"\ncoverage of nominal 95 % intervals over {arguments.replications} crowds each")
    for kind, method in (("plain", "onecoin"), ("class-biased", "dawid_skene")):
        for name in ("usual", "many answers", "many workers", "k = 4"):
            size, hits, balances = SIZES[name], [], []
            for seed in range(arguments.replications):
                crowd = draw(kind, size, balance="skewed", seed=5000 + seed)
                model = CrowdModel(size.k, method).fit(long_form(crowd), **COLUMNS)
                hits.append(covered(model, crowd))
                if seed < 20:
                    low, high = model.class_balance_interval_.T
                    share = skewed_balance(size.k)
                    balances.append((low <= share) & (share <= high))
            workers = np.concatenate(hits)
            print(
                f"  {kind}, {name}: workers {workers.mean():.1%} of {len(workers):,}; "
                f"class balance {np.mean(balances):.0%} of {np.size(balances)}",
                flush=True,
            )


def skewed_balance(k: int) -> FloatArray:
    weight = np.geomspace(1, 1 / 9, k)
    return weight / weight.sum()


def covered(model: CrowdModel, crowd: Crowd) -> npt.NDArray[np.bool_]:
    """Whether each worker's interval holds his true accuracy over the true class balance."""
    table = model.workers_
    own = np.diagonal(crowd.confusion, axis1=1, axis2=2)[table["worker"].to_numpy()]
    truth = own @ skewed_balance(crowd.cardinality)
    return (table["low"].to_numpy() <= truth) & (truth <= table["high"].to_numpy())


def speed(_: argparse.Namespace) -> None:
    """A million answers of 5,000 workers to 200,000 items, 10 classes."""
    rng = np.random.default_rng(0)
    n, m, k = 200_000, 5_000, 10
    truth, skill = rng.integers(0, k, n), rng.beta(4, 2, m)
    item = np.repeat(np.arange(n), 5)
    worker = rng.choice(m, len(item), p=rng.dirichlet(np.ones(m)))
    right = rng.random(len(item)) < skill[worker]
    label = np.where(right, truth[item], rng.integers(0, k, len(item)))
    frame = pl.DataFrame({"task": item, "worker": worker, "label": label})
    print(f"\n{len(frame):,} answers, {m:,} workers, k = {k}")
    for method in METHODS:
        start, cpu = time.perf_counter(), time.process_time()
        model = CrowdModel(k, method).fit(frame, **COLUMNS)
        found = model.label()["label"].to_numpy()
        wall, busy = time.perf_counter() - start, time.process_time() - cpu
        print(
            f"  {method:<20}{wall:6.1f} s, {busy:6.1f} s of CPU, "
            f"{(found == truth).mean():.1%} right, {model.method_}",
            flush=True,
        )
