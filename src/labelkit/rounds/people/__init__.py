"""The people behind the answers: who is asked what, how far they agree, and how good they are.

What comes in: planned batches, and the annotations of a ledger (``Ledger.annotations``).
What goes out: small tables with intervals. Nothing here writes to the ledger.

``assignment`` says which examples get several answers, mixes questions in whose answer is known,
and deals tasks out; ``reading`` brings annotations out of the ledger, ``counts`` makes the one
statistic of agreement from them, ``agreement`` measures it, ``quality`` judges each annotator,
``drift`` watches one over time, and ``forecast`` says when the work will be done.
"""

from __future__ import annotations

from labelkit.rounds.people.agreement import Agreement, agreement, pairwise
from labelkit.rounds.people.assignment import assign, mix_gold, overlap_plan
from labelkit.rounds.people.drift import Drift, drift
from labelkit.rounds.people.forecast import Forecast, forecast
from labelkit.rounds.people.quality import confusions, quality

__all__ = [
    "Agreement",
    "Drift",
    "Forecast",
    "agreement",
    "assign",
    "confusions",
    "drift",
    "forecast",
    "mix_gold",
    "overlap_plan",
    "pairwise",
    "quality",
]
