"""Words: one rule for all languages and engines.

A text is put into lower case; a word is a run of letters, marks and digits, and a character of a
script that writes without spaces is one by itself (``WORD``, the rule of `text_evidence`). Engines
differ in their Unicode tables and in what lower case is, so words are read by Polars, to which the
examples go as they do for regular expressions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from typing import TYPE_CHECKING

from labelkit.errors import LFError
from labelkit.lfs.expression import Value
from labelkit.lfs.kinds import Kind, Schema
from labelkit.lfs.overlap import WORD
from labelkit.lfs.stages import Answered, Derived, Kept, PolarsStep

if TYPE_CHECKING:
    import polars as pl


def phrases_of(texts: Iterable[object]) -> tuple[str, ...]:
    """The words of each text with one space between them; texts of the same words once.

    Raises
    ------
    LFError
        One is no text, or has no word.
    """
    import polars as pl

    given = list(texts)
    for text in given:
        if not isinstance(text, str):
            raise LFError(f"A word to look for is a text; got {text!r}.")
    found = pl.DataFrame({"text": given}, schema={"text": pl.String}).select(
        _spaced(pl.col("text")).str.strip_chars(" ").alias("text")
    )["text"]
    wordless = (found == "").arg_max()
    if wordless is not None and found[wordless] == "":
        raise LFError(
            f"{given[wordless]!r} has no word to look for: letters and digits make words."
        )
    return tuple(dict.fromkeys(found.to_list()))


def _words(text: pl.Expr) -> pl.Expr:
    return text.str.to_lowercase().str.extract_all(WORD)


def _spaced(text: pl.Expr) -> pl.Expr:
    import polars as pl

    return pl.concat_str(pl.lit(" "), _words(text).list.join(" "), pl.lit(" "))


def _check_text(whole: object, part: Value, schema: Schema) -> None:
    kind = part.kind(schema)
    if kind != Kind.TEXT:
        raise LFError(f"`{whole}` asks for text, but {part} is {kind.value}.")


@dataclass(frozen=True, eq=False)
class _FromText(PolarsStep):
    """A column made of a text's own."""

    part: Kept
    what: str

    @property
    def columns(self) -> frozenset[str]:
        return self.part.columns

    def kind(self, schema: Schema) -> Kind:
        return {"lower": Kind.TEXT, "spaced": Kind.TEXT, "count": Kind.INTEGER}.get(
            self.what, Kind.OTHER
        )

    def made(self) -> pl.Expr:
        import polars as pl

        text = pl.col(self.part.column)
        make: dict[str, Callable[[pl.Expr], pl.Expr]] = {
            "lower": lambda text: text.str.to_lowercase(),
            "spaced": _spaced,
            "count": lambda text: _words(text).list.len().cast(pl.Int64),
            "distinct": lambda text: _words(text).list.unique(),
        }
        return make[self.what](text)

    def __str__(self) -> str:
        return str(self.part)


@dataclass(frozen=True, eq=False)
class Lower(Derived):
    """A text in lower case."""

    part: Value

    @property
    def columns(self) -> frozenset[str]:
        return self.part.columns

    def kind(self, schema: Schema) -> Kind:
        _check_text(self, self.part, schema)
        return Kind.TEXT

    def means(self, schema: Schema) -> Value:
        return _FromText(Kept(self.part), "lower")

    def __str__(self) -> str:
        return f"lower({self.part})"


@dataclass(frozen=True, eq=False)
class Count(Derived):
    """Number of words."""

    part: Value

    @property
    def columns(self) -> frozenset[str]:
        return self.part.columns

    def kind(self, schema: Schema) -> Kind:
        _check_text(self, self.part, schema)
        return Kind.INTEGER

    def means(self, schema: Schema) -> Value:
        return _FromText(Kept(self.part), "count")

    def __str__(self) -> str:
        return f"n_tokens({self.part})"


@dataclass(frozen=True, eq=False)
class Overlap(Derived):
    """Share of a text's distinct words that another has."""

    part: Value
    other: Value

    @property
    def columns(self) -> frozenset[str]:
        return self.part.columns | self.other.columns

    def kind(self, schema: Schema) -> Kind:
        _check_text(self, self.part, schema)
        _check_text(self, self.other, schema)
        return Kind.FLOAT

    def means(self, schema: Schema) -> Value:
        return _Shared(
            _FromText(Kept(self.part), "distinct"), _FromText(Kept(self.other), "distinct")
        )

    def __str__(self) -> str:
        return f"overlap({self.part}, {self.other})"


@dataclass(frozen=True, eq=False)
class _Shared(PolarsStep):
    words: _FromText
    others: _FromText

    @property
    def columns(self) -> frozenset[str]:
        return self.words.columns | self.others.columns

    def kind(self, schema: Schema) -> Kind:
        return Kind.FLOAT

    def made(self) -> pl.Expr:
        import polars as pl

        words, others = pl.col(self.words.column), pl.col(self.others.column)
        shared = words.list.set_intersection(others).list.len()
        known = words.is_not_null() & others.is_not_null() & (words.list.len() > 0)
        return pl.when(known).then(shared / words.list.len())

    def __str__(self) -> str:
        return f"overlap({self.words}, {self.others})"


class Phrases:
    """Phrases to look for, which show themselves by a few words and a digest of them all."""

    def __init__(self, texts: Iterable[object]) -> None:
        self.texts = phrases_of(texts)

    @cached_property
    def _digest(self) -> str:
        return blake2b("\n".join(self.texts).encode(), digest_size=8).hexdigest()

    def __repr__(self) -> str:
        return f"Phrases({len(self.texts)}, {self._digest})"

    def __str__(self) -> str:
        shown = ", ".join(map(repr, self.texts[:5]))
        return f"[{shown}{', …' if len(self.texts) > 5 else ''}]"


@dataclass(frozen=True, eq=False)
class Has(Answered):
    """A text that has one of some phrases, word by word."""

    part: Value
    phrases: Phrases

    def __post_init__(self) -> None:
        if not self.phrases.texts:
            raise LFError(f"has_any([]) on {self.part} never holds: the list is empty.")

    @property
    def columns(self) -> frozenset[str]:
        return self.part.columns

    def check(self, schema: Schema) -> None:
        _check_text(self, self.part, schema)

    def means(self, schema: Schema) -> Value:
        return _Found(_FromText(Kept(self.part), "spaced"), self.phrases)

    def __str__(self) -> str:
        if len(self.phrases.texts) == 1:
            return f"{self.part} has {self.phrases.texts[0]!r}"
        return f"{self.part} has any of {self.phrases}"


@dataclass(frozen=True, eq=False)
class _Found(PolarsStep):
    spaced: _FromText
    phrases: Phrases

    @property
    def columns(self) -> frozenset[str]:
        return self.spaced.columns

    def kind(self, schema: Schema) -> Kind:
        return Kind.BOOLEAN

    def made(self) -> pl.Expr:
        import polars as pl

        text = pl.col(self.spaced.column)
        wanted = [f" {phrase} " for phrase in self.phrases.texts]
        if len(wanted) == 1:
            return text.str.contains(wanted[0], literal=True)
        return text.str.contains_any(wanted)

    def __str__(self) -> str:
        return str(self.spaced)
