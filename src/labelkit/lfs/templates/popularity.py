"""What people like in general: the baseline that a search or a recommender has to beat."""

from __future__ import annotations

from labelkit.lfs.ballot import Ballot, vote
from labelkit.lfs.expression import col
from labelkit.lfs.templates.template import positive, template


@template(factor=(1.25, 1.5, 2.0, 3.0))
def popularity(factor: float = 1.5, *, relevant: int = 1, irrelevant: int = 0) -> Ballot:
    """Clicked more (or less) than usual wherever it is shown: general liking carries over to this
    query too, though it knows nothing about it.

    The item's mean debiased click rate over all queries against the mean rate of this query's
    items: above by ``factor``, or below by it. It abstains on items that were shown for one query
    only, where it would repeat the click rate. A popularity baseline is hard to beat where taste
    is shared (Cremonesi et al. 2010, "Performance of recommender algorithms on top-n
    recommendation tasks", RecSys) and feeds on its own exposure elsewhere (Cañamares & Castells
    2018, "Should I follow the crowd?", SIGIR), which is why rates are debiased first.
    """
    positive("factor", factor)
    liked, usual = col("ctr").mean(over="item"), col("ctr").mean(over="query")
    several = col("ctr").max(over="item") > col("ctr").min(over="item")
    return vote(relevant, where=several & (liked > factor * usual)) | vote(
        irrelevant, where=several & (liked * factor < usual)
    )


@template(people=(2, 3, 5, 10), times_usual=(1.0, 1.5, 2.0, 3.0))
def several_people(people: int = 2, times_usual: float = 1.5, *, relevant: int = 1) -> Ballot:
    """One person may click by mistake or by taste, independent people seldom do: and of those who
    looked, more chose this than chose the query's other items.

    People per examined impression against the query's usual, where at least ``people`` clicked.
    Agreement of independent users as evidence: Agichtein et al. 2006, "Improving web search
    ranking by incorporating user behavior information", SIGIR.
    """
    positive("people", people)
    positive("times_usual", times_usual)
    usual = col("users").mean(over="query") / col("exposure").mean(over="query")
    return vote(
        relevant,
        where=(col("users") >= people) & (col("users") / col("exposure") > times_usual * usual),
    )
