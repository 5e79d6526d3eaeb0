"""A click simulator with known truth: logs for every purpose that a test or benchmark has.

What comes in: a catalogue, rankers, a click model, and what else goes on in a log. What goes
out: a log in labelkit's own columns, in memory or in a file, with the truth beside it. It must
never look at a seed other than the one it was given.

In the order in which data meets them:

- ``catalogue``    what there is to show; ``rankers`` order it
- ``rows``         what a click model is given and must be able to say; then one model a file:
  ``position``, ``trust``, ``cascade``, ``browsing``
- ``traffic``      devices, sessions, bots; ``swaps``; ``drift`` by the ``clock``
- ``truth``        all settings, and what an estimator must find; ``expected`` clicks of any row;
  ``storage`` beside the log
- ``pages``        which pages are shown; ``impressions`` on them, clicked; ``extras`` columns
- ``simulating``   ``simulate`` and ``simulate_to_parquet``

Each page shows the ranking of one ranker for one query. A ranker's order is fixed per query, as
in production; what makes propensities identifiable is that several rankers (or a share of
randomised pages, or swaps) show the same item at several positions.
"""

from labelkit.logs.simulator.catalogue import Catalogue  # isort: skip — in order of use
from labelkit.logs.simulator.rankers import ADVERSE, GOOD, Ranker  # isort: skip
from labelkit.logs.simulator.rows import PageClicks, PageRows  # isort: skip
from labelkit.logs.simulator.position import ClickModel  # isort: skip
from labelkit.logs.simulator.trust import TrustModel  # isort: skip
from labelkit.logs.simulator.cascade import CascadeModel  # isort: skip
from labelkit.logs.simulator.browsing import BrowsingModel  # isort: skip
from labelkit.logs.simulator.traffic import Bots, Device, Sessions  # isort: skip
from labelkit.logs.simulator.swaps import Swaps  # isort: skip
from labelkit.logs.simulator.drift import Drift  # isort: skip
from labelkit.logs.simulator.truth import Truth  # isort: skip
from labelkit.logs.simulator.simulating import (  # isort: skip
    CHUNK,
    SimulatedLog,
    simulate,
    simulate_to_parquet,
)

__all__ = [
    "ADVERSE",
    "CHUNK",
    "GOOD",
    "Bots",
    "BrowsingModel",
    "CascadeModel",
    "Catalogue",
    "ClickModel",
    "Device",
    "Drift",
    "PageClicks",
    "PageRows",
    "Ranker",
    "Sessions",
    "SimulatedLog",
    "Swaps",
    "TrustModel",
    "Truth",
    "simulate",
    "simulate_to_parquet",
]
