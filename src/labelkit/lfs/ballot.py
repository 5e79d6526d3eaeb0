"""``vote(LABEL, where=condition)``: which label a labeling function gives, and when."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import narwhals as nw

from labelkit.errors import LFError
from labelkit.lfs.kinds import Schema
from labelkit.lfs.logic import Condition, as_condition
from labelkit.lfs.patterns import ABSTAIN
from labelkit.lfs.stages import staged


@dataclass(frozen=True)
class Rule:
    """One label, and the condition under which it is voted; without condition, always."""

    label: int
    where: Condition | None

    def __str__(self) -> str:
        return f"{self.label} always" if self.where is None else f"{self.label} where {self.where}"


@dataclass(frozen=True)
class Ballot:
    """Rules in order: the first whose condition is known to hold votes, and else it abstains.

    ``a | b`` is the rules of ``a``, then those of ``b``: the first that does not abstain. So ``|``
    is associative, and abstaining everywhere would be its neutral element.
    """

    rules: tuple[Rule, ...]

    def __or__(self, other: object) -> Ballot:
        if not isinstance(other, Ballot):
            return NotImplemented
        return Ballot(self.rules + other.rules)

    def where(self, condition: Condition | object) -> Ballot:
        """The same votes, cast only where a condition is known to hold as well."""
        more = as_condition(condition)
        return Ballot(
            tuple(
                Rule(rule.label, more if rule.where is None else rule.where & more)
                for rule in self.rules
            )
        )

    def __and__(self, condition: object) -> Ballot:
        return self.where(condition)

    __rand__ = __and__

    def relabel(self, labels: Mapping[int, int]) -> Ballot:
        """The same conditions with other labels: each label that it votes must have its new one.

        Raises
        ------
        LFError
            A label has no new one, or the new one is none.
        """
        without = sorted(self.labels - set(labels))
        if without:
            raise LFError(f"relabel has no new label for {', '.join(map(str, without))}.")
        new = {label: as_label(labels[label]) for label in self.labels}
        return Ballot(tuple(Rule(new[rule.label], rule.where) for rule in self.rules))

    def __invert__(self) -> Ballot:
        """The opposite of a vote between two classes: 0 becomes 1, and 1 becomes 0.

        Where it abstains, so does its opposite.
        """
        if not self.labels <= {0, 1}:
            raise LFError(
                f"~ swaps the labels 0 and 1, and this votes {sorted(self.labels)}: say what "
                "becomes of each with .relabel({0: …, 1: …})."
            )
        return self.relabel({0: 1, 1: 0})

    @property
    def columns(self) -> frozenset[str]:
        """Names of the columns that the rules read."""
        conditions = [rule.where for rule in self.rules if rule.where is not None]
        return frozenset().union(*(condition.columns for condition in conditions))

    @property
    def labels(self) -> frozenset[int]:
        """The labels that may be voted."""
        return frozenset(rule.label for rule in self.rules)

    @property
    def uses_regex(self) -> bool:
        """Whether a rule asks for a regular expression."""
        return any(rule.where is not None and rule.where.uses_regex for rule in self.rules)

    def check(self, schema: Schema) -> None:
        """Raise `LFError` if a rule cannot be asked of these columns."""
        for rule in self.rules:
            if rule.where is not None:
                rule.where.check(schema)

    def to_expr(self, schema: Schema) -> nw.Expr:
        """The vote as an int8 engine expression, ABSTAIN = -1."""
        unmade = [
            node.column
            for level in staged([self], schema)
            for node in level
            if node.column not in schema
        ]
        if unmade:
            raise LFError(
                f"`{self}` reads windows, words or tables, which are made before the votes are: "
                "hand examples to `prepare` first, or to `apply`."
            )
        result = nw.lit(ABSTAIN, dtype=nw.Int8)
        for rule in reversed(self.rules):
            label = nw.lit(rule.label, dtype=nw.Int8)
            if rule.where is None:
                result = label
            else:
                result = nw.when(rule.where.holds(schema)).then(label).otherwise(result)
        return result

    def __str__(self) -> str:
        return ", else ".join(str(rule) for rule in self.rules)


def vote(label: int, *, where: Condition | object = None) -> Ballot:
    """Vote ``label`` where a condition is known to hold, and abstain elsewhere.

    A null or NaN that leaves the condition unknown makes it abstain, on every engine. Without
    ``where`` the label is voted always: the last resort of a composition.

    Parameters
    ----------
    label : whole number 0 … k-1
    where : condition on columns, written with `col`

    Examples
    --------
    >>> from labelkit import col, vote
    >>> print(vote(1, where=col("dwell_max") >= 30) | vote(0, where=col("dwell_max") < 5))
    1 where dwell_max >= 30, else 0 where dwell_max < 5
    """
    return Ballot((Rule(as_label(label), None if where is None else as_condition(where)),))


def as_label(label: object) -> int:
    """``label`` as the whole number 0 … 126 that it must be; raises `LFError`."""
    plain = label.item() if hasattr(label, "item") else label
    if isinstance(plain, bool) or not isinstance(plain, int):
        raise LFError(f"A vote is for a whole number 0, 1, …; got {label!r}.")
    if plain == ABSTAIN:
        raise LFError("An LF abstains wherever its condition does not hold: no vote for ABSTAIN.")
    if not 0 <= plain < 127:
        raise LFError(f"A vote is for a whole number from 0 to 126; got {plain}.")
    return int(plain)
