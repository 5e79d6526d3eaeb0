"""Can this log tell position bias from relevance at all?

θ is identified only within connected components of the graph whose nodes are positions and whose
edges join positions that share an example with clicks (Chen et al. 2023, *Identifiability matters:
revealing the hidden recoverable condition in unbiased learning to rank*). With one fixed ranking
there is no edge, and every method would return its starting values.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from labelkit.bias.poisson import ClickedCells, score_and_information
from labelkit.errors import NotIdentifiable
from labelkit.logs import PositionCounts

FloatArray = npt.NDArray[np.float64]

# Positions outside the main group are left without a propensity as long as they are marginal;
# past this share of the impressions, labels without them would not describe the log.
MOST_LEFT_OUT = 0.10


@dataclass(frozen=True)
class Identifiability:
    """Which positions can be compared.

    ::

        identified  (K,) bool: the position is in the main group
        groups      positions of every group, the one with most impressions first
        links       (K, K) information that joins two positions, in clicks
    """

    identified: npt.NDArray[np.bool_]
    groups: tuple[tuple[int, ...], ...]
    links: FloatArray

    @property
    def weakest(self) -> tuple[int, float]:
        """The identified position that hangs by the least information, and how much that is."""
        strength = np.where(self.identified, self.links.sum(1), np.inf)
        weakest = int(np.argmin(strength))
        return weakest, float(strength[weakest])


HELP = (
    "What would help: a share of traffic in random order (map 'randomised'), pages from a second "
    "ranker or an A/B test, a longer period in which rankings changed, or a curve that you know "
    "(PositionBias(method='given', curve={1: 1.0, 2: ...}))."
)


def check(
    counts: PositionCounts, cells: ClickedCells, *, neighbours: bool = False
) -> Identifiability:
    """Find the comparable positions.

    Parameters
    ----------
    neighbours : only neighbouring positions are compared, as a chain does

    Raises
    ------
    NotIdentifiable
        Too many impressions stand at positions that cannot be compared.
    """
    from scipy.sparse.csgraph import connected_components

    positions = cells.positions
    size = len(positions)
    if len(cells.segment):
        _, information = score_and_information(np.zeros(size), cells)
        links = np.maximum(-information, 0)
        np.fill_diagonal(links, 0)
    else:
        links = np.zeros((size, size))
    if neighbours:
        links = np.where(next_to_each_other(size), links, 0.0)
    _, component = connected_components(links > 1e-9, directed=False)
    shown = np.bincount(
        np.searchsorted(positions, counts.position), counts.impressions, minlength=size
    )
    mass = np.bincount(component, shown)
    order = np.argsort(-mass, kind="stable")
    groups = tuple(tuple(int(k) for k in positions[component == g]) for g in order)
    identified = component == order[0]
    if neighbours and (len(groups) == size or mass[order[0]] < (1 - MOST_LEFT_OUT) * mass.sum()):
        listed = "; ".join(_ranges(group) for group in groups[:5])
        listed += "; …" if len(groups) > 5 else ""
        raise NotIdentifiable(
            "A chain of neighbouring positions breaks on this log: no clicked item joins its "
            f"{len(groups)} pieces ({listed}). method='allpairs' compares positions that are "
            "farther apart."
        )
    if len(groups) == size:
        raise NotIdentifiable(
            "Position bias cannot be estimated from this log: every item was shown at one position "
            "(or never clicked where it was shown at several), as a single fixed ranking does. "
            f"Clicks then cannot tell whether an item is bad or merely low on the page. {HELP}"
        )
    left_out = 1 - mass[order[0]] / mass.sum()
    if left_out > MOST_LEFT_OUT:
        listed = "; ".join(_ranges(group) for group in groups[:5])
        listed += "; …" if len(groups) > 5 else ""
        raise NotIdentifiable(
            "Position bias cannot be estimated from this log: its positions fall into "
            f"{len(groups)} groups that no clicked item joins ({listed}), "
            f"and {left_out:.0%} of the impressions stand outside the largest. {HELP}"
        )
    return Identifiability(identified, groups, links)


def next_to_each_other(size: int) -> npt.NDArray[np.bool_]:
    """(K, K): the two positions are neighbours among those of the log."""
    near: npt.NDArray[np.bool_] = np.abs(np.subtract.outer(np.arange(size), np.arange(size))) == 1
    return near


def _ranges(positions: tuple[int, ...]) -> str:
    runs: list[list[int]] = []
    for position in positions:
        if runs and position == runs[-1][1] + 1:
            runs[-1][1] = position
        else:
            runs.append([position, position])
    return ", ".join(f"{a}" if a == b else f"{a}–{b}" for a, b in runs)
