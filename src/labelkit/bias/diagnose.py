"""What an estimate says about itself: each finding has a level and one sentence on what to do."""

from __future__ import annotations

from typing import Literal

import numpy as np

from labelkit.bias.identifiability import Identifiability
from labelkit.bias.poisson import ClickedCells, PoissonFit
from labelkit.bias.power import PowerLaw
from labelkit.bias.propensities import Diagnosis, Propensities
from labelkit.logs import PositionCounts

# Below this propensity one click weighs more than 100 impressions at the top.
THIN = 0.01


def convergence(fit: PoissonFit) -> Diagnosis:
    if fit.converged:
        return Diagnosis(
            "convergence",
            "fine",
            f"Converged in {fit.n_steps} Newton steps; the largest gradient left is "
            f"{fit.gradient:.1g} clicks.",
        )
    return Diagnosis(
        "convergence",
        "look",
        f"Newton's method stopped after {fit.n_steps} steps with a gradient of {fit.gradient:.3g} "
        "clicks left: compare with method='allpairs'.",
    )


def power_law(law: PowerLaw) -> Diagnosis:
    return Diagnosis(
        "power law",
        "fine" if law.converged else "look",
        f"η = {law.eta:.2f}. One parameter for the whole curve: compare with method='poisson', "
        "and trust this one only where the two agree.",
    )


def links(graph: Identifiability, cells: ClickedCells) -> tuple[Diagnosis, ...]:
    findings = []
    weakest, strength = graph.weakest
    position = int(cells.positions[weakest])
    level: Literal["fine", "look"] = "fine" if strength >= 10 else "look"
    advice = (
        "" if level == "fine" else " Its propensity leans on its neighbours: read the interval."
    )
    findings.append(
        Diagnosis(
            "weakest link",
            level,
            f"Position {position} is compared with the others on the strength of "
            f"{strength:,.1f} clicks.{advice}",
        )
    )
    if not graph.identified.all():
        lost = [int(k) for k in cells.positions[~graph.identified]]
        shown = ", ".join(map(str, lost[:8])) + (", …" if len(lost) > 8 else "")
        findings.append(
            Diagnosis(
                "identifiability",
                "stop",
                f"No clicked item joins position(s) {shown} to the rest: they get no propensity, "
                "and their impressions and clicks stay out of the debiased rates.",
            )
        )
    return tuple(findings)


def positivity(curve: Propensities, counts: PositionCounts) -> tuple[Diagnosis, ...]:
    findings = []
    slot = np.searchsorted(curve.positions, counts.position)
    clicks = np.bincount(slot, counts.clicks, minlength=len(curve.positions))
    shown = np.bincount(slot, counts.impressions, minlength=len(curve.positions))
    silent = (clicks == 0) & (shown > 0) & ~np.isnan(curve.theta)
    if silent.any():
        k = int(np.argmax(silent))
        findings.append(
            Diagnosis(
                "clicks at every position",
                "stop",
                f"Position {curve.positions[k]} has no click among {int(shown[k]):,} impressions "
                f"({int(silent.sum())} such position(s)): its propensity is a guess from its "
                "neighbours; cut the log at the position above, or collect more.",
            )
        )
    thin = curve.theta < THIN
    if thin.any():
        k = int(np.argmax(thin))
        findings.append(
            Diagnosis(
                "positivity",
                "look",
                f"From position {curve.positions[k]} on the propensity falls below {THIN:g}: one "
                f"click there weighs {1 / curve.theta[k]:,.0f} impressions; weights are clipped.",
            )
        )
    return tuple(findings)
