"""Do 95 % intervals contain the truth 95 times in 100?

For θ: logs of 6,000 pages, 300 queries, three rankers, θ_k = 1/k, drawn cell by cell, and every
estimator that counts are enough for on the same log; the others each have simulated logs of the
same size that carry what they need. For debiased rates: the interval that ``lk.evidence`` prints,
of every example shown at least once, θ fitted on the same log. Each log is one observation: the
interval of a coverage is that of a mean over logs.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from typing import Any

import numpy as np
import polars as pl

import labelkit as lk
from bias_bars.methods import from_counts
from bias_bars.tell import Bar, FloatArray, mean_interval, say
from bias_bars.worlds import World
from labelkit.demo import data
from labelkit.logs import Catalogue, ClickModel, Device, Sessions, Swaps, TrustModel

LOW, HIGH = 0.93, 0.97
N_PAGES, N_QUERIES = 6_000, 300
# Enough refits for a standard error; the default 200 give the same coverage in twice the time.
N_BOOTSTRAP = 100
THIN, THICK = 5.0, 50.0
# How evidence may be asked for its rates; the first is what it does unasked.
RATES: dict[str, dict[str, Any]] = {
    "as it comes": {},
    "one prior for all": {"prior": "global"},
    "a prior per query": {"prior": "query"},
    "Bernoulli posterior": {"posterior": "bernoulli"},
}
FAMILIES = ("beta", "gamma")

Task = Callable[[int], Any]


def run(*, replications: int, workers: int) -> list[Bar]:
    seeds = range(replications)
    with ProcessPoolExecutor(workers) as pool:

        def spread(task: Task) -> list[Any]:
            return list(pool.map(task, seeds, chunksize=5))

        return curves(spread) + rates(spread)


def curves(spread: Callable[[Task], list[Any]]) -> list[Bar]:
    """Coverage of θ at all positions but the first, per estimator."""
    bars: list[Bar] = []
    print("coverage of 95 % intervals of θ; by position 2 … 10 in brackets", flush=True)
    for task in (from_same_counts, shuffled, swapped, by_device, steady_readers, with_gold):
        found = spread(task)
        for name in found[0]:
            hits = np.array([one[name] for one in found])
            mean, half = mean_interval(hits.mean(1))
            shown = " ".join(f"{h:.2f}" for h in hits.mean(0))
            print(f"{name:<34} {mean:.3f} ± {half:.3f} [{shown}]", flush=True)
            bars.append(Bar(f"coverage of θ, {name} (± {half:.3f})", mean, LOW, HIGH))
    return say(bars)


def from_same_counts(seed: int) -> dict[str, FloatArray]:
    """Whether each position's interval contains θ, (9,) per estimator; so too what follows."""
    warnings.simplefilter("ignore")
    world = World.synthetic(seed, n_queries=N_QUERIES)
    counts = world.draw(N_PAGES * 10, seed).counts
    curves = {m: fit(method=m).fit(counts).curve_ for m in from_counts()}  # type: ignore[arg-type]
    return {m: inside(c.low, world.theta, c.high)[1:] for m, c in curves.items()}


def shuffled(seed: int) -> dict[str, FloatArray]:
    hits = hits_on(seed, {"method": "randomised"}, randomised_share=0.3, extras=["randomised"])
    return {"randomised, 3 of 10 pages": hits}


def swapped(seed: int) -> dict[str, FloatArray]:
    hits = hits_on(seed, {"method": "randomised"}, swaps=Swaps("adjacent", share=0.5))
    return {"randomised, swaps of neighbours": hits}


def by_device(seed: int) -> dict[str, FloatArray]:
    devices = [Device("desktop", ClickModel(0.5)), Device("mobile", ClickModel(1.5))]
    asked = {"method": "poisson", "context": ("device",)}
    return {"poisson by device": hits_on(seed, asked, devices=devices)}


def steady_readers(seed: int) -> dict[str, FloatArray]:
    """Impressions of a session hang together: people look equally deep on all its pages."""
    asked = {"method": "poisson", "cluster": "session"}
    hits = hits_on(seed, asked, sessions=Sessions(pages=4, steady=0.7))
    return {"poisson by session, steady readers": hits}


def with_gold(seed: int) -> dict[str, FloatArray]:
    """Trust bias: α relative to the first position, gold of three grades for every example."""
    # The upper grades are one: 79 items of the highest do not stand at every position.
    grade = pl.col(data.GRADE).cast(pl.Int64).clip(upper_bound=data.RELEVANT_FROM)
    grades = data.load().select(*data.KEYS, relevance=grade)
    hits = hits_on(
        seed,
        {"method": "trust"},
        gold=grades.rename({"relevance": "label"}),
        catalogue=Catalogue.of(grades, noise_rate=0.0),
        clicks=TrustModel(strength=0.3),
    )
    return {"trust, with gold": hits}


def hits_on(
    seed: int, asked: dict[str, Any], *, gold: pl.DataFrame | None = None, **options: Any
) -> FloatArray:
    """The same from a simulated log, slots in the order of context and position."""
    warnings.simplefilter("ignore")
    options = {"catalogue": Catalogue.synthetic(N_QUERIES, seed=seed)} | options
    simulation = lk.simulate(N_PAGES * 10, seed=seed, **options)
    log = lk.read_log(simulation.frame)
    curve = fit(**asked).fit(log, gold=gold).curve_.frame()
    context = [name for name in curve.columns if name in asked.get("context", ())]
    first = pl.col("propensity").sort_by("position").first()
    truth = simulation.truth.curves.with_columns(pl.col(context).cast(pl.String)).with_columns(
        truth=pl.col("propensity") / (first.over(context) if context else first)
    )
    both = curve.join(
        truth.select(*context, "position", "truth"), on=[*context, "position"]
    ).filter(pl.col("position") > 1)
    return inside(*(both[name].to_numpy() for name in ("low", "truth", "high")))


def fit(**asked: Any) -> lk.PositionBias:
    return lk.PositionBias(n_bootstrap=N_BOOTSTRAP, **asked)


def inside(low: FloatArray, truth: FloatArray, high: FloatArray) -> FloatArray:
    return ((low <= truth) & (truth <= high)).astype(np.float64)


def rates(spread: Callable[[Task], list[Any]]) -> list[Bar]:
    """Coverage of debiased rates, over all examples and by how much was seen of them."""
    bars: list[Bar] = []
    print(
        "\ncoverage of 95 % intervals of debiased rates: all examples; with an exposure under "
        f"{THIN:g}, up to {THICK:g}, above"
    )
    for family in FAMILIES:
        found = spread(partial(rate_hits, family=family))
        for name in found[0]:
            hits = np.array([one[name] for one in found])
            cells = [mean_interval(h[~np.isnan(h)]) for h in hits.T]
            shown = "  ".join(f"{mean:.3f} ± {half:.3f}" for mean, half in cells)
            print(f"γ ~ {family:<6} {name:<24} {shown}", flush=True)
            if name == "as it comes":
                mean, half = cells[0]
                bar = Bar(f"coverage of rates, γ ~ {family} (± {half:.3f})", mean, LOW, HIGH)
                bars.append(bar)
    return say(bars)


def rate_hits(seed: int, family: str) -> dict[str, FloatArray]:
    """Share of examples whose interval contains γ: all, and by exposure, (4,) per way of asking.

    γ ~ Beta(1, 4), the simulator's own, or a Gamma distribution of mean 0.1.
    """
    warnings.simplefilter("ignore")
    catalogue = Catalogue.synthetic(N_QUERIES, seed=seed)
    if family == "gamma":
        drawn = np.random.default_rng([seed, 4]).gamma(1.0, 0.1, catalogue.frame.height)
        gamma = pl.Series(np.minimum(drawn, 1.0))
        frame = catalogue.frame.with_columns(attractiveness=gamma)
        catalogue = Catalogue(frame, catalogue.popularity)
    simulation = lk.simulate(N_PAGES * 10, seed=seed, catalogue=catalogue)
    log = lk.read_log(simulation.frame)
    theta = simulation.truth.propensities
    known = {k + 1: float(t) for k, t in enumerate(theta)}
    fitted = fit().fit(log)
    found = {name: share_inside(log, fitted, catalogue, how) for name, how in RATES.items()}
    given = lk.PositionBias("given", curve=known).fit(log)
    return found | {"as it comes, θ known": share_inside(log, given, catalogue, {})}


def share_inside(
    log: lk.InteractionLog, bias: lk.PositionBias, catalogue: Catalogue, how: dict[str, Any]
) -> FloatArray:
    table = lk.evidence(log, bias, columns=["exposure", "ctr_low", "ctr_high"], **how).collect()
    table = table.join(catalogue.frame, on=["query", "item"])
    columns = ("ctr_low", "attractiveness", "ctr_high", "exposure")
    low, truth, high, seen = (table[name].to_numpy() for name in columns)
    hit = inside(low, truth, high)
    groups = [seen >= 0, seen < THIN, (seen >= THIN) & (seen < THICK), seen >= THICK]
    return np.array([hit[g].mean() if g.any() else np.nan for g in groups])
