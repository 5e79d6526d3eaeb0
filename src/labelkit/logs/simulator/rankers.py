"""``Ranker``: who orders the pages. Several of them are what makes propensities identifiable."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from labelkit.errors import LogError
from labelkit.logs.simulator.catalogue import Catalogue


@dataclass(frozen=True)
class Ranker:
    """Orders a query's items by ``quality · z(γ) + noise · ε``, ε standard normal, fixed per item.

    ``quality`` runs from −1 (adverse: the least attractive first) over 0 (blind) to 1 (good);
    ``share`` is its weight in the traffic.
    """

    name: str
    quality: float
    noise: float = 1.0
    share: float = 1.0

    def __post_init__(self) -> None:
        if not -1 <= self.quality <= 1 or self.noise < 0 or self.share <= 0:
            raise LogError(f"A ranker needs -1 ≤ quality ≤ 1, noise ≥ 0 and share > 0; got {self}.")


GOOD: tuple[Ranker, ...] = (Ranker("a", 0.8), Ranker("b", 0.6), Ranker("c", 0.4))
ADVERSE: tuple[Ranker, ...] = (Ranker("a", -0.8), Ranker("b", -0.6), Ranker("c", -0.4))


def order_items(
    catalogue: Catalogue, ranker: Ranker, n_positions: int, rng: np.random.Generator
) -> npt.NDArray[np.int32]:
    """(n_queries, n_positions) catalogue rows in the ranker's order, -1 past a query's last.

    The page ends at ``n_positions``: what a ranker puts below is never shown by it.
    """
    gamma = catalogue.frame["attractiveness"].to_numpy()
    z = (gamma - gamma.mean()) / (gamma.std() or 1.0)
    score = ranker.quality * z + ranker.noise * rng.standard_normal(len(gamma))
    offsets = catalogue.offsets
    query = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    order = np.lexsort((-score, query))
    place = np.arange(len(gamma)) - offsets[query]
    pages = np.full((len(offsets) - 1, n_positions), -1, dtype=np.int32)
    seen = place < n_positions
    pages[query[seen], place[seen]] = order[seen]
    return pages
