"""Click models side by side: on two real logs, on simulated ones, and at 20 million impressions.

    python benchmarks/clickmodels.py [--impressions 20000000] [--false-alarms 200] [--clax PYTHON]

Prints held-out log-likelihood and perplexity of the position-based model and its rivals on CLARA2
and the TREC 2013 sessions (positions 1–10; skipped where the shared data is not beside the
repository), perplexity by position on CLARA2, how often the verdict cries wolf on logs of the
package's own position-based simulator, and time and peak memory at size, in a process of its own
with the file in the page cache. `--clax` names a Python that has `clax-models` (and a JAX that its
Flax takes; 0.7.2 does): CLAX then learns the same pages of CLARA2 with AdamW and its own early
stopping, and is judged by the same held-out clicks.
"""

from __future__ import annotations

import argparse
import json
import platform
import resource
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import labelkit as lk
    from labelkit.bias.clickmodels import ClickModelComparison, Pages

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"


def clara2() -> lk.InteractionLog:
    import labelkit as lk

    columns = {"page": "serp_id", "session": "session_id", "query": "query_id"}
    columns |= {"item": "url_id", "clicked": "click"}
    return lk.read_log(SHARED / "clicks_naver_clara2" / "log.parquet", columns=columns)


def trec() -> lk.InteractionLog:
    import polars as pl

    import labelkit as lk

    frame = pl.read_parquet(SHARED / "clicks_trec_session2013" / "log.parquet")
    columns = {"page": "page_id", "session": "session_id", "item": "docno", "clicked": "click"}
    return lk.read_log(frame.filter(pl.col("position") <= 10), columns=columns)


def show(name: str, result: ClickModelComparison) -> None:
    print(f"\n{name}: {result.n_train:,} impressions to fit, {result.n_held_out:,} to judge by")
    print("model           log-lik.  perplexity (95 %)          gain over PBM (95 %), 1/1000 nat")
    for r in result.frame.iter_rows(named=True):
        print(
            f"{r['model']:<14} {r['log_likelihood']:9.5f}  {r['perplexity']:.4f} "
            f"({r['perplexity_low']:.4f}–{r['perplexity_high']:.4f})   "
            f"{1e3 * r['gain']:+8.2f} ({1e3 * r['gain_low']:+.2f} to {1e3 * r['gain_high']:+.2f})"
            f"{'' if r['converged'] else '  NOT CONVERGED'}"
        )
    print(f"best: {result.best}. {result.verdict}")


def show_positions(result: ClickModelComparison) -> None:
    wide = result.by_position.pivot("position", index="model", values="perplexity")
    print("\nperplexity by position " + " ".join(f"{k:>6}" for k in wide.columns[1:]))
    for model, *values in wide.iter_rows():
        print(f"{model:<22} " + " ".join(f"{v:6.3f}" for v in values))


def false_alarms(n: int) -> None:
    import labelkit as lk
    from labelkit.bias.clickmodels import compare_click_models

    beaten = 0
    for seed in range(n):
        log = lk.read_log(lk.simulate(n_impressions=30_000, seed=seed).frame)
        beaten += compare_click_models(log, seed=seed).pbm_beaten
    print(f"\nPBM called beaten on {beaten} of {n} position-based logs of 30,000 impressions")


def at_size(path: Path) -> None:
    import labelkit as lk
    from labelkit.bias.clickmodels import compare_click_models, split_pages

    start = time.perf_counter()
    log = lk.read_log(path)
    read = time.perf_counter()
    split_pages(log, held_out=0.2, seed=0, depth=40)
    split = time.perf_counter()
    result = compare_click_models(log)
    print(
        json.dumps(
            {
                "read": read - start,
                "split": split - read,
                "compare": time.perf_counter() - split,
                "peak_gib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
                "converged": bool(result.frame["converged"].all()),
                "verdict": result.verdict,
            }
        )
    )


def as_pages(pages: Pages, n_examples: int) -> dict[str, np.ndarray]:
    """Pages as CLAX takes them: (pages, 10), padded; items never seen share one more id."""
    number = np.cumsum(pages.first) - 1
    slot = np.arange(len(pages)) - np.flatnonzero(pages.first)[number]
    shape = (int(number[-1]) + 1, 10)
    out = {
        "query_doc_ids": np.zeros(shape, np.int32),
        "positions": np.tile(np.arange(1, 11, dtype=np.int16), (shape[0], 1)),
        "clicks": np.zeros(shape, np.float32),
        "mask": np.zeros(shape, bool),
    }
    out["query_doc_ids"][number, slot] = np.where(pages.example < 0, n_examples, pages.example)
    out["positions"][number, slot] = pages.position
    out["clicks"][number, slot] = pages.clicked
    out["mask"][number, slot] = True
    return out


def clax_side(folder: Path) -> None:
    """Runs in the other Python: fit CLAX's models, print their held-out log-likelihoods."""
    import clax
    from clax.models.dbn import DynamicBayesianNetwork
    from flax import nnx
    from optax import adamw
    from torch.utils.data import DataLoader

    train, test = (dict(np.load(folder / f"{name}.npz")) for name in ("train", "test"))
    order = np.random.default_rng(0).permutation(len(train["clicks"]))
    n_valid = len(order) // 10
    size = int(max(train["query_doc_ids"].max(), test["query_doc_ids"].max())) + 1

    def loader(pages: dict[str, np.ndarray], rows: np.ndarray, *, shuffle: bool) -> DataLoader:
        dataset = [{name: v[i] for name, v in pages.items()} for i in rows]

        def collate(batch: list[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
            return {name: np.stack([page[name] for page in batch]) for name in batch[0]}

        return DataLoader(dataset, batch_size=512, shuffle=shuffle, collate_fn=collate)

    kinds = {
        "PBM": clax.PositionBasedModel,
        "cascade": clax.CascadeModel,
        "DCM": clax.DependentClickModel,
        "DBN": DynamicBayesianNetwork,
        "UBM": clax.UserBrowsingModel,
    }
    for name, kind in kinds.items():
        start = time.perf_counter()
        extra: dict[str, object] = {"DBN": {"fix_continuation": True}, "cascade": {}}.get(
            name, {"positions": 10}
        )
        model = kind(query_doc_pairs=size, rngs=nnx.Rngs(0), **extra)
        trainer = clax.Trainer(optimizer=adamw(0.003), epochs=50)
        trainer.train(
            model,
            loader(train, order[n_valid:], shuffle=True),
            loader(train, order[:n_valid], shuffle=False),
        )
        seconds = time.perf_counter() - start
        log_p = np.asarray(model.predict_conditional_clicks(test), dtype=np.float64)
        p = np.clip(np.exp(log_p), 1e-6, 1 - 1e-6)[test["mask"]]
        clicked = test["clicks"][test["mask"]] > 0
        mean = float(np.where(clicked, np.log(p), np.log1p(-p)).mean())
        print("CLAX", json.dumps([name, mean, seconds]))


def beside_clax(python: str) -> None:
    from labelkit.bias.clickmodels import compare_click_models, split_pages

    log = clara2()
    split = split_pages(log, held_out=0.2, seed=0, depth=40)
    start = time.perf_counter()
    ours = compare_click_models(log)
    seconds = time.perf_counter() - start
    likelihood = dict(ours.frame.select("model", "log_likelihood").iter_rows())
    with tempfile.TemporaryDirectory() as name:
        for part, pages in (("train", split.sample), ("test", split.held_out)):
            np.savez(Path(name) / part, **as_pages(pages, split.train.n_examples))
        child = subprocess.run(
            [python, __file__, "--clax-side", name], capture_output=True, text=True
        )
    if child.returncode:
        sys.exit(child.stderr)
    print("\nCLARA2, held-out log-likelihood    CLAX       ours    (ours less CLAX, 1/1000 nat)")
    for line in child.stdout.splitlines():
        if line.startswith("CLAX"):
            model, theirs, took = json.loads(line.removeprefix("CLAX"))
            gain = 1e3 * (likelihood[model] - theirs)
            print(
                f"{model:<10} {took:5.1f} s to fit     {theirs:10.5f} {likelihood[model]:10.5f} "
                f"  {gain:+.2f}"
            )
    print(f"ours, all models, split and judging: {seconds:.1f} s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--impressions", type=int, default=20_000_000)
    parser.add_argument("--queries", type=int, default=80_000)
    parser.add_argument("--false-alarms", type=int, default=200)
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--clax", metavar="PYTHON", help="a Python that has clax-models")
    parser.add_argument("--clax-side", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.clax_side:
        clax_side(arguments.clax_side)
        return
    if arguments.child:
        at_size(arguments.child)
        return
    from labelkit.bias.clickmodels import compare_click_models
    from labelkit.logs import Catalogue, simulate_to_parquet

    if SHARED.is_dir():
        result = compare_click_models(clara2())
        show("CLARA2", result)
        show_positions(result)
        show("TREC sessions 2013", compare_click_models(trec()))
        for seed in range(1, 6):
            again = compare_click_models(clara2(), seed=seed)
            ubm = again.frame.row(-1, named=True)
            print(f"CLARA2, split {seed}: UBM gains {1e3 * ubm['gain']:+.2f}, best {again.best}")
        if arguments.clax:
            beside_clax(arguments.clax)
    else:
        print("../shared/data is not here: real logs skipped")
    false_alarms(arguments.false_alarms)
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "log.parquet"
        catalogue = Catalogue.synthetic(arguments.queries, 20)
        simulate_to_parquet(path, arguments.impressions, seed=0, catalogue=catalogue)
        child = subprocess.run(
            [sys.executable, __file__, "--child", str(path)], capture_output=True, text=True
        )
        if child.returncode:
            sys.exit(child.stderr)
    r = json.loads(child.stdout.splitlines()[-1])
    print(f"\n{arguments.impressions:,} simulated impressions")
    print(f"reading and checking the log       {r['read']:6.1f} s")
    print(f"split and sufficient statistic     {r['split']:6.1f} s")
    print(f"whole comparison, the split too    {r['compare']:6.1f} s")
    print(f"peak memory of all of it           {r['peak_gib']:6.2f} GiB")
    print(f"converged: {r['converged']}. {r['verdict']}")
    print(
        f"{platform.machine()}, {platform.python_version()}, labelkit {version('labelkit')}, "
        f"polars {version('polars')}"
    )


if __name__ == "__main__":
    main()
