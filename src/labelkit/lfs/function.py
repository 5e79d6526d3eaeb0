"""``@labeling_function``: a named vote with its reason, its source and the columns it reads."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import Any, TypeAlias, overload

import narwhals as nw

from labelkit.errors import LFError
from labelkit.evidence import COLUMNS as EVIDENCE
from labelkit.lfs.ballot import Ballot
from labelkit.lfs.batches import BatchFunction
from labelkit.lfs.kinds import Schema
from labelkit.lfs.logic import Condition


@dataclass(frozen=True)
class LabelingFunction:
    """A vote written with `col`: it runs inside the engine, and tells what it needs beforehand.

    Parameters
    ----------
    name : name of the function and of its vote column
    ballot : the rules, in order
    doc : the reason why it should hold
    source : text of the function
    where_defined : ``file:line``
    """

    name: str
    ballot: Ballot
    doc: str = ""
    source: str = ""
    where_defined: str = ""

    @property
    def columns(self) -> frozenset[str]:
        """Names of the columns that it reads."""
        return self.ballot.columns

    @property
    def labels(self) -> frozenset[int]:
        """The labels that it may vote."""
        return self.ballot.labels

    @property
    def rule(self) -> str:
        """What it votes and when, readable."""
        return str(self.ballot)

    @property
    def uses_regex(self) -> bool:
        """Whether it asks for a regular expression."""
        return self.ballot.uses_regex

    def __or__(self, other: object) -> LabelingFunction:
        """The first of the two that does not abstain, under both names."""
        if not isinstance(other, LabelingFunction):
            return NotImplemented
        return LabelingFunction(
            name=f"{self.name}_or_{other.name}",
            ballot=self.ballot | other.ballot,
            doc=" ".join(filter(None, [self.doc, other.doc])),
            source="\n\n".join(filter(None, [self.source, other.source])),
            where_defined=self.where_defined,
        )

    def where(self, condition: Condition | object) -> LabelingFunction:
        """The same function, voting only where a condition is known to hold as well."""
        ballot = self.ballot.where(condition)
        return replace(self, name=f"{self.name}_where", ballot=ballot)

    def __and__(self, condition: object) -> LabelingFunction:
        if isinstance(condition, LabelingFunction | Ballot):
            raise LFError(
                f"{self.at} & another vote: & takes a condition; the first of two votes that does "
                "not abstain is a | b."
            )
        return self.where(condition)

    __rand__ = __and__

    def __invert__(self) -> LabelingFunction:
        """The opposite function between two classes: it votes 0 for 1 and 1 for 0."""
        try:
            ballot = ~self.ballot
        except LFError as error:
            raise LFError(f"{self.at}: {error}") from None
        return replace(self, name=f"not_{self.name}", ballot=ballot)

    def relabel(self, labels: Mapping[int, int]) -> LabelingFunction:
        """The same function with other labels, as for a set of classes that is told apart finer."""
        try:
            return replace(self, ballot=self.ballot.relabel(labels))
        except LFError as error:
            raise LFError(f"{self.at}: {error}") from None

    @property
    def version(self) -> str:
        """Changes whenever the votes might: a digest of the rules and of the tables they read."""
        return blake2b(repr(self.ballot).encode(), digest_size=16).hexdigest()

    def named(self, name: str) -> LabelingFunction:
        """The same function under another name."""
        return replace(self, name=name)

    def missing_from(self, schema: Schema) -> list[str]:
        """The columns that it reads and the examples lack."""
        return sorted(self.columns - set(schema))

    def check(self, schema: Schema) -> None:
        """Whether it can vote on examples with these columns; reads none of them.

        Raises
        ------
        LFError
            A column is missing or of a type that the condition cannot be asked of.
        """
        missing = self.missing_from(schema)
        if missing:
            raise LFError(f"{self.at}: {missing_columns(missing, schema)}")
        try:
            self.ballot.check(schema)
        except LFError as error:
            raise LFError(f"{self.at}: {error}") from None

    def to_expr(self, schema: Schema) -> nw.Expr:
        """The vote as an int8 engine expression named after the function, ABSTAIN = -1."""
        self.check(schema)
        return self.ballot.to_expr(schema).alias(self.name)

    @property
    def at(self) -> str:
        """Name and place, as errors give them."""
        return f"labeling function {self.name!r}" + (
            f" ({self.where_defined})" if self.where_defined else ""
        )

    def __str__(self) -> str:
        return f"{self.name}: {self.rule}"


@dataclass(frozen=True)
class RowFunction:
    """A Python function of one row: accepted as it is, and run row by row.

    Parameters
    ----------
    name : name of the function and of its vote column
    function : gives a label 0 … k-1 or ABSTAIN = -1 for a row ``x`` (``x.column``, ``x["column"]``)
    doc, source, where_defined : as of `LabelingFunction`
    """

    name: str
    function: Callable[[Any], int]
    doc: str = ""
    source: str = ""
    where_defined: str = ""

    @property
    def at(self) -> str:
        """Name and place, as errors give them."""
        return f"labeling function {self.name!r}" + (
            f" ({self.where_defined})" if self.where_defined else ""
        )

    @property
    def rule(self) -> str:
        """What it votes and when: only Python knows."""
        return "a Python function of one row"

    def __call__(self, x: Any) -> int:
        """The label of one row."""
        return self.function(x)


_SNORKEL = ("snorkel.", "labelkit.lfs.snorkel.")  # told without importing either

AnyLF: TypeAlias = LabelingFunction | RowFunction | BatchFunction


@overload
def labeling_function(function: Callable[[], Ballot | LabelingFunction], /) -> LabelingFunction: ...
@overload
def labeling_function(function: Callable[[], BatchFunction], /) -> BatchFunction: ...
@overload
def labeling_function(function: Callable[[Any], int], /) -> RowFunction: ...
@overload
def labeling_function(*, name: str | None = None) -> Callable[[Callable[..., Any]], AnyLF]: ...
def labeling_function(
    function: Callable[..., Any] | None = None, /, *, name: str | None = None
) -> Any:
    """Make a labeling function: ``@labeling_function`` or ``@labeling_function(name="…")``.

    A function without arguments returns a `vote` (or a composition ``a | b``: the first that does
    not abstain) and runs in the engine, or a model's vote, which runs in batches. A function of
    one row, ``f(x) -> int``, runs row by row.
    Its docstring says why it should hold.

    Examples
    --------
    >>> from labelkit import col, labeling_function, vote
    >>> @labeling_function
    ... def examined_but_never_clicked():
    ...     '''Seen often enough that a relevant item would have been clicked.'''
    ...     return vote(0, where=col("ctr_high") < 0.02)
    >>> print(examined_but_never_clicked)
    examined_but_never_clicked: 0 where ctr_high < 0.02
    """
    if function is None:
        return lambda decorated: _make(decorated, name)
    if not callable(function):
        raise LFError(
            "@labeling_function stands above a function; to name one, write "
            '@labeling_function(name="…").'
        )
    return _make(function, name)


def as_lf(thing: object) -> AnyLF:
    """Anything that votes as an LF: ours, a plain function of one row, or Snorkel's.

    Raises
    ------
    LFError
        It is neither.
    """
    if isinstance(thing, LabelingFunction | RowFunction) or (
        isinstance(thing, BatchFunction) and thing.name
    ):
        return thing
    if isinstance(thing, BatchFunction):
        raise LFError(f"`{thing.rule}` has no name: put it under @labeling_function.")
    if isinstance(thing, Ballot):
        raise LFError(f"`{thing}` is a vote without a name: put it under @labeling_function.")
    if is_snorkel_lf(thing):
        snorkel: Any = thing
        return RowFunction(snorkel.name, snorkel, **_origin(snorkel._f))
    if inspect.isclass(thing) or not callable(thing):
        raise LFError(f"{thing!r} is not a labeling function.")
    return _make(thing, None)


def is_snorkel_lf(thing: object) -> bool:
    """Whether it is a LabelingFunction of Snorkel's, or of our module that stands in for it."""
    return any(
        base.__module__.startswith(_SNORKEL) and base.__name__ == "LabelingFunction"
        for base in type(thing).__mro__
    )


def _make(function: Callable[..., Any], name: str | None) -> AnyLF:
    chosen = str(name or getattr(function, "__name__", type(function).__name__))
    origin = _origin(function)
    required = [
        parameter
        for parameter in inspect.signature(function).parameters.values()
        if parameter.default is parameter.empty
        and parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
    ]
    if len(required) == 1:
        return RowFunction(chosen, function, **origin)
    place = f"labeling function {chosen!r} ({origin['where_defined']})"
    if required:
        raise LFError(
            f"{place} takes {len(required)} arguments: it takes none and returns vote(...), "
            "or one row and returns a label."
        )
    try:
        result = function()
    except LFError as error:
        raise LFError(f"{place}: {error}") from None
    if isinstance(result, BatchFunction):
        return replace(
            result,
            name=chosen,
            doc=origin["doc"],
            source=origin["source"],
            where_defined=origin["where_defined"],
        )
    ballot = result.ballot if isinstance(result, LabelingFunction) else result
    if not isinstance(ballot, Ballot):
        raise LFError(f"{place} returns {result!r} instead of vote(LABEL, where=condition).")
    return LabelingFunction(chosen, ballot, **origin)


def _origin(function: Callable[..., Any]) -> dict[str, str]:
    """Reason, text and place of a function, as far as Python knows them."""
    inner = inspect.unwrap(function)
    try:
        source = inspect.getsource(inner)
    except (OSError, TypeError):
        source = ""  # typed at a prompt, or made by another function
    code = getattr(inner, "__code__", None)
    place = f"{code.co_filename}:{code.co_firstlineno}" if code else ""
    return {"doc": inspect.getdoc(inner) or "", "source": source, "where_defined": place}


def missing_columns(missing: list[str], schema: Schema) -> str:
    """Which columns are not there, what resembles them, and what would bring them."""
    sentences = []
    for column in missing:
        close = difflib.get_close_matches(column, list(schema), n=3, cutoff=0.6)
        sentence = f"the examples have no column {column!r}"
        source, _ = EVIDENCE.get(column, ((), ""))
        if source:
            wanted = " and ".join(source).replace("|", " or ")
            sentence += f" (evidence has it when the log has {wanted})"
        if close:
            sentence += f"; did you mean {' or '.join(map(repr, close))}?"
        else:
            sentence += f"; they have {', '.join(list(schema)[:20])}."
        sentences.append(sentence)
    return " ".join(sentences)
