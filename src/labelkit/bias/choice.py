"""Which estimator a log can carry, and why."""

from __future__ import annotations

import numpy as np

from labelkit.bias import bernoulli
from labelkit.bias.task import FitTask

# 100 clicks give ±20 % on the average position; fewer are beaten by harvesting.
ENOUGH_RANDOMISED = 100
# Mean standard error of log θ, from which a curve per position is mostly its prior. A power law is
# not taken instead: on thin logs it is the better by 0.1 in log θ where the curve is one, and the
# worse by up to 0.2 where it is not, which so few clicks cannot tell (``docs/methods``).
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
    sure = bernoulli.click_probability(task.cells)
    if sure > SURE and task.cluster == "query":
        return "bernoulli", (
            f"{why}, and examined items are clicked so often (with probability {sure:.2f} where "
            "positions are compared) that clicks vary less than counts do"
        )
    error = _thinness(task)
    if error > THIN:
        return "poisson", (
            f"{why}; clicks on items shown at several positions are so few that log θ is known to "
            f"±{error:.2f} on average: read the intervals, and compare with method='power'"
        )
    return "poisson", why


def _thinness(task: FitTask) -> float:
    """Mean standard error of log θ over the identified positions."""
    free = task.graph.identified.copy()
    free[task.reference] = False
    inner = task.poisson.curvature[np.ix_(free, free)]
    inverse = np.linalg.inv(inner + 1e-9 * np.eye(int(free.sum())))
    return float(np.sqrt(np.maximum(np.diag(inverse), 0)).mean())
