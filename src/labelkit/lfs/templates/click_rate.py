"""The debiased click rate against what is usual for the query."""

from __future__ import annotations

from labelkit.errors import LFError
from labelkit.lfs.ballot import Ballot, vote
from labelkit.lfs.expression import col
from labelkit.lfs.templates.template import positive, template


@template(above=(0.75, 1.0, 1.25, 1.5, 2.0), below=(0.5, 0.75, 1.0, 1.25))
def click_rate(
    above: float | None = 1.0,
    below: float | None = 1.0,
    *,
    relevant: int = 1,
    irrelevant: int = 0,
) -> Ballot:
    """The click rate, freed from position bias, lies surely above or surely below what the items
    of this query get on average: the whole interval does, so luck is an unlikely reason.

    ``above`` and ``below`` are multiples of the query's mean rate; None leaves that side out. A
    debiased click rate is the attractiveness of the position-based model (Richardson et al. 2007,
    "Predicting clicks", WWW), whose mean is clicks over expected clicks (Zhang & Jones 2007).
    """
    usual = col("ctr").mean(over="query")
    sides = []
    if above is not None:
        positive("above", above)
        sides.append(vote(relevant, where=col("ctr_low") > above * usual))
    if below is not None:
        positive("below", below)
        sides.append(vote(irrelevant, where=col("ctr_high") < below * usual))
    if not sides:
        raise LFError("above=None and below=None leave nothing to vote on.")
    return sides[0] if len(sides) == 1 else sides[0] | sides[1]
