"""A log that cannot tell position from relevance is refused or marked; one that can is not refused.

Random worlds: 3 to 20 positions, 20 to 400 queries, 1 to 4 rankers of any quality, η from 0 to 2,
0.5 to 20 thousand pages. Three ways to break them, and one that leaves them whole. Whether a
log is whole is decided here by walking from position to position over items that were clicked and
shown at both, without labelkit's own graph.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Literal

import numpy as np

import labelkit as lk
from bias_bars.methods import from_counts
from bias_bars.tell import Bar, IntArray, say
from bias_bars.worlds import World
from labelkit.errors import NotIdentifiable
from labelkit.logs import PositionCounts

Outcome = Literal["refused", "marked", "clean"]


def run(*, cases: int) -> list[Bar]:
    kinds = {
        "one ranker": one_ranker,
        "two position groups": two_groups,
        "no clicks at deep positions": silent_below,
    }
    bars: list[Bar] = []
    print("outcomes over random logs: refused / marked / neither")
    for method in from_counts():
        new = []
        asked = kinds | ({"no item at neighbours": no_neighbours} if method == "adjacent" else {})
        for name, make in asked.items():
            outcomes = [judge(method, *make(case)) for case in range(cases)]
            tell(method, name, outcomes)
            caught = sum(o != "clean" for o in outcomes)
            new.append(Bar(f"{method}: caught of {cases}, {name}", caught, low=cases))
        logs = whole(cases, farthest=1 if method == "adjacent" else None)
        outcomes = [judge(method, counts, None) for counts in logs]
        tell(method, "identifiable", outcomes)
        refused = sum(o == "refused" for o in outcomes)
        new.append(Bar(f"{method}: refused of {cases} identifiable", refused, high=0))
        bars += say(new)
    return bars


def tell(method: str, name: str, outcomes: list[Outcome]) -> None:
    numbers = [outcomes.count(o) for o in ("refused", "marked", "clean")]
    print(f"{method:<10} {name:<28} {' / '.join(map(str, numbers))}")


def judge(method: str, counts: PositionCounts, lost: IntArray | None) -> Outcome:
    """What the tool says.

    Parameters
    ----------
    lost : positions that must be marked; None where the log is whole and nothing may be refused.
        A mark is a missing propensity at, or a "stop" about, some of them.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            bias = lk.PositionBias(method, n_bootstrap=2).fit(counts)  # type: ignore[arg-type]
        except NotIdentifiable:
            return "refused"
    curve = bias.curve_
    stops = any(d.level == "stop" for d in bias.diagnostics_)
    unknown = curve.positions[np.isnan(curve.theta)]
    marked = stops and (lost is None or not len(unknown) or bool(np.isin(unknown, lost).all()))
    return "marked" if marked else "clean"


@dataclass(frozen=True)
class Shape:
    """What is drawn at random about a log."""

    world: World
    n_impressions: int

    @classmethod
    def at(cls, case: int, *, rankers: tuple[int, int]) -> Shape:
        rng = np.random.default_rng([case, 5])
        n_positions = int(rng.integers(3, 21))
        n_rankers = int(rng.integers(rankers[0], rankers[1] + 1))
        world = World.synthetic(
            case,
            n_queries=int(rng.integers(20, 401)),
            n_items=n_positions + int(rng.integers(0, 15)),
            n_positions=n_positions,
            rankers=tuple(rng.uniform(-1, 1, n_rankers)),
            zipf=float(rng.uniform(0, 1.2)),
            eta=float(rng.uniform(0, 2)),
        )
        return cls(world, int(10 ** rng.uniform(2.7, 4.3)) * n_positions)

    def counts(self, world: World, case: int) -> PositionCounts:
        return world.draw(self.n_impressions, case).counts


def one_ranker(case: int) -> tuple[PositionCounts, IntArray]:
    """One order per query, however many pages: every position is lost."""
    shape = Shape.at(case, rankers=(1, 1))
    return shape.counts(shape.world, case), np.arange(1, 1 + len(shape.world.theta))


def two_groups(case: int) -> tuple[PositionCounts, IntArray]:
    """Rankers differ above a cut and below it, and move nothing across: a top box and a list."""
    shape = Shape.at(case, rankers=(2, 4))
    rng = np.random.default_rng([case, 6])
    world, n_positions = shape.world, len(shape.world.theta)
    cut = int(rng.integers(1, n_positions))
    shown = np.repeat(world.shown[:1], len(world.shown), axis=0)
    for part in (slice(0, cut), slice(cut, n_positions)):
        shown[:, :, part] = rng.permuted(shown[:, :, part], axis=2)
    split = World(shown, world.gamma, world.traffic, world.theta)
    counts = shape.counts(split, case)
    of_cut = counts.position <= cut
    top = counts.impressions[of_cut].sum() >= counts.impressions[~of_cut].sum()
    every = np.arange(1, n_positions + 1)
    return counts, every[cut:] if top else every[:cut]


def silent_below(case: int) -> tuple[PositionCounts, IntArray]:
    """Rankers differ everywhere, and from some position on nobody ever clicked."""
    shape = Shape.at(case, rankers=(2, 4))
    n_positions = len(shape.world.theta)
    last = int(np.random.default_rng([case, 7]).integers(1, n_positions))
    theta = np.where(np.arange(n_positions) < last, shape.world.theta, 0.0)
    silent = World(shape.world.shown, shape.world.gamma, shape.world.traffic, theta)
    return shape.counts(silent, case), np.arange(last + 1, n_positions + 1)


def no_neighbours(case: int) -> tuple[PositionCounts, IntArray]:
    """Every item stands at positions two or three apart, never at neighbours.

    The log is whole for all pairs of positions, and lost for a chain of neighbours.
    """
    rng = np.random.default_rng([case, 8])
    n_positions = int(rng.integers(7, 21))
    world = World.synthetic(
        case, n_queries=int(rng.integers(20, 401)), n_positions=n_positions, rankers=(0.5, 0.5)
    )
    shown = world.shown.copy()
    for query in range(shown.shape[1]):
        shown[1, query] = np.roll(shown[0, query], 2 + query % 2)
    jumps = World(shown, world.gamma, world.traffic, world.theta)
    counts = jumps.draw(20_000 * n_positions, case).counts
    return counts, np.arange(1, n_positions + 1)


def whole(cases: int, *, farthest: int | None) -> list[PositionCounts]:
    """So many logs in which a walk over clicked items reaches every position from the first.

    Parameters
    ----------
    farthest : a step of the walk spans at most so many positions, for methods that look no farther
    """
    found: list[PositionCounts] = []
    case = 0
    while len(found) < cases:
        shape = Shape.at(10_000 + case, rankers=(2, 4))
        counts = shape.counts(shape.world, case)
        if reached(counts, farthest) == set(range(1, len(shape.world.theta) + 1)):
            found.append(counts)
        case += 1
    return found


def reached(counts: PositionCounts, farthest: int | None) -> set[int]:
    """Positions that a walk from the first reaches, over clicked items shown at both ends."""
    clicks = np.bincount(counts.example, counts.clicks)
    shown: dict[int, set[int]] = {}
    for example, position in zip(counts.example.tolist(), counts.position.tolist(), strict=True):
        if clicks[example]:
            shown.setdefault(example, set()).add(position)
    joined: dict[int, set[int]] = {}
    for positions in shown.values():
        for k in positions:
            near = {j for j in positions if farthest is None or abs(j - k) <= farthest}
            joined.setdefault(k, set()).update(near)
    seen, ahead = {1}, [1]
    while ahead:
        new = joined.get(ahead.pop(), set()) - seen
        seen |= new
        ahead += new
    return seen
