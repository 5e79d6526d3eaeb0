"""Suggested functions and learned thresholds: do they hold what they say, and do they help?

Run with ``python benchmarks/suggest.py [chance|planted|thresholds|youtube|sms|trec …]`` (default:
all). Simulations print how often intervals hold and how often chance is taken for a rule; real data
prints what accepted rules are worth on examples that neither proposed nor judged them, and what the
labels gain. Real data is read from ``../shared/data``.
"""

from __future__ import annotations

import argparse
import sys
import time
import warnings
from pathlib import Path

import narwhals as nw
import numpy as np
import polars as pl
from scipy.special import expit

import labelkit as lk
from labelkit.errors import GoldError
from labelkit.lfs import Votes
from labelkit.lfs.suggest import Suggestions, learn_thresholds, suggest
from labelkit.lfs.templates import click_rate, examined_but_skipped, long_dwell, passed_over

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared" / "data"
KEYS = ["query", "item"]
WORDS = np.array(["free", "win", "the", "of", "cat", "dog", "red", "blue", "buy", "now"])


def planted_world(rng, n_queries: int, *, planted: bool) -> tuple[pl.DataFrame, np.ndarray]:
    """Examples, and P(label = 1): with two rules planted, or without relation to any column."""
    n = n_queries * 5
    x, clicks, said = rng.normal(size=(n, 6)), rng.poisson(1.2, n), rng.random((n, 10)) < 0.3
    examples = pl.DataFrame(
        {"query": np.arange(n) // 5, "item": np.arange(n), "clicks": clicks}
        | {f"x{j}": x[:, j] for j in range(6)}
    ).with_columns(title=pl.Series([" ".join(WORDS[s]) for s in said]))
    odds = np.full(n, -0.4)
    if planted:
        odds = np.where((clicks >= 2) & (x[:, 1] > 0), 2.0, np.where(said[:, 1], 1.5, -1.2))
    return examples, expit(odds + 0.7 * rng.normal(size=n_queries)[np.arange(n) // 5])


def simulate_suggestions(runs: int, *, planted: bool) -> None:
    universe, p = planted_world(np.random.default_rng(7), 8_000, planted=planted)
    for n_gold in (100, 200, 400, 800):
        began, errors = time.time(), []
        held = single = total = calls = accepted = false = found_word = found_pair = 0
        for seed in range(runs):
            rng = np.random.default_rng(1_000 + seed)
            examples, rate = planted_world(rng, 400, planted=planted)
            size = 0.5 + (examples["clicks"].to_numpy() > 1)  # hard cases more often, as in a round
            pi = np.clip(n_gold * size / size.sum(), 0, 1)
            gold = examples.select(
                *KEYS,
                label=pl.Series((rng.random(len(rate)) < rate).astype(int)),
                inclusion_probability=pl.Series(pi),
            ).filter(pl.Series(rng.random(len(rate)) < pi))
            found = suggest(examples, None, gold, seed=seed)
            votes = lk.apply([c.lf for c in found.candidates], universe).matrix
            hold = []
            for j, c in enumerate(found.candidates):
                voted = votes[:, j] != -1
                own = p if c.label == 1 else 1 - p
                right = own[voted].mean()
                hold.append(c.accuracy.low <= right <= c.accuracy.high)
                if c.accuracy.n:
                    errors.append(c.accuracy.estimate - right)
                if c.verdict == "accept":
                    accepted += 1
                    false += (not planted) or right <= max(own.mean(), 0.5)
            held, single, total = held + all(hold), single + sum(hold), total + len(hold)
            calls += bool(found.worth)
            rules = " ".join(c.lf.rule for c in found.worth)
            found_word += "win" in rules
            found_pair += "x1" in rules and "clicks" in rules
        print(
            f"  gold {n_gold:>4}: accepted anything {calls / runs:6.1%}; accepted {accepted}, "
            f"of which false {false}; all intervals hold {held / runs:6.1%}, each "
            f"{single / total:6.1%}; bias {np.mean(errors):+.3f}; word found "
            f"{found_word / runs:.0%}, pair {found_pair / runs:.0%} [{time.time() - began:.0f} s]"
        )


def simulate_thresholds(runs: int) -> None:
    def world(rng, n_queries, slope):
        query = np.repeat(np.arange(n_queries), 5)
        dwell = rng.exponential(40, len(query))
        shift = 0.7 * rng.normal(size=n_queries)[query]
        return query, dwell, expit(slope * (np.minimum(dwell, 80) / 40 - 1) - 0.2 + shift)

    for slope in (0.0, 0.6, 1.2):
        _, dwell, p = world(np.random.default_rng(1), 40_000, slope)
        truth = {s: p[dwell >= s].mean() for s in long_dwell.grid["seconds"]}
        for n_gold in (100, 400):
            hits, errors, naive, widths = 0, [], [], []
            for seed in range(runs):
                rng = np.random.default_rng(seed)
                query, dwell, p = world(rng, 200, slope)
                examples = pl.DataFrame(
                    {"query": query, "item": np.arange(1_000), "dwell_max": dwell}
                )
                gold = examples.select(
                    *KEYS, label=pl.Series((rng.random(1_000) < p).astype(int))
                ).sample(n_gold, seed=seed)
                learned = learn_thresholds(long_dwell, examples, gold, seed=seed)
                right = truth[learned.thresholds["seconds"]]
                hits += learned.accuracy.low <= right <= learned.accuracy.high
                widths.append(learned.accuracy.high - learned.accuracy.low)
                errors.append(learned.accuracy.estimate - right)
                chosen = learned.curve.filter(pl.col("seconds") == learned.thresholds["seconds"])
                naive.append(chosen["accuracy"][0] - right)
            print(
                f"  slope {slope}, gold {n_gold}: interval holds {hits / runs:.1%} (mean width "
                f"{np.mean(widths):.2f}); bias of the estimate {np.mean(errors):+.3f}, of the "
                f"accuracy read off the gold that chose {np.mean(naive):+.3f}"
            )


def text_set(name: str, n_gold: int, seeds: int) -> None:
    """Rules from gold of the training texts; what they are worth on all other texts."""
    folder = SHARED / name
    data = pl.read_parquet(folder / "votes.parquet").filter(pl.col("gold") >= 0)
    lf_names = tuple(c for c in data.columns if c.startswith("lf_"))
    data = data.with_row_index("item").with_columns(query=pl.col("item"))
    examples = data.select(*KEYS, "text")
    votes = Votes(nw.from_native(data.select(*KEYS, *lf_names)), tuple(KEYS), lf_names, 2, data)
    train = data.filter(pl.col("split") == "train")
    rows, held, total = [], 0, 0
    for seed in range(seeds):
        gold = train.select(*KEYS, label="gold").sample(n_gold, seed=seed)
        found = suggest(examples, votes, gold, seed=seed)
        rest = data.join(gold, on=KEYS, how="anti").select(*KEYS, label="gold")
        if found.candidates:
            fresh = lk.apply([c.lf for c in found.candidates], examples)
            analysis = lk.analyze(fresh, gold=rest)
            for c, right in zip(found.candidates, analysis["accuracy"], strict=True):
                held += right is None or c.accuracy.low <= right <= c.accuracy.high
                total += 1
        rows.append((len(found.worth), *_gain(data, votes, found, gold)))
        if seed == 0:
            print(f"  {found.summary}")
            for c in found.worth:
                print(f"    {c.lf.rule}: {c.accuracy}")
    n, before, after, taught, both = np.mean(rows, axis=0)
    print(
        f"  {seeds} draws of {n_gold} gold labels: {n:.1f} rules worth accepting a draw; intervals "
        f"hold on the texts left over {held}/{total};\n    accuracy on test, label model without "
        f"gold {before:.3f}, with the accepted rules {after:.3f}; fitted with the gold "
        f"{taught:.3f}, and with the accepted rules {both:.3f}"
    )


def _gain(
    data: pl.DataFrame, votes: Votes, found: Suggestions, gold: pl.DataFrame
) -> tuple[float, float, float, float]:
    test = data["split"].to_numpy() == "test"
    truth = data["gold"].to_numpy()[test]
    L, more = votes.matrix, votes.matrix
    if found.worth:
        added = lk.apply([c.lf for c in found.worth], data.select(*KEYS, "text")).matrix
        more = np.column_stack([votes.matrix, added])
    known = data.select(KEYS).join(gold, on=KEYS, how="left", maintain_order="left")["label"]
    taught = known.fill_null(-1).to_numpy().astype(int)

    def accuracy(matrix, given):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", lk.LabelkitWarning)
            model = lk.LabelModel().fit(matrix, gold=given)
        return float((model.predict(matrix)[test] == truth).mean())

    return accuracy(L, None), accuracy(more, None), accuracy(L, taught), accuracy(more, taught)


def trec(seeds: int) -> None:
    """Rules from 200 grades of half of the topics; what they are worth on the other topics."""
    sys.path.insert(0, str(Path(__file__).parent))
    from main_job import halves, read_trec

    data = read_trec(SHARED / "clicks_trec_session2013")
    examples = data.examples.join(data.texts.select(*KEYS, "title", "snippet"), on=KEYS, how="left")
    held, total, accepted, better = 0, 0, 0, 0
    for seed in range(seeds):
        here, there = (
            part.join(examples.select(*KEYS, "title", "snippet"), on=KEYS, how="left")
            for part in halves(data, seed)
        )
        gold = data.grades.join(here.select(KEYS), on=KEYS, how="semi").sample(200, seed=seed)
        found = suggest(here, data.ask(here), gold, seed=seed)
        truth = data.grades.join(there.select(KEYS), on=KEYS, how="semi")
        share = truth["label"].mean()
        analysis = lk.analyze(lk.apply([c.lf for c in found.candidates], there), gold=truth)
        for c, right in zip(found.candidates, analysis["accuracy"], strict=True):
            held += right is None or c.accuracy.low <= right <= c.accuracy.high
            total += 1
            if c.verdict == "accept":
                accepted += 1
                better += right is not None and right > (share if c.label == 1 else 1 - share)
        if seed == 0:
            print(f"  {found.summary}")
            for c in found.candidates[:3]:
                print(f"    {c.lf.rule}: {c.accuracy}, guessing {c.floor:.1%}: {c.verdict}")
    print(
        f"  {seeds} splits: {accepted} rules worth accepting, {better} of them better than their "
        f"label's share on the other topics; intervals hold there {held}/{total}"
    )
    for template in (long_dwell, click_rate, examined_but_skipped, passed_over):
        try:
            print(f"  all grades, {learn_thresholds(template, examples, data.grades)}")
        except GoldError as refusal:
            print(f"  all grades, {template.name}: {refusal}")


def main() -> None:
    parts = ["chance", "planted", "thresholds", "youtube", "sms", "trec"]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("part", nargs="*", choices=[*parts, []], default=parts)
    parser.add_argument("--runs", type=int, default=200, help="of each simulation")
    parser.add_argument("--seeds", type=int, default=20, help="splits of the real data")
    options = parser.parse_args()
    for part in options.part:
        print(f"{part}:", flush=True)
        if part in ("chance", "planted"):
            simulate_suggestions(options.runs, planted=part == "planted")
        elif part == "thresholds":
            simulate_thresholds(options.runs)
        elif part == "trec":
            trec(options.seeds)
        else:
            text_set(f"ws_{part}", 300 if part == "youtube" else 600, options.seeds)


if __name__ == "__main__":
    main()
