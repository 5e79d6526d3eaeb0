"""How far is θ from the truth, next to rivals on the same log, and how long does a fit take?

Ten positions, three rankers, 1,000 queries under Zipf's law, 20 items each. The error of a curve
is the mean of |θ̂_k/θ_k − 1| over positions 2–10 (position 1 is 1 by definition).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

import labelkit as lk
from bias_bars.methods import PARAMETRIC, from_counts
from bias_bars.rivals import (
    clax,
    click_rate_ratio,
    efficient_error,
    known_relevance,
    pyclick_em,
)
from bias_bars.tell import Bar, FloatArray, mean_interval, say
from bias_bars.worlds import World
from labelkit.logs import PositionCounts

ETAS = (0.5, 1.0, 1.5, 2.0)
SIZES = (100_000, 1_000_000, 10_000_000)
JUDGED = 1_000_000
ERROR_BAR = 0.015
EM, CLAX = "PyClick's EM, 50 iterations", "CLAX"
BOUND = "best unbiased (bound)"


def relative_error(theta: FloatArray, truth: FloatArray) -> float:
    return float(np.mean(np.abs(theta / truth - 1)[1:]))


def run(*, seeds: int, clax_python: str | None, clax_seeds: int) -> list[Bar]:
    bars = accuracy(range(seeds), clax_python, clax_seeds)
    off_the_power_law(range(seeds))
    return bars + other_worlds(range(seeds)) + fit_time()


def accuracy(seeds: Sequence[int], clax_python: str | None, clax_seeds: int) -> list[Bar]:
    bars: list[Bar] = []
    print(f"mean relative error of θ over positions 2–10, {len(seeds)} logs (± 95 %)")
    for eta in ETAS:
        print(f"\nη = {eta:<22g}" + "".join(f"{f'{n / 1e6:g} M':>20}" for n in SIZES))
        at = {n: errors(eta, n, seeds, clax_python, clax_seeds) for n in SIZES}
        for name in at[JUDGED]:
            shown = [mean_interval(at[n][name]) if name in at[n] else None for n in SIZES]
            cells = [f"{m[0]:.4f} ± {m[1]:.4f}" if m else "" for m in shown]
            print(f"{name:<27}" + "".join(f"{cell:>20}" for cell in cells))
        ours = at[JUDGED]["auto"]
        new = []
        if eta == 1.0:
            new.append(Bar("error of θ at 1 M, η = 1", float(np.mean(ours)), high=ERROR_BAR))
            near = float(np.mean(at[JUDGED]["adaptive"]))
            new.append(Bar("the same, method='adaptive'", near, high=ERROR_BAR))
        for rival in (EM, CLAX):
            if theirs := at[JUDGED].get(rival):
                # Both sides on the logs that both have seen.
                gap, half = mean_interval(np.asarray(ours[: len(theirs)]) - np.asarray(theirs))
                new.append(
                    Bar(f"error at 1 M, η = {eta:g}, less {rival}'s (± {half:.4f})", gap, high=0.0)
                )
        bars += say(new)
    if clax_python is None:
        print("CLAX not compared: name a Python that has clax-models with --clax")
    return bars


def errors(
    eta: float, n: int, seeds: Sequence[int], clax_python: str | None, clax_seeds: int
) -> dict[str, list[float]]:
    """Errors per estimator, one per seed, all on the same logs."""
    found: dict[str, list[float]] = {}
    for seed in seeds:
        draw = World.synthetic(seed, eta=eta).draw(n, seed)
        truth, counts = draw.world.theta, draw.counts
        curves = {m: fit(m, counts) for m in ("auto", *from_counts()) if m not in PARAMETRIC}
        curves[EM] = pyclick_em(counts)
        curves["the same without smoothing"] = pyclick_em(counts, smoothing=0.0)
        curves["ratio of click rates"] = click_rate_ratio(counts)
        curves["every γ known"] = known_relevance(draw)
        if clax_python and n == JUDGED and seed < clax_seeds:
            curves[CLAX], _ = clax(clax_python, draw, seed)
        for name, theta in curves.items():
            found.setdefault(name, []).append(relative_error(theta, truth))
        found.setdefault(BOUND, []).append(efficient_error(draw))
    return found


def off_the_power_law(seeds: Sequence[int]) -> None:
    """What leaning on a power law costs where the truth is none, at the size that is judged."""
    curves = {
        "a step after position 3": np.where(np.arange(10) < 3, 1.0, 0.3),
        "a straight line": np.linspace(1.0, 0.1, 10),
        "exponential": 0.75 ** np.arange(10),
    }
    methods = ("auto", "adaptive", "power")
    print("\nother curves, 1 M impressions" + "".join(f"{m:>20}" for m in methods))
    for name, theta in curves.items():
        found: dict[str, list[float]] = {m: [] for m in methods}
        for seed in seeds:
            counts = replace(World.synthetic(seed), theta=theta).draw(JUDGED, seed).counts
            for m in methods:
                found[m].append(relative_error(fit(m, counts), theta))
        cells = [mean_interval(found[m]) for m in methods]
        print(f"{name:<29}" + "".join(f"{f'{m:.4f} ± {h:.4f}':>20}" for m, h in cells))


def other_worlds(seeds: Sequence[int]) -> list[Bar]:
    """η = 1 at the size that is judged, where more or fewer clicks tell positions apart."""
    worlds: dict[str, Callable[[int], World]] = {
        "as above": lambda seed: World.synthetic(seed),
        "as above, 5,000 queries": lambda seed: World.synthetic(seed, n_queries=5_000),
        "nearly perfect rankers": lambda seed: World.synthetic(seed, rankers=(3.0, 2.0, 2.0)),
        "adverse rankers": lambda seed: World.synthetic(seed, rankers=(-0.8, -0.6, -0.4)),
        "real grades, good rankers": World.of_grades,
    }
    print("\nη = 1, 1 M impressions, other worlds     clicks              ours   best unbiased")
    bars = []
    for name, world in worlds.items():
        ours, bound, clicks = [], [], []
        for seed in seeds:
            draw = world(seed).draw(JUDGED, seed)
            ours.append(relative_error(fit("auto", draw.counts), draw.world.theta))
            bound.append(efficient_error(draw))
            clicks.append(draw.clicks.sum())
        mean, half = mean_interval(ours)
        best = float(np.mean(bound))
        print(f"{name:<36}{np.mean(clicks):>10,.0f}{mean:>11.4f} ± {half:.4f}{best:>13.4f}")
        bars.append(
            Bar(
                f"η = 1, {name}: error over that of the best unbiased estimator "
                f"(± {half / best:.2f})",
                mean / best,
                high=1.1,
            )
        )
    return say(bars)


def fit(method: str, counts: PositionCounts) -> FloatArray:
    """θ alone: intervals have a bar of their own."""
    return lk.PositionBias(method, n_bootstrap=2).fit(counts).curve_.theta  # type: ignore[arg-type]


def fit_time() -> list[Bar]:
    """Seconds of ``PositionBias().fit`` with its intervals, from the counts that a group-by gives.

    "auto" is judged, as the best of three runs; the others are run once. CPU seconds stand beside
    the clock's, which a busy machine stretches.
    """
    bars = []
    print("\nfit after the group-by, intervals included: seconds by the clock (of CPU)")
    for n_queries, zipf, n, bar in (
        (700, 1.0, 1_000_000, None),
        (1_780, 0.5, 3_000_000, 0.1),
        (357_000, 0.3, 140_000_000, 5.0),
    ):
        counts = World.synthetic(0, n_queries=n_queries, zipf=zipf).draw(n, 0).counts
        taken = {"auto": min(seconds("auto", counts) for _ in range(3))}
        taken |= {method: seconds(method, counts) for method in from_counts()}
        shown = ", ".join(f"{m} {wall:.3f} ({cpu:.3f})" for m, (wall, cpu) in taken.items())
        print(f"{len(counts):>12,} cells: {shown}", flush=True)
        if bar is not None:
            figure = taken["auto"][0]
            bars += say([Bar(f"seconds to fit {len(counts):,} cells", figure, high=bar)])
    return bars


def seconds(method: str, counts: PositionCounts) -> tuple[float, float]:
    wall, cpu = time.perf_counter(), time.process_time()
    lk.PositionBias(method).fit(counts)  # type: ignore[arg-type]
    return time.perf_counter() - wall, time.process_time() - cpu
