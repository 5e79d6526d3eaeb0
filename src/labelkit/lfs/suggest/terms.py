"""Terms: the single conditions that suggested rules are made of, and which examples meet them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import narwhals as nw
import numpy as np
import numpy.typing as npt

from labelkit.engine import collect, lazy
from labelkit.lfs.ballot import vote
from labelkit.lfs.expression import Value, col
from labelkit.lfs.kinds import Kind, kind_of_dtype
from labelkit.lfs.logic import Condition, Flag
from labelkit.lfs.overlap import WORD
from labelkit.lfs.stages import prepare

if TYPE_CHECKING:
    import polars as pl

BoolArray = npt.NDArray[np.bool_]
FloatArray = npt.NDArray[np.float64]

# Shares of the examples at which numbers are cut: a person reads nine thresholds more easily than
# a hundred, and finer ones chase chance.
_CUTS = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
# A text column with no more distinct values than this is a category.
_CATEGORIES = 20
_MOST_WORDS = 400
# Writing without spaces: one character is one word there, and has no word boundary.
_UNSPACED = re.compile(r"[一-鿿぀-ヿ฀-๿຀-໿ក-៿]")


@dataclass(frozen=True)
class Term:
    """A condition with the Python that writes it.

    Parameters
    ----------
    condition : as the engine asks it
    code : Python for the same condition, in parentheses where ``&`` needs them
    feature : what is asked of; two terms of one feature make a band and not a second reason
    name : part of a function's name
    """

    condition: Condition
    code: str
    feature: str
    name: str


@dataclass(frozen=True)
class Terms:
    """Terms and the rows that meet them.

    ::

        holds  (n, t) bool, for the rows that were asked for
    """

    terms: tuple[Term, ...]
    holds: BoolArray

    def __len__(self) -> int:
        return len(self.terms)


def find_terms(
    examples: pl.DataFrame,
    rows: npt.NDArray[np.int64],
    *,
    keys: Sequence[str],
    columns: Sequence[str] | None,
    fewest: int,
) -> Terms:
    """Conditions on the columns of the examples that some and not all of the rows meet.

    No label is looked at, so that thresholds and words may be taken from all rows.

    Parameters
    ----------
    rows : places of the examples that are looked at, (n,)
    columns : columns to use; default all but the keys and times
    fewest : a term that fewer rows meet, or fail, is left out
    """
    import polars as pl

    schema = nw.from_native(examples).collect_schema()
    names = [name for name in (schema if columns is None else columns) if name not in keys]
    within = _context(examples, keys)
    parts: list[tuple[Term, BoolArray]] = []
    for name in names:
        kind = kind_of_dtype(schema[name])
        if kind.is_number:
            parts += _numbers(col(name), f"col({quoted(name)})", name, kind, examples, rows)
            if within is not None:
                parts += _relative(name, within, examples, rows)
        elif kind == Kind.BOOLEAN:
            flag = examples[name][rows].fill_null(value=False).to_numpy()
            failed = (~examples[name][rows]).fill_null(value=False).to_numpy()
            parts.append((Term(Flag(col(name)), f"col({quoted(name)})", name, _slug(name)), flag))
            parts.append(
                (Term(~col(name), f"~col({quoted(name)})", name, f"not_{_slug(name)}"), failed)
            )
        elif kind == Kind.TEXT:
            texts = examples[name].cast(pl.String)[rows]
            values = texts.drop_nulls().unique()
            parts += (
                _categories(name, texts, values)
                if len(values) <= _CATEGORIES
                else _words(name, texts, fewest)
            )
    kept = [(term, met) for term, met in parts if fewest <= int(met.sum()) <= len(rows) - fewest]
    if not kept:
        return Terms((), np.zeros((len(rows), 0), dtype=bool))
    return Terms(tuple(term for term, _ in kept), np.column_stack([met for _, met in kept]))


def _context(examples: pl.DataFrame, keys: Sequence[str]) -> str | None:
    """The key whose examples are compared with each other; None where each stands alone."""
    if len(keys) < 2 or not len(examples):
        return None
    repeats = examples[keys[0]].n_unique() <= len(examples) / 2
    return keys[0] if repeats else None


def _numbers(
    value: Value,
    code: str,
    name: str,
    kind: Kind,
    examples: pl.DataFrame,
    rows: npt.NDArray[np.int64],
) -> Iterator[tuple[Term, BoolArray]]:
    numbers = _values(value, examples)[rows]
    for cut in _cuts(numbers, whole=kind == Kind.INTEGER):
        shown = _slug(repr(cut))
        above, below = numbers >= cut, numbers < cut
        yield Term(value >= cut, f"({code} >= {cut!r})", name, f"{_slug(name)}_from_{shown}"), above
        yield Term(value < cut, f"({code} < {cut!r})", name, f"{_slug(name)}_below_{shown}"), below


def _relative(
    name: str,
    within: str,
    examples: pl.DataFrame,
    rows: npt.NDArray[np.int64],
) -> Iterator[tuple[Term, BoolArray]]:
    """A number against the mean of the query's items, where it is a quantity from 0 upwards."""
    value = col(name)
    numbers = _values(value, examples)
    if not np.nanmin(numbers, initial=np.inf) >= 0:
        return
    usual = _values(value.mean(over=within), examples)[rows]
    numbers = numbers[rows]
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = np.where(usual > 0, numbers / usual, np.nan)
    mean, written = value.mean(over=within), f"col({quoted(name)}).mean(over={quoted(within)})"
    for cut in _cuts(ratio, whole=False, digits=2):
        if cut <= 0:
            continue
        for relation, word, met in (
            (">", "over", numbers > cut * usual),
            ("<", "under", numbers < cut * usual),
        ):
            condition = value > cut * mean if relation == ">" else value < cut * mean
            code = f"(col({quoted(name)}) {relation} {cut!r} * {written})"
            label = f"{_slug(name)}_{word}_{_slug(repr(cut))}_of_usual"
            yield Term(condition, code, f"{name} per {within}", label), met


def _values(value: Value, examples: pl.DataFrame) -> FloatArray:
    ready = prepare(lazy(examples), [vote(0, where=value.is_null())])
    number = value.value(ready.collect_schema()).cast(nw.Float64).alias("__x__")
    return collect(ready.select(number))["__x__"].to_numpy().astype(np.float64)


def _cuts(numbers: FloatArray, *, whole: bool, digits: int = 3) -> list[float]:
    """Readable thresholds near quantiles, and the step from the lowest value to the next."""
    known = numbers[np.isfinite(numbers)]
    if not len(known):
        return []
    quantiles = list(np.quantile(known, _CUTS))
    above_lowest = known[known > known.min()]
    if len(above_lowest):
        quantiles.append(above_lowest.min())
    if whole:
        return sorted({int(np.ceil(q)) for q in quantiles})
    return sorted({float(f"{q:.{digits}g}") for q in quantiles})


def _categories(name: str, texts: pl.Series, values: pl.Series) -> Iterator[tuple[Term, BoolArray]]:
    for text in sorted(values.to_list()):
        met = (texts == text).fill_null(value=False).to_numpy()
        code = f"(col({quoted(name)}) == {quoted(text)})"
        yield Term(col(name) == text, code, name, _slug(f"{name}_is_{text}")), met


def _words(name: str, texts: pl.Series, fewest: int) -> Iterator[tuple[Term, BoolArray]]:
    """Words of any script that stand in enough of the texts, the commonest first."""
    import polars as pl

    found = (
        pl.DataFrame({"row": np.arange(len(texts)), "word": texts.str.to_lowercase()})
        .with_columns(pl.col("word").str.extract_all(WORD))
        .explode("word")
        .drop_nulls("word")
        .unique()
    )
    counted = (
        found.group_by("word")
        .agg(pl.col("row"), n=pl.len())
        .filter((pl.col("n") >= fewest) & (pl.col("n") <= len(texts) - fewest))
        .sort("n", "word", descending=[True, False])
        .head(_MOST_WORDS)
    )
    for word, where in zip(counted["word"], counted["row"], strict=True):
        met = np.zeros(len(texts), dtype=bool)
        met[where.to_numpy()] = True
        condition, code = has_word(name, word)
        yield Term(condition, code, f"{name}: {word}", _slug(f"{name}_says_{word}")), met


def has_word(column: str, word: str) -> tuple[Condition, str]:
    """The condition that a text holds a word, whatever its case, and the Python for it."""
    if _UNSPACED.search(word):
        return col(column).contains(word), f"col({quoted(column)}).contains({quoted(word)})"
    # Words are letters, marks and digits here; an underscore parts them, unlike in \b.
    pattern = rf"(?i)(?:^|[^\pL\pM\pN]){re.escape(word)}(?:$|[^\pL\pM\pN])"
    return col(column).matches(pattern), f'col({quoted(column)}).matches(r"{pattern}")'


def _slug(text: str) -> str:
    text = re.sub(r"^-(?=\d)", "minus_", text)
    return re.sub(r"\W+", "_", text.lower()).strip("_")


def quoted(text: str) -> str:
    """A text as Python writes it between double quotes: JSON's escapes are Python's too."""
    return json.dumps(text, ensure_ascii=False)
