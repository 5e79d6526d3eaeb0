"""Time spent after the click."""

from __future__ import annotations

from labelkit.errors import LFError
from labelkit.lfs.ballot import Ballot, vote
from labelkit.lfs.expression import col
from labelkit.lfs.templates.template import positive, template


@template(seconds=(5, 10, 15, 20, 30, 45, 60, 90, 120))
def long_dwell(
    seconds: float | None = 30, *, times_usual: float | None = None, relevant: int = 1
) -> Ballot:
    """Who stays for half a minute is reading: the usual mark of a satisfied click.

    ``times_usual`` asks for a multiple of the query's mean dwell too: half a minute is long for
    an address and short for an article. With ``seconds=None`` it asks for that alone. Thirty
    seconds: Fox et al. 2005, "Evaluating implicit measures to improve web search", TOIS 23(2);
    that the right threshold depends on the topic: Kim et al. 2014, "Modeling dwell time to predict
    click-level satisfaction", WSDM.
    """
    parts = []
    if seconds is not None:
        positive("seconds", seconds)
        parts.append(col("dwell_max") >= seconds)
    if times_usual is not None:
        positive("times_usual", times_usual)
        parts.append(col("dwell_max") >= times_usual * col("dwell_mean").mean(over="query"))
    if not parts:
        raise LFError("seconds=None and times_usual=None leave nothing to vote on.")
    return vote(relevant, where=parts[0] if len(parts) == 1 else parts[0] & parts[1])
