"""The main job on real logs: what labels are worth, next to what simpler readings are worth.

    python benchmarks/main_job.py trec [--splits 20] [--audit-share 0.5] [--label-studio]
                                       [--sensitivity]
    python benchmarks/main_job.py naver
    python benchmarks/main_job.py demo [--seeds 5]

``trec`` runs everything on the TREC 2013 session log (query, title, snippet, clicks, dwell, and
human grades): position bias, evidence, text evidence, votes, label model, 100 questions to a
scripted annotator that answers from the grades, label model again. Topics are halved at random,
20 times. One half is asked about and learned from; the other is what everything is measured on,
and nothing else has touched its grades. ``naver`` labels a log of 315,640 impressions through a
project directory. ``demo`` repeats the demo's adverse case over seeds. The logs lie beside the
repository (../shared/data); their licences keep them out of it.
"""

from __future__ import annotations

import argparse
import importlib.util
import platform
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from types import ModuleType

import numpy as np
import polars as pl

import labelkit as lk
from labelkit.lfs import load_lfs, text_evidence
from labelkit.platforms import ScriptedAnnotator
from labelkit.validation.metrics import auc

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared" / "data"
KEYS = ["query", "item"]
WEAK, ASKED = "weak labels, no gold", "weak labels + 100 answers"
METRICS = ("auc", "log_loss", "calibration_error", "ndcg@10")


@dataclass(frozen=True)
class Trec:
    """The log made ready: what labeling functions see, and what only the annotator sees.

    Parameters
    ----------
    bias : fitted on the clicks
    lfs : the worked set of ``labeling_functions/``
    examples : one row per (topic, document) with evidence and text evidence
    texts : one row per example with what people are shown
    grades : ``query``, ``item``, ``label`` (grade ≥ 1), of judged examples
    """

    bias: lk.PositionBias
    lfs: list
    examples: pl.DataFrame
    texts: pl.DataFrame
    grades: pl.DataFrame

    @property
    def topics(self) -> list[str]:
        return sorted(self.grades["query"].unique())

    def ask(self, examples: pl.DataFrame) -> lk.Votes:
        """What the labeling functions say of some of the examples."""
        with warnings.catch_warnings():
            # The log has no purchases, so two functions are left out; that is what is asked for.
            warnings.simplefilter("ignore", lk.LabelkitWarning)
            return lk.apply(self.lfs, examples, on_missing="skip")


@dataclass(frozen=True)
class Split:
    """What one half-and-half split of the topics gave, measured on the untouched half.

    Parameters
    ----------
    frame : labels, metric, estimate (and interval over the half's topics)
    n_gold : answers that came back from the platform
    """

    frame: pl.DataFrame
    n_gold: int


def read_trec(folder: Path) -> Trec:
    """From files to examples. First pages only, as in the baselines of the data's README."""
    raw = pl.read_parquet(folder / "log.parquet").filter(pl.col("position") <= 10)
    log = lk.read_log(
        raw,
        columns={
            "query": "topic_id",
            "item": "docno",
            "clicked": "click",
            "page": "page_id",
            "session": "page_id",
            "user": "session_id",
            "dwell": "dwell_s",
        },
    )
    bias = lk.PositionBias().fit(log)
    shown = raw.select(
        "title", "snippet", "url", query="topic_id", item="docno", query_text="query"
    )
    text = text_evidence(shown, fields=["title", "snippet"])
    examples = lk.evidence(log, bias).collect().join(text, on=KEYS).sort(KEYS)
    qrels = pl.read_csv(folder / "qrels.csv.gz", schema_overrides={"topic_id": pl.String})
    grades = qrels.select(
        query="topic_id", item="docno", label=(pl.col("relevance") >= 1).cast(pl.Int64)
    ).join(examples.select(KEYS), on=KEYS, how="semi")
    texts = shown.group_by(KEYS).agg(
        pl.col("query_text").unique().sort().str.join(" / "),
        pl.col("title", "snippet", "url").min(),
    )
    lfs = load_lfs(["labeling_functions.search", "labeling_functions.text"], ROOT)
    return Trec(bias, lfs, examples, texts, grades)


def halves(trec: Trec, seed: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The examples of a random half of the judged topics, and those of the other half."""
    topics = np.random.default_rng(seed).permutation(trec.topics)
    here, there = topics[: len(topics) // 2], topics[len(topics) // 2 :]
    query = pl.col("query")
    return trec.examples.filter(query.is_in(here)), trec.examples.filter(query.is_in(there))


def play_split(
    trec: Trec,
    seed: int,
    *,
    platform: object,
    directory: Path,
    n: int = 100,
    audit_share: float = 0.5,
) -> Split:
    """Label half of the topics, ask about it, learn, and measure on the other half."""
    here, there = halves(trec, seed)
    votes, votes_there = trec.ask(here), trec.ask(there)
    model = lk.LabelModel(seed=seed).fit(votes)
    # People can only be asked where the script knows an answer.
    pool = model.label(votes).join(trec.grades.select(KEYS), on=KEYS, how="semi")
    batch = lk.select(pool, n, audit_share=audit_share, seed=seed)
    with lk.Ledger(f"sqlite:///{directory}/rounds-{seed}.db") as ledger:
        round_ = ledger.open_round(
            batch,
            platform=platform,
            items=trec.texts,
            label_names=("irrelevant", "relevant"),
            name=f"trec-split-{seed}",
        )
        round_.push()
        ScriptedAnnotator(trec.grades).answer(round_)
        round_.pull()
        round_.close()
        gold = ledger.gold()
    taught = lk.LabelModel(seed=seed).fit(votes, gold=gold)

    weak = model.label(votes_there)
    judged = weak.join(trec.grades.select(KEYS), on=KEYS, how="semi")
    baselines = _baselines(there.join(trec.grades.select(KEYS), on=KEYS, how="semi"))
    baselines[ASKED] = taught.label(votes_there)
    truth = trec.grades.join(there.select(KEYS), on=KEYS, how="semi")
    report = lk.validate(judged, truth, baselines=baselines)
    frame = report.frame.with_columns(labels=pl.col("labels").replace("weak labels", WEAK))
    return Split(frame.filter(pl.col("metric").is_in(METRICS)), gold.height)


def _baselines(examples: pl.DataFrame) -> dict[str, pl.DataFrame]:
    """Readings of the same rows without a label model."""
    signals = ("ctr", "title_overlap", "snippet_overlap")
    ranks = pl.sum_horizontal(pl.col(name).fill_null(0).rank() for name in signals)
    scores = {
        "raw clicks": pl.col("raw_ctr"),
        "debiased clicks": pl.col("ctr"),
        "title overlap": pl.col("title_overlap").fill_null(0),
        "rank sum of three signals": ranks / (len(signals) * pl.len()),
    }
    return {name: examples.select(*KEYS, score=score) for name, score in scores.items()}


def trec(options: argparse.Namespace) -> None:
    """Everything on the TREC log, over random halves of its topics."""
    data = read_trec(SHARED / "clicks_trec_session2013")
    print(
        f"{data.examples.height:,} examples, {data.grades.height:,} judged, "
        f"{data.grades['label'].mean():.1%} relevant, {len(data.topics)} judged topics\n"
    )
    print(f"Propensities ({data.bias.method_}), 95 % intervals")
    for position, propensity, low, high in data.bias.propensities_.rows():
        print(f"  {position:>2}  {propensity:.2f}  [{low:.2f}, {high:.2f}]")
    splits = []
    with tempfile.TemporaryDirectory() as folder, _platform(options, Path(folder)) as make:
        for seed in range(options.splits):
            split = play_split(
                data,
                seed,
                platform=make(),
                directory=Path(folder),
                audit_share=options.audit_share,
            )
            splits.append(split.frame.with_columns(split=pl.lit(seed)))
            print(f"\r{seed + 1} of {options.splits} splits", end="", file=sys.stderr)
    print(file=sys.stderr)
    print(
        f"\nUntouched topics, {options.splits} splits, {split.n_gold} answers each through "
        f"{'a real Label Studio' if options.label_studio else 'files'}, half of the answers "
        f"audited at random: {options.audit_share:.0%}. The annotator is a script."
    )
    print_splits(pl.concat(splits))
    if options.sensitivity:
        sensitivity(data)


def sensitivity(data: Trec) -> None:
    """How much it matters where the text functions draw their lines, without any gold."""
    from labelkit import col, labeling_function, vote

    def by(column: str, high: float, low: float) -> object:
        @labeling_function(name=column)
        def rule() -> object:
            return vote(1, where=col(column) > high) | vote(0, where=col(column) < low)

        return rule

    clicks = [
        lf
        for lf in data.lfs
        if "overlap" not in lf.columns and "similarity_percentile" not in lf.columns
    ]
    print(
        "\nAUC on untouched topics without gold, mean over 20 splits, by the percentiles of overlap"
        "\nand similarity above which text functions vote relevant and below which irrelevant"
    )
    for high, low in ((0.5, 0.5), (0.67, 0.33), (0.75, 0.25), (0.75, 0.5), (0.8, 0.4), (0.9, 0.5)):
        lfs = [by("overlap_percentile", high, low), by("similarity_percentile", high, low), *clicks]
        varied = replace(data, lfs=lfs)
        reached = []
        for seed in range(20):
            here, there = halves(varied, seed)
            weak = lk.LabelModel(seed=seed).fit(varied.ask(here)).label(varied.ask(there))
            judged = weak.join(data.grades, on=KEYS, suffix="_true")
            reached.append(auc(judged["label_true"].to_numpy(), judged["p_1"].to_numpy()))
        print(f"  {high:.2f} / {low:.2f}   {_spread(pl.Series(reached))}")


def print_splits(frame: pl.DataFrame) -> None:
    """Mean over splits, with the central 90 % of splits; then paired differences."""
    wide = frame.pivot("metric", index=["labels", "split"], values="estimate")
    print(f"\n{'labels':28}" + "".join(f"{metric:>26}" for metric in METRICS))
    for name in frame["labels"].unique(maintain_order=True):
        rows = wide.filter(pl.col("labels") == name)
        print(f"{name:28}" + "".join(f"{_spread(rows[m]):>26}" for m in METRICS))
    print("\nPaired over splits: weak labels + 100 answers less …")
    taught = wide.filter(pl.col("labels") == ASKED).sort("split")
    for name in frame["labels"].unique(maintain_order=True):
        if name != ASKED:
            other = wide.filter(pl.col("labels") == name).sort("split")
            print(f"{name:28}" + "".join(f"{_spread(taught[m] - other[m]):>26}" for m in METRICS))


def _spread(values: pl.Series) -> str:
    if values.null_count() == len(values):
        return "–"
    low, high = values.quantile(0.05), values.quantile(0.95)
    return f"{values.mean():.3f} [{low:.3f}, {high:.3f}]"


@contextmanager
def _platform(options: argparse.Namespace, folder: Path) -> Iterator[Callable[[], object]]:
    """Where the questions are answered: files, or a Label Studio server started for this."""
    if not options.label_studio:
        yield lambda: lk.FilesPlatform(folder / "files")
        return
    server = _script("label_studio_server")
    program = server.find_label_studio()
    if program is None:
        raise SystemExit("Label Studio is not installed; `make test` installs it.")
    with server.running_label_studio(program) as running:
        yield lambda: lk.LabelStudio(running.url, running.token)


def _script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "scripts" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def naver(options: argparse.Namespace) -> None:
    """A log with strong position bias, through ``labelkit label`` in a project directory."""
    folder = SHARED / "clicks_naver_clara2"
    with tempfile.TemporaryDirectory() as directory:
        project = lk.Project.create(
            directory,
            log=[str(folder / "log.parquet")],
            columns={
                "query": "query_id",
                "item": "url_id",
                "clicked": "click",
                "page": "serp_id",
                "session": "session_id",
            },
        )
        start = time.perf_counter()
        run = project.label()
        seconds = time.perf_counter() - start
        counts = run.manifest.counts
        print(
            f"{counts.n_impressions:,} impressions ({counts.n_quarantined:,} set aside) → "
            f"{counts.n_examples:,} labels in {seconds:.1f} s; "
            f"{counts.n_covered / counts.n_examples:.1%} covered\n"
        )
        print("Propensities, 95 % intervals (README of the data, converged: 1 .73 .40 .25)")
        for position, propensity, low, high in run.propensities().rows():
            print(f"  {position:>2}  {propensity:.3f}  [{low:.3f}, {high:.3f}]")
        print()
        with pl.Config(tbl_rows=-1, tbl_cols=-1, fmt_str_lengths=40, tbl_width_chars=140):
            print(run.lf_analysis().select("lf", "coverage", "overlaps", "conflicts"))
        grades = pl.read_csv(folder / "relevance.csv.gz").select(
            query="query_id", item="url_id", grade="relevance"
        )
        rate = pl.col("clicks") / pl.col("impressions")
        checked = (
            run.labels()
            .join(run.evidence().select(*KEYS, "ctr", raw_ctr=rate), on=KEYS)
            .join(grades, on=KEYS)
        )
        print(f"\nMeans by grade, on the {checked.height} graded examples of the log")
        means = pl.col("raw_ctr", "ctr", "p_1", "covered").mean()
        with pl.Config(float_precision=3, tbl_hide_dataframe_shape=True):
            print(checked.group_by("grade").agg(pl.len(), means).sort("grade"))


def demo(options: argparse.Namespace) -> None:
    """The demo's adverse log over seeds: gains with paired 95 % intervals over queries."""
    from labelkit.demo import run

    frames = []
    for seed in range(options.seeds):
        with tempfile.TemporaryDirectory() as directory:
            start = time.perf_counter()
            result = run(Path(directory) / "demo", seed=seed)
            seconds = time.perf_counter() - start
        steps = result.steps.filter(
            (pl.col("log") == "adverse") & pl.col("metric").is_in(["auc", "ndcg@10"])
        )
        frames.append(steps.with_columns(seed=pl.lit(seed), seconds=pl.lit(seconds)))
    gains = pl.concat(frames)
    print(f"{options.seeds} seeds, {gains['seconds'].max():.1f} s at most for one demo")
    print(f"{'metric':9} {'step':34} {'mean gain':>10} {'smallest':>9} {'intervals above 0':>18}")
    for (metric, labels, less), rows in gains.group_by(
        "metric", "labels", "less", maintain_order=True
    ):
        step = f"{labels} − {less}"
        above = int((rows["low"] > 0).sum())
        print(
            f"{metric:9} {step:34} {rows['estimate'].mean():>+10.4f} "
            f"{rows['estimate'].min():>+9.4f} {above:>11} of {options.seeds}"
        )


def _help(section) -> str:
    return section.__doc__.splitlines()[0].replace("%", "%%")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    section = parser.add_subparsers(dest="section", required=True)
    one = section.add_parser("trec", help=_help(trec))
    one.add_argument("--splits", type=int, default=20)
    one.add_argument("--audit-share", type=float, default=0.5)
    one.add_argument("--label-studio", action="store_true")
    one.add_argument("--sensitivity", action="store_true", help=sensitivity.__doc__)
    one.set_defaults(play=trec)
    section.add_parser("naver", help=_help(naver)).set_defaults(play=naver)
    two = section.add_parser("demo", help=_help(demo))
    two.add_argument("--seeds", type=int, default=5)
    two.set_defaults(play=demo)
    options = parser.parse_args()
    packages = ", ".join(f"{name} {version(name)}" for name in ("labelkit", "polars", "numpy"))
    print(f"{packages}, Python {platform.python_version()}, {platform.machine()}\n")
    start = time.perf_counter()
    options.play(options)
    print(f"\n{time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
