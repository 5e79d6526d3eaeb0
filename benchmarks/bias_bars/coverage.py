"""Do 95 % intervals contain the truth 95 times in 100?

For θ: logs of 6,000 pages, 300 queries, three rankers, θ_k = 1/k, drawn cell by cell, and every
estimator on the same log. Estimators that need randomised impressions get simulated logs of the
same size with three pages in ten in random order. For debiased rates: the interval that
``lk.evidence`` prints, of every example shown at least once, θ fitted on the same log. Each log is
one observation: the interval of a coverage is that of a mean over logs.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from typing import Any

import numpy as np

import labelkit as lk
from bias_bars.methods import FROM_RANDOMISED, fitted_methods, from_counts
from bias_bars.tell import Bar, FloatArray, mean_interval, say
from bias_bars.worlds import World
from labelkit.logs import Catalogue, PositionCounts

LOW, HIGH = 0.93, 0.97
N_PAGES, N_QUERIES = 6_000, 300
# Enough refits for a standard error; the default 200 give the same coverage in twice the time.
N_BOOTSTRAP = 100
THIN = 5.0

Task = Callable[[int], Any]


def run(*, replications: int, workers: int) -> list[Bar]:
    seeds = range(replications)
    with ProcessPoolExecutor(workers) as pool:

        def spread(task: Task) -> list[Any]:
            return list(pool.map(task, seeds, chunksize=5))

        return curves(spread) + rates(spread)


def curves(spread: Callable[[Task], list[Any]]) -> list[Bar]:
    """Coverage of θ at positions 2–10, per estimator."""
    found = spread(curve_hits)
    bars = []
    print(f"coverage of 95 % intervals of θ, {len(found)} logs; by position 2 … 10 in brackets")
    for name in found[0]:
        hits = np.array([one[name] for one in found if name in one])
        mean, half = mean_interval(hits.mean(1))
        print(f"{name:<12} {mean:.3f} ± {half:.3f} [{' '.join(f'{h:.2f}' for h in hits.mean(0))}]")
        bars.append(Bar(f"coverage of θ, {name} (± {half:.3f})", mean, LOW, HIGH))
    return say(bars)


def curve_hits(seed: int) -> dict[str, FloatArray]:
    """Whether each position's interval contains θ, (9,) per estimator."""
    warnings.simplefilter("ignore")
    world = World.synthetic(seed, n_queries=N_QUERIES)
    counts = world.draw(N_PAGES * 10, seed).counts
    hits = {m: covered(m, counts, world.theta) for m in from_counts()}
    randomised = [m for m in fitted_methods() if m in FROM_RANDOMISED]
    if randomised:
        log = simulated(seed, randomised_share=0.3, extras=["randomised"])
        hits |= {m: covered(m, log, world.theta) for m in randomised}
    return hits


def covered(method: str, data: PositionCounts | lk.InteractionLog, truth: FloatArray) -> FloatArray:
    bias = lk.PositionBias(method, n_bootstrap=N_BOOTSTRAP).fit(data)  # type: ignore[arg-type]
    curve = bias.curve_
    return ((curve.low <= truth) & (truth <= curve.high)).astype(np.float64)[1:]


def simulated(seed: int, **options: object) -> lk.InteractionLog:
    catalogue = Catalogue.synthetic(N_QUERIES, seed=seed)
    return lk.read_log(
        lk.simulate(N_PAGES * 10, seed=seed, catalogue=catalogue, **options).frame  # type: ignore[arg-type]
    )


def rates(spread: Callable[[Task], list[Any]]) -> list[Bar]:
    """Coverage of debiased rates, over all examples and by how much was seen of them."""
    bars = []
    print(
        "\ncoverage of 95 % intervals of debiased rates: all examples; with an exposure under "
        f"{THIN:g}, from {THIN:g} to 50, above"
    )
    for name, task in {
        "γ ~ Beta(1, 4)": rate_hits,
        "γ ~ Gamma, the prior's own family": partial(rate_hits, gamma="gamma"),
        "θ known": partial(rate_hits, known=True),
    }.items():
        hits = np.array(spread(task))
        cells = [mean_interval(h[~np.isnan(h)]) for h in hits.T]
        print(f"{name:<34} " + "  ".join(f"{mean:.3f} ± {half:.3f}" for mean, half in cells))
        bars.append(
            Bar(f"coverage of debiased rates, {name} (± {cells[0][1]:.3f})", cells[0][0], LOW, HIGH)
        )
    return say(bars)


def rate_hits(seed: int, gamma: str = "beta", known: bool = False) -> FloatArray:
    """Share of examples whose interval contains γ: all, and by exposure, (4,)."""
    import polars as pl

    warnings.simplefilter("ignore")
    catalogue = Catalogue.synthetic(N_QUERIES, seed=seed)
    if gamma == "gamma":
        rng = np.random.default_rng([seed, 4])
        drawn = np.minimum(rng.gamma(1.0, 0.1, catalogue.frame.height), 1.0)
        frame = catalogue.frame.with_columns(attractiveness=pl.Series(drawn))
        catalogue = Catalogue(frame, catalogue.popularity)
    simulation = lk.simulate(N_PAGES * 10, seed=seed, catalogue=catalogue)
    log = lk.read_log(simulation.frame)
    theta = simulation.truth.propensities
    curve = {k + 1: float(t) for k, t in enumerate(theta)}
    bias = (
        lk.PositionBias("given", curve=curve) if known else lk.PositionBias(n_bootstrap=N_BOOTSTRAP)
    )
    table = lk.evidence(log, bias.fit(log), columns=["exposure", "ctr_low", "ctr_high"]).collect()
    table = table.join(catalogue.frame, on=["query", "item"])
    truth, seen = table["attractiveness"].to_numpy(), table["exposure"].to_numpy()
    hit = (table["ctr_low"].to_numpy() <= truth) & (truth <= table["ctr_high"].to_numpy())
    groups = [seen >= 0, seen < THIN, (seen >= THIN) & (seen < 50), seen >= 50]
    return np.array([hit[g].mean() if g.any() else np.nan for g in groups])
