"""``sim_pbm_eta1``: a published log over real grades with θ_k = 1/k and γ = .1 + .9 (2^r − 1)/15.

Its rankers were made elsewhere (a ridge regression with noise per session), so nothing of
labelkit's own simulator is in it. The debiased rate of a grade is clicks over effective exposure
of all its examples; ``ctr`` of single examples, which empirical Bayes draws to the mean of all, is
shown beside it and is not what the truth file states.
"""

from __future__ import annotations

import json

import numpy as np
import polars as pl

import labelkit as lk
from bias_bars.methods import from_counts
from bias_bars.real import SHARED
from bias_bars.tell import Bar, say

RATE_BAR = 0.05


def run() -> list[Bar]:
    if not SHARED.is_dir():
        print("../shared/data is not here: left out")
        return []
    folder = SHARED / "sim_pbm_eta1"
    print(json.loads((folder / "truth.json").read_text()))
    log = lk.read_log(
        folder / "log.parquet",
        columns={
            "query": "query_id",
            "item": "doc_id",
            "session": "session_id",
            "clicked": "click",
        },
    )
    bars: list[Bar] = []
    fitted = {m: lk.PositionBias(m).fit(log) for m in from_counts()}  # type: ignore[arg-type]
    for method, bias in fitted.items():
        curve = bias.curve_
        truth = 1 / curve.positions
        inside = (curve.low <= truth) & (truth <= curve.high)
        print(
            f"{method:<10} k·θ_k "
            + " ".join(
                f"{k * t:.3f} ({k * a:.2f}–{k * b:.2f})"
                for k, t, a, b in zip(
                    curve.positions, curve.theta, curve.low, curve.high, strict=True
                )
            )
        )
        bars += say(
            [Bar(f"{method}: positions whose interval contains 1/k", inside.sum(), len(truth))]
        )
    bias = lk.PositionBias().fit(log)
    grades = pl.read_parquet(SHARED / "rel_lightgbm_rank" / "rank.parquet")
    graded = grades.select(query="query_id", item="doc_id", grade="relevance")
    wanted = ["impressions", "clicks", "exposure", "raw_ctr", "ips_ctr", "ctr"]
    table = lk.evidence(log, bias, columns=wanted).collect().join(graded, on=["query", "item"])
    shown = pl.col("impressions")
    by_grade = (
        table.group_by("grade")
        .agg(
            pl.len().alias("examples"),
            pl.col("clicks").sum(),
            (pl.col("clicks").sum() / shown.sum()).alias("raw"),
            ((pl.col("ips_ctr") * shown).sum() / shown.sum()).alias("ips"),
            (pl.col("clicks").sum() / pl.col("exposure").sum()).alias("debiased"),
            pl.col("ctr").mean().alias("mean_ctr"),
        )
        .sort("grade")
    )
    print("\ngrade  examples  clicks    raw    IPS  debiased  truth   off   mean of ctr")
    for r in by_grade.iter_rows(named=True):
        truth = 0.1 + 0.9 * (2.0 ** r["grade"] - 1) / 15
        print(
            f"{r['grade']:>5} {r['examples']:>9,} {r['clicks']:>7,} {r['raw']:>6.3f} "
            f"{r['ips']:>6.3f} {r['debiased']:>9.3f} {truth:>6.3f} "
            f"{100 * (r['debiased'] / truth - 1):>+5.1f} % {r['mean_ctr']:>8.3f}"
        )
    truth = 0.1 + 0.9 * (2.0 ** by_grade["grade"].to_numpy() - 1) / 15
    off = np.abs(by_grade["debiased"].to_numpy() / truth - 1).max()
    return bars + say([Bar("debiased rate by grade, largest relative error", off, high=RATE_BAR)])
