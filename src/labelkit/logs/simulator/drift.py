"""``Drift``: the truth changes between windows of time, and stands still within each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from labelkit.errors import LogError
from labelkit.logs.simulator.rows import FloatArray, IntArray


@dataclass(frozen=True)
class Drift:
    """The four weeks are cut into equal windows, each with its own curve and attractiveness.

    Parameters
    ----------
    severity : (n_windows,) powers ≥ 0; in window w examination is θ_k^severity_w. (1, 1, 1.5) is
        a new layout in the last third; empty leaves the curve as it is
    attractiveness : (n_windows,) sizes; logit γ moves by size_w · z_e, with z_e standard normal
        and fixed for each item. (0, 0.5, 1) drifts away steadily; empty leaves γ as it is

    Notes
    -----
    Attractiveness of exactly 0 or 1 has an infinite logit and does not move.
    """

    severity: tuple[float, ...] = ()
    attractiveness: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        sizes = {len(values) for values in (self.severity, self.attractiveness) if values}
        if len(sizes) != 1:
            raise LogError(
                "Drift needs one value for each window, in severity, attractiveness or both alike; "
                f"got {len(self.severity)} and {len(self.attractiveness)}."
            )
        if not all(power >= 0 for power in self.severity):
            raise LogError(f"Drift needs severity ≥ 0 in each window; got {self.severity}.")

    @property
    def n_windows(self) -> int:
        """How many windows the log has."""
        return max(len(self.severity), len(self.attractiveness))

    def moved(self, gamma: FloatArray, direction: FloatArray, window: IntArray | int) -> FloatArray:
        """γ in its window, (n,), from γ and z, both (n,)."""
        if not self.attractiveness:
            return gamma
        size = np.asarray(self.attractiveness, dtype=np.float64)[window]
        # expit(logit γ + s z), written so that γ = 0 and γ = 1 stay where they are.
        odds = np.exp(size * direction)
        return np.asarray(gamma * odds / (1.0 - gamma + gamma * odds))
