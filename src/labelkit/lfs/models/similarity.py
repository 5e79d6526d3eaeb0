"""``similar_to`` and ``texts_alike``: votes by the cosine of embeddings."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from labelkit.errors import LFError
from labelkit.lfs.batches import BatchFunction
from labelkit.lfs.kinds import Kind, Schema, kind_of_dtype
from labelkit.lfs.models.encoders import Encoder, check_encoder
from labelkit.lfs.models.place import calling_line
from labelkit.lfs.models.thresholds import ScoreRule
from labelkit.lfs.patterns import ABSTAIN, Int8Array

if TYPE_CHECKING:
    import polars as pl

    from labelkit.lfs.models.encoders import Vectors

# Vectors are often in single precision: cosines that differ by less are equal.
_ROUNDING = 1e-6
# Cosines that are held at once: 40 MB in doubles.
_CELLS = 5_000_000


def similar_to(
    column: str,
    seeds: Mapping[int, Sequence[str]],
    *,
    encoder: Encoder,
    above: float,
    margin: float = 0.0,
    name: str = "",
) -> BatchFunction:
    """Votes the label whose seed examples a text resembles most, if it does so enough.

    The similarity with a label is the largest cosine between the embedding of the text and those
    of the label's seeds. It is voted where it is at least ``above``, and exceeds every other
    label's by more than ``margin``.

    Parameters
    ----------
    column : the text; null, empty and blank ones abstain
    seeds : a few typical texts for each label; one label alone makes a one-sided LF
    encoder : see `labelkit.lfs.models.encoders`
    above : least cosine, -1 … 1; what is near depends on the encoder, so look at gold
    margin : how much nearer than the next label, ≥ 0
    name : of the LF, where `labeling_function` or a variable does not give one

    Examples
    --------
    >>> import polars as pl
    >>> from labelkit.lfs.models import HashingEncoder, similar_to
    >>> spam = similar_to(
    ...     "text", {1: ["check out my channel", "subscribe please"], 0: ["I love this song"]},
    ...     encoder=HashingEncoder(), above=0.5, name="spam",
    ... )
    >>> spam(pl.DataFrame({"text": ["Check out my new channel!", "love this song", "??", None]}))
    array([ 1,  0, -1, -1], dtype=int8)
    """
    where, _ = calling_line()
    examples = LabeledTexts.of(seeds)
    if not (-1 <= above <= 1 and margin >= 0):
        raise LFError(f"above={above} is a cosine from -1 to 1, and margin={margin} is at least 0.")
    checked = check_encoder(encoder)
    return BatchFunction(
        name=name,
        columns=frozenset({column}),
        labels=frozenset(examples.labels),
        vote=_SeedVoter(column, examples, EncodedTexts(checked, examples), above, margin),
        rule=f"{column} is similar (cosine >= {above:g}, margin {margin:g}) to seeds of "
        f"{', '.join(map(str, sorted(seeds)))}",
        version=f"{checked.version}; seeds {examples.digest}; {above}, {margin}",
        check_types=TextColumns((column,)).check,
        where_defined=where,
    )


def texts_alike(
    left: str,
    right: str,
    *,
    encoder: Encoder,
    above: float | None = None,
    below: float | None = None,
    labels: Mapping[int, int] | None = None,
    name: str = "",
) -> BatchFunction:
    """Votes by how similar two texts of one example are, such as a query and a title.

    Parameters
    ----------
    left, right : columns of text; a null or blank one abstains
    encoder : see `labelkit.lfs.models.encoders`
    above, below : thresholds of the cosine, inclusive; at least one of them
    labels : ``{1: label above, 0: label below}``; default: 1 and 0
    name : of the LF, where `labeling_function` or a variable does not give one
    """
    where, _ = calling_line()
    given = {1: 1, 0: 0} if labels is None else labels
    if not set(given) <= {0, 1}:
        raise LFError(f"labels={dict(given)}: texts_alike has 1 (above) and 0 (below).")
    rule = ScoreRule(given.get(1), given.get(0), above, below)
    checked = check_encoder(encoder)
    return BatchFunction(
        name=name,
        columns=frozenset({left, right}),
        labels=rule.labels,
        vote=_PairVoter(left, right, checked, rule),
        rule=f"cosine of {left} and {right}: {rule}",
        version=f"{checked.version}; {left} and {right}; {rule}",
        check_types=TextColumns((left, right)).check,
        where_defined=where,
    )


@dataclass(frozen=True)
class TextColumns:
    """Columns that must be text."""

    columns: tuple[str, ...]

    def check(self, schema: Schema) -> None:
        """Raise `LFError` if one is not."""
        for column in self.columns:
            kind = kind_of_dtype(schema[column])
            if kind != Kind.TEXT:
                raise LFError(f"column {column!r} is {kind.value}; only text is embedded.")


@dataclass(frozen=True)
class LabeledTexts:
    """Texts with their labels, in the order given.

    Parameters
    ----------
    texts : (r,) without blanks
    labels : (r,) label of each
    """

    texts: tuple[str, ...]
    labels: tuple[int, ...]

    @classmethod
    def of(cls, given: Mapping[int, Sequence[str]]) -> LabeledTexts:
        """From a mapping label -> texts.

        Raises
        ------
        LFError
            A label is none, has no text or a blank one, or two labels share a text.
        """
        texts: dict[str, int] = {}
        for label, group in given.items():
            if isinstance(label, bool) or not isinstance(label, int | np.integer):
                raise LFError(f"{label!r} is no label: examples are given as {{label: [texts]}}.")
            if isinstance(group, str):
                raise LFError(f"The examples of label {label} are a list of texts, not one text.")
            if not len(group):
                raise LFError(f"Label {label} has no example.")
            for text in group:
                if not isinstance(text, str) or not text.strip():
                    raise LFError(f"Label {label} has an example without text: {text!r}.")
                if texts.setdefault(text, int(label)) != label:
                    raise LFError(
                        f"One text is an example of labels {texts[text]} and {label}: "
                        f"{text[:60]!r}."
                    )
        if not texts:
            raise LFError("There is no example to compare with.")
        return cls(tuple(texts), tuple(texts.values()))

    @property
    def digest(self) -> str:
        """Twelve hex digits that change with any text or label."""
        parts = "\0".join(f"{label}\1{t}" for t, label in zip(self.texts, self.labels, strict=True))
        return hashlib.sha256(parts.encode()).hexdigest()[:12]


@dataclass(frozen=True)
class EncodedTexts:
    """Embeddings of labeled texts, made when the first vote needs them."""

    encoder: Encoder
    examples: LabeledTexts

    @cached_property
    def vectors(self) -> Vectors:
        """(r, d) of length one."""
        return encode(self.encoder, list(self.examples.texts))


@dataclass(frozen=True)
class _SeedVoter:
    column: str
    examples: LabeledTexts
    encoded: EncodedTexts = field(repr=False)
    above: float
    margin: float

    def __call__(self, batch: pl.DataFrame) -> Int8Array:
        votes = np.full(len(batch), ABSTAIN, dtype=np.int8)
        texts = batch[self.column]
        known = not_blank(texts)
        where = np.flatnonzero(known)
        seed_labels = np.asarray(self.examples.labels)
        labels = np.unique(seed_labels)
        for block, cosines in cosine_blocks(
            self.encoded.encoder, texts.filter(known).to_list(), self.encoded.vectors
        ):
            best = np.column_stack([cosines[:, seed_labels == y].max(axis=1) for y in labels])
            votes[where[block]] = self._choose(best, labels)
        return votes

    def _choose(self, best: npt.NDArray[np.floating], labels: npt.NDArray[np.int_]) -> Int8Array:
        top = best.argmax(axis=1)
        highest = best[np.arange(len(best)), top]
        sure = highest >= self.above - _ROUNDING
        if len(labels) > 1:
            second = np.partition(best, -2, axis=1)[:, -2]
            sure &= highest - second > self.margin + _ROUNDING
        return np.where(sure, labels[top], ABSTAIN).astype(np.int8)


@dataclass(frozen=True)
class _PairVoter:
    left: str
    right: str
    encoder: Encoder
    rule: ScoreRule

    def __call__(self, batch: pl.DataFrame) -> Int8Array:
        votes = np.full(len(batch), ABSTAIN, dtype=np.int8)
        known = not_blank(batch[self.left]) & not_blank(batch[self.right])
        if known.any():
            # A query stands in many rows: each text is encoded once a batch.
            pairs = [batch[name].filter(known).cast(str) for name in (self.left, self.right)]
            vectors = []
            for texts in pairs:
                distinct = texts.unique(maintain_order=True)
                place = {text: i for i, text in enumerate(distinct.to_list())}
                encoded = encode(self.encoder, distinct.to_list())
                vectors.append(encoded[[place[text] for text in texts.to_list()]])
            votes[known] = self.rule.votes(_row_products(*vectors))
        return votes


def not_blank(texts: pl.Series) -> npt.NDArray[np.bool_]:
    """(n,) whether there is anything but white space."""
    stripped = texts.cast(str).str.strip_chars()
    return (stripped.is_not_null() & (stripped != "").fill_null(value=False)).to_numpy()


def encode(encoder: Encoder, texts: list[str]) -> Vectors:
    """(n, d) embeddings scaled to length one; a zero vector stays zero, and near to nothing.

    Raises
    ------
    LFError
        The encoder gives something that is not one finite vector a text.
    """
    from sklearn.preprocessing import normalize

    vectors = encoder(texts)
    shape = np.shape(vectors)
    if len(shape) != 2 or shape[0] != len(texts):
        raise LFError(
            f"encoder {encoder.version} gave an array of shape {shape} for {len(texts)} texts: it "
            "gives one vector each."
        )
    try:
        return normalize(vectors)
    except ValueError as error:
        raise LFError(
            f"encoder {encoder.version} gave vectors that are no numbers: {error}"
        ) from None


def cosine_blocks(
    encoder: Encoder, texts: list[str], reference: Vectors
) -> Iterator[tuple[slice, npt.NDArray[np.floating]]]:
    """Cosines (b, r) of texts with a reference, so many texts at a time that memory is bounded."""
    if not texts:
        return
    vectors = encode(encoder, texts)
    if vectors.shape[1] != reference.shape[1]:
        raise LFError(
            f"encoder {encoder.version} gave vectors of length {vectors.shape[1]}, and of "
            f"{reference.shape[1]} before."
        )
    step = max(1, _CELLS // reference.shape[0])
    for start in range(0, len(texts), step):
        block = slice(start, min(start + step, len(texts)))
        yield block, _dense(vectors[block] @ reference.T)


def _row_products(left: Any, right: Any) -> npt.NDArray[np.floating]:
    """(n,) inner products of rows, sparse or dense."""
    if hasattr(left, "multiply"):
        return np.asarray(left.multiply(right).sum(axis=1)).ravel()
    return np.asarray(np.einsum("ij,ij->i", left, right))


def _dense(product: Any) -> npt.NDArray[np.floating]:
    return np.asarray(product.toarray() if hasattr(product, "toarray") else product)
