"""Questions about an example among the others of its query, as methods of a value."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeAlias, cast

from labelkit.errors import LFError

if TYPE_CHECKING:
    from labelkit.lfs.expression import Value

# The column, or columns, whose values examples of one group share.
Over: TypeAlias = "str | Sequence[str]"


class OverGroups:
    """``col("ctr").rank(over="query")`` and its kin, as made by ``windows`` and ``totals``."""

    def mean(self, *, over: Over) -> Value:
        """Mean within the examples that share a value of ``over``, such as a query."""
        from labelkit.lfs.totals import Total

        return Total(_value(self), "mean", group(over))

    def sum(self, *, over: Over) -> Value:
        """Sum within the examples that share a value of ``over``; unknown if none is known."""
        from labelkit.lfs.totals import Total

        return Total(_value(self), "sum", group(over))

    def std(self, *, over: Over) -> Value:
        """Standard deviation (with n - 1) within the examples that share a value of ``over``."""
        from labelkit.lfs.totals import Spread

        return Spread(_value(self), group(over))

    def median(self, *, over: Over) -> Value:
        """Median within the examples that share a value of ``over``."""
        from labelkit.lfs.windows import Median

        return Median(_value(self), group(over))

    def min(self, *, over: Over) -> Value:
        """Smallest value within the examples that share a value of ``over``."""
        from labelkit.lfs.windows import Window

        return Window(_value(self), "min", group(over))

    def max(self, *, over: Over) -> Value:
        """Largest value within the examples that share a value of ``over``."""
        from labelkit.lfs.windows import Window

        return Window(_value(self), "max", group(over))

    def count(self, *, over: Over) -> Value:
        """How many known values there are within the examples that share a value of ``over``."""
        from labelkit.lfs.windows import Window

        return Window(_value(self), "count", group(over))

    def rank(self, *, over: Over, descending: bool = True) -> Value:
        """Place within the examples that share a value of ``over``: 1 is the largest.

        Equal values share the better place (1, 2, 2, 4); a missing value has none, so it abstains.

        Parameters
        ----------
        over : column, or columns, such as the query
        descending : whether 1 is the largest; else it is the smallest

        Examples
        --------
        >>> from labelkit import col
        >>> print(col("ctr").rank(over="query") <= 3)
        rank(ctr, largest first) per query <= 3
        """
        from labelkit.lfs.windows import Window

        return Window(_value(self), "rank" if descending else "rank from below", group(over))

    def share(self, *, over: Over) -> Value:
        """The number over the sum of those that share a value of ``over``; unknown if that is 0."""
        from labelkit.lfs.totals import Share

        return Share(_value(self), group(over))

    def max_of_others(self, *, over: Over) -> Value:
        """Largest value among the *other* examples that share a value of ``over``.

        ``x > x.max_of_others(over="query")`` holds for a sole winner,
        ``x > 2 * x.max_of_others(over="query")`` for one that is twice as good as the next.
        """
        from labelkit.lfs.windows import OfOthers

        return OfOthers(_value(self), "max", group(over))

    def min_of_others(self, *, over: Over) -> Value:
        """Smallest value among the *other* examples that share a value of ``over``."""
        from labelkit.lfs.windows import OfOthers

        return OfOthers(_value(self), "min", group(over))

    def gap_to_best(self, *, over: Over) -> Value:
        """How far the number is below the largest of those that share a value of ``over``, ≥ 0."""
        value = _value(self)
        return value.max(over=over) - value


def group(over: Over) -> tuple[str, ...]:
    """The columns that ``over`` names.

    Raises
    ------
    LFError
        It names none.
    """
    names = (over,) if isinstance(over, str) else tuple(over)
    if not names or not all(isinstance(name, str) and name for name in names):
        raise LFError(f"over=… takes the name of a column, such as 'query'; got {over!r}.")
    return names


def _value(self: OverGroups) -> Value:
    return cast("Value", self)
