"""The interaction log: one contract for every source.

What comes in: files, or frames of any engine. What goes out: an ``InteractionLog`` whose rows
keep the contract, and ``PositionCounts``, the statistic that position bias is fitted from.
It must never change or drop a row silently, and knows nothing of relevance.
"""

from typing import TYPE_CHECKING

from labelkit.logs.schema import COLUMNS, Column  # isort: skip — in the order in which data flows
from labelkit.logs.read import read_log  # isort: skip
from labelkit.logs.log import InteractionLog, LogSummary  # isort: skip
from labelkit.logs.counts import PositionCounts  # isort: skip
from labelkit.logs.traffic import BotRules, Excluded, count_once, exclude, find_bots  # isort: skip

if TYPE_CHECKING:
    from labelkit.logs.simulator import (
        Bots,
        BrowsingModel,
        CascadeModel,
        Catalogue,
        ClickModel,
        Device,
        Drift,
        Ranker,
        Sessions,
        SimulatedLog,
        Swaps,
        TrustModel,
        Truth,
        simulate,
        simulate_to_parquet,
    )

__all__ = [
    "COLUMNS",
    "BotRules",
    "Bots",
    "BrowsingModel",
    "CascadeModel",
    "Catalogue",
    "ClickModel",
    "Column",
    "Device",
    "Drift",
    "Excluded",
    "InteractionLog",
    "LogSummary",
    "PositionCounts",
    "Ranker",
    "Sessions",
    "SimulatedLog",
    "Swaps",
    "TrustModel",
    "Truth",
    "count_once",
    "exclude",
    "find_bots",
    "read_log",
    "simulate",
    "simulate_to_parquet",
]


def __getattr__(name: str) -> object:
    # The simulator needs Polars itself, which reading a log of another engine does not.
    if name in __all__:
        from labelkit.logs import simulator as room

        value: object = getattr(room, name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'labelkit.logs' has no attribute {name!r}")
