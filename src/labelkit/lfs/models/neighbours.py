"""``nearest_vote``: what the labels of the most similar labeled examples say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from labelkit.errors import LFError
from labelkit.lfs.batches import BatchFunction
from labelkit.lfs.models.encoders import Encoder, check_encoder
from labelkit.lfs.models.place import calling_line
from labelkit.lfs.models.similarity import (
    EncodedTexts,
    LabeledTexts,
    TextColumns,
    cosine_blocks,
    not_blank,
)
from labelkit.lfs.patterns import ABSTAIN, Int8Array

if TYPE_CHECKING:
    import polars as pl


def nearest_vote(
    column: str,
    examples: Mapping[int, Sequence[str]],
    *,
    encoder: Encoder,
    k: int = 7,
    margin: float = 0.3,
    above: float = 0.0,
    name: str = "",
) -> BatchFunction:
    """Votes the label of most of the k nearest labeled examples, where the majority is clear.

    Neighbours are the k examples with the largest cosine, among those of at least ``above``. The
    leading label is voted if its share of them exceeds that of the next by ``margin`` or more;
    with fewer than half of k neighbours it abstains.

    A labeled example is no neighbour of the same text: it would vote its own label, and gold that
    holds the examples would call that accuracy.

    Parameters
    ----------
    column : the text; null, empty and blank ones abstain
    examples : labeled texts, ``{label: [texts]}``
    encoder : see `labelkit.lfs.models.encoders`
    k : number of neighbours
    margin : lead in shares of the neighbours, 0 < margin ≤ 1
    above : least cosine of a neighbour, -1 … 1
    name : of the LF, where `labeling_function` or a variable does not give one
    """
    where, _ = calling_line()
    labeled = LabeledTexts.of(examples)
    if k < 1 or not 0 < margin <= 1 or not -1 <= above <= 1:
        raise LFError(
            f"k={k} is at least 1, margin={margin} more than 0 and at most 1, above={above} a "
            "cosine from -1 to 1."
        )
    if len(labeled.texts) <= k:
        raise LFError(
            f"{len(labeled.texts)} labeled examples are too few for k={k} neighbours: label more, "
            "or use similar_to."
        )
    checked = check_encoder(encoder)
    return BatchFunction(
        name=name,
        columns=frozenset({column}),
        labels=frozenset(labeled.labels),
        vote=_NeighbourVoter(column, labeled, EncodedTexts(checked, labeled), k, margin, above),
        rule=f"most of the {k} nearest of {len(labeled.texts)} labeled examples of {column} "
        f"(margin {margin:g}, cosine >= {above:g})",
        version=f"{checked.version}; examples {labeled.digest}; {k}, {margin}, {above}",
        check_types=TextColumns((column,)).check,
        where_defined=where,
    )


@dataclass(frozen=True)
class _NeighbourVoter:
    column: str
    examples: LabeledTexts = field(repr=False)
    encoded: EncodedTexts = field(repr=False)
    k: int
    margin: float
    above: float

    def __call__(self, batch: pl.DataFrame) -> Int8Array:
        votes = np.full(len(batch), ABSTAIN, dtype=np.int8)
        known = not_blank(batch[self.column])
        where = np.flatnonzero(known)
        texts = batch[self.column].filter(known).to_list()
        place = {text: i for i, text in enumerate(self.examples.texts)}
        own = np.array([place.get(text, -1) for text in texts], dtype=np.int64)
        for block, cosines in cosine_blocks(self.encoded.encoder, texts, self.encoded.vectors):
            votes[where[block]] = neighbours_vote(
                cosines,
                np.asarray(self.examples.labels),
                own[block],
                k=self.k,
                margin=self.margin,
                above=self.above,
            )
        return votes


def neighbours_vote(
    cosines: npt.NDArray[np.floating],
    labels: npt.NDArray[np.int_],
    own: npt.NDArray[np.int64],
    *,
    k: int,
    margin: float,
    above: float,
) -> Int8Array:
    """Votes (b,) of the k nearest examples; equals are taken in the order of the examples.

    Parameters
    ----------
    cosines : (b, r) of texts with labeled examples
    labels : (r,) of the examples
    own : (b,) index of the example that is the text itself, -1 where there is none
    """
    cosines = np.array(cosines, dtype=np.float64)
    same = np.flatnonzero(own >= 0)
    cosines[same, own[same]] = -np.inf
    nearest = np.argsort(-cosines, axis=1, kind="stable")[:, :k]
    near = np.take_along_axis(cosines, nearest, axis=1) >= above
    distinct = np.unique(labels)
    counts = np.column_stack([((labels[nearest] == y) & near).sum(axis=1) for y in distinct])
    n_near = near.sum(axis=1)
    ordered = np.sort(counts, axis=1)
    lead = ordered[:, -1] - (ordered[:, -2] if len(distinct) > 1 else 0)
    # Compared as counts, so that 0.3 of 10 is 3 and no rounding decides.
    clear = (2 * n_near >= k) & (n_near > 0) & (lead >= np.round(margin * n_near, 9))
    return np.where(clear, distinct[counts.argmax(axis=1)], ABSTAIN).astype(np.int8)
