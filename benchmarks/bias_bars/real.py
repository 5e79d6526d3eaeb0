"""Real logs: do estimators that share no arithmetic agree, and does anyone describe clicks better?

CLARA2 (web search, 315,640 impressions) and the TREC 2013 sessions (4,449): every estimator that
applies, with intervals, side by side, an early-stopped EM beside them, and held-out likelihood and
perplexity against the rival click models. An example of the TREC log is a (topic, document), as its
grades are; by the text of the query nothing was shown twice at different positions with a click,
and every estimator refuses. Open Bandit (10,000 impressions a file): weights from the logged
display probabilities, from shares of the log that estimate them, and what clipping does.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl
from clickmodels import clara2, show, show_positions

import labelkit as lk
from bias_bars.methods import PARAMETRIC, from_counts
from bias_bars.rivals import pyclick_em
from bias_bars.tell import Bar, FloatArray, say
from labelkit.bias import Propensities, summarise_weights
from labelkit.bias.clickmodels import compare_click_models
from labelkit.errors import NotIdentifiable

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"
# What a converged Poisson fit and AllPairs print on CLARA2 at positions 2–4 (the issue).
CLARA2_CURVES = {"poisson": (0.730, 0.403, 0.254), "allpairs": (0.732, 0.399, 0.261)}
CLIPS = (3.0, 30.0, np.inf)
HARVESTING = ("allpairs", "adjacent")


def run() -> list[Bar]:
    if not SHARED.is_dir():
        print("../shared/data is not here: left out")
        return []
    bars = []
    for name, log in {"CLARA2": clara2(), "TREC sessions 2013": trec_by_topic()}.items():
        bars += curves(name, log)
        result = compare_click_models(log)
        show(name, result)
        show_positions(result)
    return bars + open_bandit()


def trec_by_topic() -> lk.InteractionLog:
    frame = pl.read_parquet(SHARED / "clicks_trec_session2013" / "log.parquet")
    columns = {"query": "topic_id", "item": "docno", "clicked": "click"}
    columns |= {"page": "page_id", "session": "session_id"}
    return lk.read_log(frame.filter(pl.col("position") <= 10), columns=columns)


def curves(name: str, log: lk.InteractionLog) -> list[Bar]:
    """Fitted curves side by side, and whether likelihood and harvesting agree."""
    fitted: dict[str, Propensities] = {}
    print(f"\n{name}: {log.summary.n_impressions:,} impressions, {log.summary.n_clicks:,} clicks")
    positions = log.counts.positions
    print(f"{'θ (95 %)':<24}" + "".join(f"{k:>17}" for k in positions[:6]) + "   deeper: θ alone")
    for method in from_counts():
        try:
            bias = lk.PositionBias(method).fit(log)  # type: ignore[arg-type]
        except NotIdentifiable as error:
            print(f"{method:<24} refused: {error}")
            continue
        fitted[method] = bias.curve_
        c = fitted[method]
        print(
            f"{method:<24}"
            + "".join(
                f"{t:>7.3f} ({a:.2f}–{b:.2f})"
                for t, a, b in zip(c.theta[:6], c.low[:6], c.high[:6], strict=True)
            )
            + "   "
            + " ".join(f"{t:.3f}" for t in c.theta[6:])
        )
        for finding in bias.diagnostics_:
            if finding.name in ("convergence", "power law") or finding.level != "fine":
                print(f"{'':<24} {finding.name}, {finding.level}: {finding.message}")
    early = pyclick_em(log.counts)
    others = {
        "PyClick's EM, 50 steps": early,
        "the same, 1,000 steps": pyclick_em(log.counts, 1_000),
        "unsmoothed, 50 steps": pyclick_em(log.counts, smoothing=0.0),
        "unsmoothed, 5,000 steps": pyclick_em(log.counts, 5_000, smoothing=0.0),
    }
    for label, theta in others.items():
        first = "".join(f"{t:>7.3f}{'':10}" for t in theta[:6])
        print(f"{label:<24}{first}   " + " ".join(f"{t:.3f}" for t in theta[6:]))
    return say([*agreement(name, fitted), *(known(log, fitted, early) if name == "CLARA2" else ())])


def agreement(name: str, fitted: dict[str, Propensities]) -> Sequence[Bar]:
    """Every curve with one parameter a position against AllPairs.

    Likelihood fits use the same clicks: each must lie within the other's interval. A chain of
    neighbours leaves most of them out, and is only said to differ where it does.
    """
    harvested = fitted.get("allpairs")
    if harvested is None:
        return ()
    bars = []
    for method, curve in fitted.items():
        if method == "allpairs" or method in PARAMETRIC:
            continue
        if method in HARVESTING:
            error = np.hypot(curve.standard_error, harvested.standard_error)
            gap = np.abs(np.log(curve.theta / harvested.theta))
            beyond = int((gap > harvested.quantile * error).sum())
            print(f"{method} and allpairs differ by more than chance at {beyond} position(s)")
            continue
        apart = outside(curve, harvested.theta) | outside(harvested, curve.theta)
        what = f"{method} and allpairs leave each other's interval"
        bars.append(Bar(f"{name}: positions where {what}", int(apart.sum()), high=0))
    return bars


def outside(curve: Propensities, theta: FloatArray) -> np.ndarray:
    return (theta < curve.low) | (theta > curve.high)


def known(
    log: lk.InteractionLog, fitted: dict[str, Propensities], early: FloatArray
) -> Sequence[Bar]:
    """CLARA2 at positions 2–4: the issue's figures, and the EM that has not left its start."""
    bars = []
    for method, figures in CLARA2_CURVES.items():
        theta = fitted[method].theta.copy()
        theta[1:4] = figures
        bars.append(
            Bar(
                f"CLARA2: of {figures} outside {method}'s intervals",
                int(outside(fitted[method], theta).sum()),
                high=0,
            )
        )
    plain = lk.PositionBias("poisson", smoothing=np.inf, n_bootstrap=2).fit(log).curve_.theta[1:4]
    off = float(np.abs(plain - CLARA2_CURVES["poisson"]).max())
    bars.append(Bar("CLARA2: plain maximum likelihood off these figures", off, high=0.001))
    caught = int(outside(fitted["poisson"], early)[1:4].sum())
    bars.append(Bar("CLARA2: positions 2–4 where poisson's interval excludes early EM", caught, 3))
    return bars


def open_bandit() -> list[Bar]:
    """Weights 1/p from what the policy logged, and from shares of the log that estimate p."""
    bars: list[Bar] = []
    for campaign in ("all", "men"):
        random = bandit("random", campaign)
        truth = random["click"].to_numpy()
        half = 1.96 * truth.std() / np.sqrt(len(truth))
        print(
            f"\nOpen Bandit, {campaign}: the uniform policy is worth {1e3 * truth.mean():.2f} ± "
            f"{1e3 * half:.2f} clicks per 1,000 where it was at work ({truth.sum()} clicks)"
        )
        thompson = bandit("bts", campaign)
        ratio = (thompson["estimated"] / thompson["propensity_score"]).to_numpy()
        print(
            "Thompson sampling's log: estimated over true display probability at 5, 50, 95 % of "
            "impressions " + ", ".join(f"{q:.2f}" for q in np.quantile(ratio, [0.05, 0.5, 0.95]))
        )
        for source in ("propensity_score", "estimated"):
            bars += weights(thompson, source, campaign)
        bars += weights(random, "propensity_score", f"{campaign}, uniform policy's log")
    return bars


def bandit(policy: str, campaign: str) -> pl.DataFrame:
    """One file, with the share of a position's impressions that went to the item."""
    raw = pl.read_parquet(SHARED / "clicks_obd" / f"{policy}_{campaign}.parquet")
    share = pl.len().over("item_id", "position") / pl.len().over("position")
    return raw.with_columns(query=pl.lit(campaign), estimated=share)


def weights(raw: pl.DataFrame, source: str, name: str) -> list[Bar]:
    """What weights 1/p cost: effective sample size, mass cut, value of the uniform policy."""
    columns = {"item": "item_id", "clicked": "click", "propensity": source}
    log = lk.read_log(raw.select("query", "item_id", "position", "click", source), columns=columns)
    bias = lk.PositionBias("logged").fit(log)
    p, click = raw[source].to_numpy(), raw["click"].to_numpy()
    uniform = 1 / raw["item_id"].n_unique()
    for clip in CLIPS:
        summary = summarise_weights(log, bias, clip=min(clip / uniform, 1e12))
        w = np.minimum(uniform / p, clip)
        ess = w.sum() ** 2 / (w @ w)
        half = 1.96 * float(np.std(w * click)) / np.sqrt(len(w))
        print(
            f"  1/{source:<16} clipped at {clip:>3g}: effective {ess:>8,.0f} of {len(w):,} "
            f"impressions, {summary.effective_n:>4.1f} of {summary.n} clicks, "
            f"{100 * summary.clipped_mass:>4.1f} % of clicked mass cut; uniform policy "
            f"{1e3 * np.mean(w * click):.2f} ± {1e3 * half:.2f}, self-normalised "
            f"{1e3 * (w @ click) / w.sum():.2f}"
        )
    # The table that comes out of labelkit, against a plain sum over rows.
    table = lk.evidence(log, bias, columns=["ips_ctr"]).collect()
    plain = raw.group_by("item_id").agg(
        (pl.col("click") / pl.col(source)).sum().alias("sum"), pl.len().alias("n")
    )
    both = table.join(plain, left_on="item", right_on="item_id").filter(pl.col("sum") > 0)
    off = float((both["ips_ctr"] * both["n"] / both["sum"] - 1).abs().max() or 0.0)
    return say([Bar(f"Open Bandit {name}, {source}: ips_ctr off a sum over rows", off, high=1e-6)])
