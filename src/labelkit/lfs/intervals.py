"""``interval("ctr") > usual``: surely above, surely not, or unknown where it straddles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NoReturn

import narwhals as nw

from labelkit.errors import LFError
from labelkit.lfs.expression import Value, as_value, col
from labelkit.lfs.kinds import Schema
from labelkit.lfs.logic import Condition, no_truth_value


def interval(low: str | Value, high: str | Value | None = None) -> Interval:
    """A quantity of which two columns give an interval, compared only where that decides.

    Parameters
    ----------
    low : the column with the lower end, or the stem of two columns: ``"ctr"`` is ``ctr_low`` and
        ``ctr_high``
    high : the column with the upper end

    Examples
    --------
    >>> from labelkit.lfs import col, interval, vote
    >>> usual = col("ctr").mean(over="query")
    >>> print(vote(1, where=interval("ctr") > usual))
    1 where ctr surely > mean(ctr) per query
    """
    if high is None:
        if not isinstance(low, str):
            raise LFError(
                "interval takes the names of two columns, or the stem of ctr_low, ctr_high."
            )
        return Interval(col(f"{low}_low"), col(f"{low}_high"), low)
    ends = [col(end) if isinstance(end, str) else as_value(end) for end in (low, high)]
    return Interval(ends[0], ends[1], f"[{ends[0]}, {ends[1]}]")


@dataclass(frozen=True, eq=False)
class Interval:
    """Two ends; compared with a number, a value or another interval."""

    low: Value
    high: Value
    name: str

    def __gt__(self, other: object) -> Condition:
        low, high = _ends(other)
        return Surely(self.low > high, self.high <= low, f"{self} surely > {other}")

    def __ge__(self, other: object) -> Condition:
        low, high = _ends(other)
        return Surely(self.low >= high, self.high < low, f"{self} surely >= {other}")

    def __lt__(self, other: object) -> Condition:
        low, high = _ends(other)
        return Surely(self.high < low, self.low >= high, f"{self} surely < {other}")

    def __le__(self, other: object) -> Condition:
        low, high = _ends(other)
        return Surely(self.high <= low, self.low > high, f"{self} surely <= {other}")

    def __eq__(self, other: object) -> NoReturn:
        raise LFError(f"`{self}` is an interval, which equals nothing: ask <, <=, >, >=.")

    __ne__ = __eq__
    __hash__ = object.__hash__

    def surely_above(self, threshold: object) -> Condition:
        """The whole interval lies above; surely not where it lies below; else unknown."""
        return self > threshold

    def surely_below(self, threshold: object) -> Condition:
        """The whole interval lies below; surely not where it lies above; else unknown."""
        return self < threshold

    def __bool__(self) -> bool:
        no_truth_value(self)

    def __str__(self) -> str:
        return self.name


def _ends(other: object) -> tuple[Value, Value]:
    if isinstance(other, Interval):
        return other.low, other.high
    value = as_value(other)
    return value, value


@dataclass(frozen=True, eq=False)
class Surely(Condition):
    """Holds where one condition holds, fails where another does, and is unknown between them."""

    yes: Condition
    no: Condition
    text: str

    @property
    def columns(self) -> frozenset[str]:
        return self.yes.columns | self.no.columns

    @property
    def uses_regex(self) -> bool:
        return self.yes.uses_regex or self.no.uses_regex

    def check(self, schema: Schema) -> None:
        self.yes.check(schema)
        self.no.check(schema)

    def holds(self, schema: Schema) -> nw.Expr:
        return self.yes.holds(schema)

    def fails(self, schema: Schema) -> nw.Expr:
        return self.no.holds(schema)

    def __str__(self) -> str:
        return self.text
