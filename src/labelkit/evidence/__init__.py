"""Evidence: one row per (query, item), or other labeled unit, with what the log says about it.

What comes in: an ``InteractionLog`` and fitted ``Propensities``. What goes out: a lazy table with
debiased click rates and their intervals, dwell, conversions, skips, people and times; and clicks
as preferences. It must never read clicks without their propensities, nor look at a label, nor at
what came after the time that it is asked about.

- ``columns``        which columns there are, and what a log must bring for each
- ``units``          the log keyed by what is labeled, where that is not (query, item)
- ``recency``        the log as it was known at a time, windows, half-lives
- ``slots``          the curve as a small table to join
- ``sums``           whole-number sums per example
- ``prior``          Gamma prior of click rates; ``placement`` one by where examples were shown,
                     ``query_prior`` one per query
- ``quadrature``     posteriors without a closed form; ``bernoulli`` those of trials
- ``rates``          debiased rates with intervals
- ``seldom``         a warning where examples were shown about once
- ``people``, ``pages``, ``dwell``, ``conversion``, ``reformulation``   passes of their own
- ``table``          ``evidence``, which puts them together
- ``pairs``          preferences between items of one page
- ``robust``         doubly robust rates, with a regression on the user's own columns
"""

from labelkit.evidence.columns import COLUMNS, ON_REQUEST, available  # isort: skip — in order of use
from labelkit.evidence.recency import known_at  # isort: skip
from labelkit.evidence.prior import GammaPrior, fit_gamma_prior  # isort: skip
from labelkit.evidence.placement import PlacementPrior  # isort: skip
from labelkit.evidence.query_prior import QueryPrior  # isort: skip
from labelkit.evidence.table import evidence, gamma_prior  # isort: skip
from labelkit.evidence.pairs import preference_pairs  # isort: skip
from labelkit.evidence.robust import doubly_robust  # isort: skip

__all__ = [
    "COLUMNS",
    "ON_REQUEST",
    "GammaPrior",
    "PlacementPrior",
    "QueryPrior",
    "available",
    "doubly_robust",
    "evidence",
    "fit_gamma_prior",
    "gamma_prior",
    "known_at",
    "preference_pairs",
]
