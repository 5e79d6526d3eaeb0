"""The table of estimators: what each is called, what makes its curve, and where it comes from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from labelkit.bias import contexts, direct, harvesting, trust
from labelkit.bias.task import Estimate, FitTask


@dataclass(frozen=True)
class Method:
    """One estimator.

    Parameters
    ----------
    fit : from the task to the curve
    needs : what the log must have, in words
    source : where the method comes from
    by_context : the same with a curve per context; None where that is not offered
    """

    fit: Callable[[FitTask], Estimate]
    needs: str
    source: str
    by_context: Callable[[FitTask], Estimate] | None = None


METHODS: dict[str, Method] = {
    "poisson": Method(
        harvesting.by_poisson,
        "items clicked and shown at several positions",
        "Richardson et al. 2007; Zhang & Jones 2007",
        contexts.by_context,
    ),
    "bernoulli": Method(
        harvesting.by_bernoulli,
        "items clicked and shown at several positions",
        "Craswell et al. 2008; Godambe 1960",
    ),
    "allpairs": Method(
        harvesting.by_allpairs,
        "items clicked and shown at several positions",
        "Agarwal et al. 2019, intervention harvesting",
    ),
    "adjacent": Method(
        harvesting.by_adjacent,
        "items clicked and shown at neighbouring positions",
        "Agarwal et al. 2019, AdjacentChain",
    ),
    "adaptive": Method(
        harvesting.by_adaptive,
        "items clicked and shown at several positions",
        "empirical Bayes around Joachims et al. 2017, section 6.2; Gelman 2006",
    ),
    "power": Method(
        harvesting.by_power,
        "items clicked and shown at several positions, few of them",
        "Joachims et al. 2017, section 6.2",
    ),
    "randomised": Method(
        direct.by_randomised, "the randomised column", "Joachims et al. 2017; Craswell et al. 2008"
    ),
    "trust": Method(
        trust.by_trust,
        "gold labels on examples that the log shows, or shuffled pages",
        "Agarwal et al. 2019, trust bias; Vardasbi et al. 2020",
    ),
    "logged": Method(
        direct.by_logged, "the propensity column", "the log", contexts.by_logged_context
    ),
    "given": Method(direct.by_given, "curve=", "the user"),
}
