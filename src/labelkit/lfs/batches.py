"""Batch functions: votes that need Python, but not row by row (models, embeddings, prompts)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from labelkit.errors import LFError
from labelkit.lfs.kinds import Schema
from labelkit.lfs.patterns import ABSTAIN, Int8Array

if TYPE_CHECKING:
    import polars as pl

Voter: TypeAlias = "Callable[[pl.DataFrame], Int8Array]"


def any_type(schema: Schema) -> None:
    """No demand on the types of columns."""


def always() -> bool:
    """Votes that nothing but their row and the version decides."""
    return True


def nothing_to_tell() -> dict[str, int]:
    """No counts beside the votes."""
    return {}


@dataclass(frozen=True)
class BatchFunction:
    """A vote on many examples at once, made in Python from the columns that it names.

    Parameters
    ----------
    name : name of the function and of its vote column; empty until `labeling_function` or the
        variable that holds it gives it one
    columns : names of the columns that it reads, and the only ones that it is given
    labels : the labels that it may vote
    vote : gives one label or ABSTAIN = -1 per row of a batch, (n,) int8. It may be called from one
        thread at a time, with batches of any size, and the votes of a row must not depend on the
        batch that it comes in. An `LFError` from it always stops; any other exception is treated
        as ``on_error`` says.
    rule : what it votes and when, readable
    version : what its votes depend on beside the row, the model and prompt above all; goes into
        the manifest and into the key of the vote cache
    check_types : raises `LFError` if the columns' types do not suit it; reads no row
    tell : counts by reason of what it did since it was made, such as answers that were refused
    is_final : false once a row abstained only because its model could not be asked (an outage, a
        cost cap): such votes are not to be cached
    doc, source, where_defined : as of `LabelingFunction`
    """

    name: str
    columns: frozenset[str]
    labels: frozenset[int]
    vote: Voter = field(repr=False)
    rule: str
    version: str
    check_types: Callable[[Schema], None] = field(default=any_type, repr=False)
    tell: Callable[[], Mapping[str, int]] = field(default=nothing_to_tell, repr=False)
    is_final: Callable[[], bool] = field(default=always, repr=False)
    doc: str = ""
    source: str = ""
    where_defined: str = ""

    def __post_init__(self) -> None:
        if not self.version:
            raise LFError(f"{self.at} has no version: votes of two models must not be mixed up.")
        wrong = sorted(label for label in self.labels if not 0 <= label < 127)
        if wrong or not self.labels:
            raise LFError(
                f"{self.at} votes {wrong or 'nothing'}: labels are whole numbers from 0 to 126."
            )

    def named(self, name: str) -> BatchFunction:
        """The same function under another name."""
        return replace(self, name=name)

    def missing_from(self, schema: Schema) -> list[str]:
        """The columns that it reads and the examples lack."""
        return sorted(self.columns - set(schema))

    def check(self, schema: Schema) -> None:
        """Whether it can vote on examples with these columns, none of which is missing.

        Raises
        ------
        LFError
            A column has a type that it cannot use.
        """
        try:
            self.check_types(schema)
        except LFError as error:
            raise LFError(f"{self.at}: {error}") from None

    def __call__(self, batch: pl.DataFrame) -> Int8Array:
        """The votes (n,) of a batch, given no other column than those that it reads.

        Raises
        ------
        LFError
            What it gives is not one of its labels, or ABSTAIN, for each row.
        """
        try:
            votes = np.asarray(self.vote(batch.select(sorted(self.columns))))
        except LFError as error:
            raise type(error)(f"{self.at}: {error}") from error
        if votes.shape != (len(batch),) or not np.issubdtype(votes.dtype, np.integer):
            raise LFError(
                f"{self.at} gave an array of shape {votes.shape} and type {votes.dtype} for "
                f"{len(batch):,} rows: it gives one whole number a row."
            )
        strange = ~np.isin(votes, [ABSTAIN, *self.labels])
        if strange.any():
            first = int(strange.argmax())
            raise LFError(
                f"{self.at} voted {votes[first]} on row {first} of a batch (and on "
                f"{strange.sum() - 1:,} more); it may vote {sorted(self.labels)} or {ABSTAIN}."
            )
        return votes.astype(np.int8)

    @property
    def at(self) -> str:
        """Name and place, as errors give them."""
        return f"labeling function {self.name or 'without a name'!r}" + (
            f" ({self.where_defined})" if self.where_defined else ""
        )

    def __str__(self) -> str:
        return f"{self.name}: {self.rule}"
