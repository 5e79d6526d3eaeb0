"""Features from a table of examples: numbers, texts, or both, found again by key."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias

import narwhals as nw
import numpy as np

from labelkit.endmodels.alignment import key_table
from labelkit.endmodels.softlabels import FloatArray
from labelkit.engine import NativeFrame, collect, lazy, nan_to_null
from labelkit.errors import EndModelError

if TYPE_CHECKING:
    import polars as pl

ReadByLFs: TypeAlias = Literal["flag", "exclude"]


class Reader(Protocol):
    """A labeling function that says which columns it reads."""

    @property
    def name(self) -> str: ...

    @property
    def columns(self) -> frozenset[str]: ...


@dataclass(frozen=True)
class Recipe:
    """How columns become features, as learned from one table and repeated on any other.

    Parameters
    ----------
    numeric, text : columns
    keys : columns that identify a row; () if the table has none
    fill : (number of numeric columns,) what stands for a missing number: the column's median
    gaps : numeric columns that had gaps, each of which gets a column "… is missing", 0 or 1
    centre, spread : mean and standard deviation that numbers are brought to 0 and 1 by
    vectorizers : one fitted scikit-learn vectorizer per text column
    """

    numeric: tuple[str, ...]
    text: tuple[str, ...]
    keys: tuple[str, ...]
    fill: FloatArray
    gaps: tuple[str, ...]
    centre: FloatArray
    spread: FloatArray
    vectorizers: tuple[Any, ...] = field(repr=False)

    @property
    def names(self) -> tuple[str, ...]:
        """What each column of the matrix is."""
        numbers = [*self.numeric, *(f"{name} is missing" for name in self.gaps)]
        terms = (
            f"{name}: {term}"
            for name, vectorizer in zip(self.text, self.vectorizers, strict=True)
            for term in _terms(vectorizer)
        )
        return (*numbers, *terms)

    def matrix(self, table: nw.DataFrame[Any]) -> Any:
        """Features (n, d): a NumPy array, or a sparse CSR matrix where there is text."""
        raw = _numbers(table, self.numeric)
        missing = np.isnan(raw)
        scaled = (np.where(missing, self.fill, raw) - self.centre) / self.spread
        flags = missing[:, [self.numeric.index(name) for name in self.gaps]]
        numbers = np.hstack([scaled, flags.astype(np.float64)])
        if not self.text:
            return numbers
        from scipy import sparse

        texts = [
            vectorizer.transform(_texts(table, name))
            for name, vectorizer in zip(self.text, self.vectorizers, strict=True)
        ]
        return sparse.hstack([sparse.csr_matrix(numbers), *texts], format="csr")


@dataclass(frozen=True)
class Features:
    """A feature matrix, and the keys by which labels find their rows.

    ::

        matrix       (n, d) NumPy array, or SciPy CSR matrix where there is text
        names        what the d columns are; terms of a hashing vectorizer have numbers only
        keys         Polars frame of the key columns (n rows), None without any
        read_by_lfs  columns used here that a labeling function reads: a model that sees them can
                     repeat the function instead of learning what it stands for
        recipe       to make the same features of other rows
    """

    matrix: Any
    names: tuple[str, ...]
    keys: pl.DataFrame | None
    read_by_lfs: tuple[str, ...]
    recipe: Recipe
    native: NativeFrame = field(repr=False)

    def __len__(self) -> int:
        return int(self.matrix.shape[0])

    def like(self, frame: NativeFrame) -> Features:
        """The same features of other examples: medians, scales and vocabulary stay as they are.

        Raises
        ------
        EndModelError
            ``frame`` lacks a column, or has one of another type.
        """
        table = _read(frame, self.recipe.numeric, self.recipe.text, self.recipe.keys)
        keys = key_table(table, self.recipe.keys, "The features") if self.recipe.keys else None
        return Features(
            self.recipe.matrix(table), self.names, keys, self.read_by_lfs, self.recipe, frame
        )


def features(
    frame: NativeFrame,
    *,
    numeric: Sequence[str] = (),
    text: Sequence[str] = (),
    keys: Sequence[str] = ("query", "item"),
    vectorizer: Any = None,
    scale: bool = True,
    lfs: Iterable[Reader] = (),
    read_by_lfs: ReadByLFs = "flag",
) -> Features:
    """Features for an end model from columns of an evidence table, or of any other.

    Parameters
    ----------
    frame : one row per example, in any engine; it is collected, the named columns only
    numeric : columns of numbers or booleans. A null or NaN becomes the median of the column, and a
        column of 0 and 1 says where it was; an infinite number is an error
    text : columns of text, each made into TF-IDF features of its own; a null is an empty text
    keys : key columns; () if labels come in the order of the rows
    vectorizer : scikit-learn vectorizer to clone for each text column; by default
        ``TfidfVectorizer(sublinear_tf=True)``. ``HashingVectorizer`` keeps no vocabulary
    scale : bring numbers to mean 0 and standard deviation 1, which linear models need and trees do
        not mind
    lfs : labeling functions whose columns are watched
    read_by_lfs : "flag" names, in ``Features.read_by_lfs``, the columns that one of ``lfs`` reads;
        "exclude" leaves them out

    Raises
    ------
    EndModelError
        A column is missing, of the wrong type, infinite somewhere or empty throughout; no column
        is left; a row function of ``lfs`` does not say what it reads; a key stands twice.

    Examples
    --------
    >>> import polars as pl
    >>> from labelkit.endmodels import features
    >>> frame = pl.DataFrame({"query": ["a", "a"], "item": [1, 2], "price": [3.0, None],
    ...                       "title": ["red shoes", "blue hat"]})
    >>> made = features(frame, numeric=["price"], text=["title"])
    >>> made.names
    ('price', 'price is missing', 'title: blue', 'title: hat', 'title: red', 'title: shoes')
    """
    watched = _columns_read(lfs)
    if read_by_lfs == "exclude":
        numeric = [name for name in numeric if name not in watched]
        text = [name for name in text if name not in watched]
    elif read_by_lfs != "flag":
        raise EndModelError(f"read_by_lfs is 'flag' or 'exclude', not {read_by_lfs!r}.")
    if not numeric and not text:
        raise EndModelError(
            "No column is left to make features of: name numeric=[...] or text=[...]"
            + (
                f" that no labeling function reads (they read: {', '.join(sorted(watched))})."
                if watched
                else "."
            )
        )
    table = _read(frame, numeric, text, keys)
    if not len(table):
        raise EndModelError("There are no rows to make features of.")
    key_columns = key_table(table, keys, "The features") if keys else None
    recipe = _learn(table, tuple(numeric), tuple(text), tuple(keys), vectorizer, scale=scale)
    used = tuple(name for name in (*numeric, *text) if name in watched)
    return Features(recipe.matrix(table), recipe.names, key_columns, used, recipe, frame)


def _columns_read(lfs: Iterable[Reader]) -> frozenset[str]:
    columns: frozenset[str] = frozenset()
    for lf in lfs:
        if not hasattr(lf, "columns"):
            raise EndModelError(
                f"The row function {lf.name!r} does not say which columns it reads, so they cannot "
                "be flagged or left out. Write it with vote(...), or leave it out of lfs."
            )
        columns |= lf.columns
    return columns


def _read(
    frame: NativeFrame, numeric: Sequence[str], text: Sequence[str], keys: Sequence[str]
) -> nw.DataFrame[Any]:
    source = lazy(frame)
    schema = source.collect_schema()
    wanted = [*numeric, *text]
    missing = [name for name in wanted if name not in schema]
    if missing:
        raise EndModelError(
            f"There is no column {', '.join(map(repr, missing))} to make features of (columns: "
            f"{', '.join(schema)})."
        )
    twice = sorted({name for name in wanted if wanted.count(name) > 1})
    if twice:
        raise EndModelError(f"The column {twice[0]!r} is named twice.")
    for name in numeric:
        if not (schema[name].is_numeric() or schema[name] == nw.Boolean):
            raise EndModelError(f"The column {name!r} is {schema[name]}: not numeric.")
    for name in text:
        if schema[name] not in (nw.String, nw.Categorical, nw.Enum):
            raise EndModelError(f"The column {name!r} is {schema[name]}: not text.")
    named = [name for name in keys if name in schema]
    return collect(nan_to_null(source.select(*dict.fromkeys([*named, *wanted]))))


def _learn(
    table: nw.DataFrame[Any],
    numeric: tuple[str, ...],
    text: tuple[str, ...],
    keys: tuple[str, ...],
    vectorizer: Any,
    *,
    scale: bool,
) -> Recipe:
    raw = _numbers(table, numeric)
    missing = np.isnan(raw)
    for name, gaps in zip(numeric, missing.T, strict=True):
        if gaps.all():
            raise EndModelError(f"The column {name!r} has no value in any of {len(raw):,} rows.")
    fill = np.nanmedian(raw, axis=0)
    filled = np.where(missing, fill, raw)
    centre, spread = np.zeros(len(numeric)), np.ones(len(numeric))
    if scale and numeric:
        centre, spread = filled.mean(axis=0), filled.std(axis=0)
        # A constant column says nothing, and rounding must not make it speak.
        spread[spread <= 1e-12 * np.maximum(np.abs(centre), 1)] = 1.0
    fitted = []
    for name in text:
        from sklearn.base import clone
        from sklearn.feature_extraction.text import TfidfVectorizer

        one = TfidfVectorizer(sublinear_tf=True) if vectorizer is None else clone(vectorizer)
        try:
            fitted.append(one.fit(_texts(table, name)))
        except ValueError as error:
            raise EndModelError(f"The texts of {name!r} give no features: {error}") from error
    had = tuple(name for name, gaps in zip(numeric, missing.T, strict=True) if gaps.any())
    return Recipe(numeric, text, keys, fill, had, centre, spread, tuple(fitted))


def _numbers(table: nw.DataFrame[Any], names: Sequence[str]) -> FloatArray:
    """The columns (n, d) as float64, NaN where there is no value."""
    raw = np.empty((len(table), len(names)))
    for j, name in enumerate(names):
        raw[:, j] = table[name].cast(nw.Float64).to_numpy()
        wild = np.isinf(raw[:, j])
        if wild.any():
            raise EndModelError(
                f"The column {name!r} has {int(wild.sum()):,} infinite values of {len(raw):,} "
                f"(first: row {int(wild.argmax())})."
            )
    return raw


def _texts(table: nw.DataFrame[Any], name: str) -> list[str]:
    texts: list[str] = table[name].cast(nw.String).fill_null("").to_list()
    return texts


def _terms(vectorizer: Any) -> Sequence[str]:
    if hasattr(vectorizer, "get_feature_names_out"):
        return list(vectorizer.get_feature_names_out())
    return [str(i) for i in range(vectorizer.n_features)]
