"""Which estimator a log can carry, and why."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from labelkit.bias import bernoulli, power
from labelkit.bias.poisson import score_and_information, smoothing_matrix
from labelkit.bias.task import FitTask

FloatArray = npt.NDArray[np.float64]

# 100 clicks give ±20 % on the average position; fewer are beaten by harvesting.
ENOUGH_RANDOMISED = 100
# Mean standard error of log θ, from which one parameter beats one per position even where the
# curve is no power law. See ``docs/methods/position-bias.md`` for the simulation behind both.
THIN = 0.35
# Mean click probability behind the informative clicks, from which coins beat counts.
SURE = 0.5


def choose(task: FitTask) -> tuple[str, str]:
    """The method that "auto" stands for, and the reason in one sentence."""
    log = task.log
    if log is not None and "propensity" in log.columns:
        return "logged", "the log carries propensities"
    if task.context:
        return "poisson", "curves per context are fitted by the Poisson likelihood"
    if log is not None and (flagged := log.randomised_counts) is not None:
        clicks = int(flagged.clicks.sum())
        if clicks >= ENOUGH_RANDOMISED:
            return "randomised", f"{clicks:,} clicks fell on randomised impressions"
    why = "neither propensities nor enough randomised traffic are logged"
    error, excess = _thinness(task)
    if error > THIN and excess < 1:
        return "power", (
            f"{why}, and clicks on items shown at several positions are so few (log θ would be "
            f"known to ±{error:.2f} on average) that one parameter is estimated instead"
        )
    sure = bernoulli.click_probability(task.counts, task.cells, task.poisson)
    if sure > SURE and task.cluster == "query":
        return "bernoulli", (
            f"{why}, and examined items are clicked so often (with probability {sure:.2f} where "
            "positions are compared) that clicks vary less than counts do"
        )
    return "poisson", f"{why}; clicks on items shown at several positions are"


def _thinness(task: FitTask) -> tuple[float, float]:
    """Mean standard error of log θ if every position is free, and whether it would be worth it.

    The second is χ² of the free curve against the power law over twice the parameters it adds:
    above 1, they predict better than they cost (Akaike 1974).
    """
    beta, cells = task.poisson.beta, task.cells
    _, information = score_and_information(beta, cells)
    identified = task.graph.identified
    free = identified & (np.arange(len(beta)) != task.reference)
    if free.sum() < 2:
        return 0.0, np.inf
    inner = np.ix_(free, free)
    ties = smoothing_matrix(cells.positions, task.smoothing)
    inverse = np.linalg.inv((information + ties)[inner] + 1e-9 * np.eye(int(free.sum())))
    error = float(np.sqrt(np.maximum(np.diag(inverse), 0)).mean())
    law = power.log_curve(power.fit_power_law(cells).eta, cells)
    apart = (beta - law + law[task.reference])[free]
    return error, float(apart @ information[inner] @ apart) / (2 * max(int(free.sum()) - 1, 1))
