"""The interaction log: one contract for every source.

What comes in: files, or frames of any engine. What goes out: an ``InteractionLog`` whose rows
keep the contract, and ``PositionCounts``, the statistic that position bias is fitted from.
It must never change or drop a row silently, and knows nothing of relevance.
"""

from labelkit.logs.schema import COLUMNS, Column  # isort: skip — in the order in which data flows
from labelkit.logs.read import read_log  # isort: skip
from labelkit.logs.log import InteractionLog, LogSummary  # isort: skip
from labelkit.logs.counts import PositionCounts  # isort: skip

__all__ = ["COLUMNS", "Column", "InteractionLog", "LogSummary", "PositionCounts", "read_log"]
