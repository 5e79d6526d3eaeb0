"""Users and sessions in 64 buckets: intervals for clicks that hang together by who clicked.

An id's bucket is a hash of its place among all ids in order, made of whole-number arithmetic, and
so the same on every engine (Narwhals has no hash, and engines' own differ).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import narwhals as nw
import numpy as np
import numpy.typing as npt

from labelkit.bias.poisson import ClickedCells
from labelkit.engine import collect
from labelkit.errors import LabelkitError, LogError
from labelkit.logs import InteractionLog, PositionCounts
from labelkit.logs.cells import CELL

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

N_BUCKETS = 64
CLUSTERS = ("query", "session", "user")


def require_cluster(cluster: str, log: InteractionLog | None) -> None:
    """Refuse a cluster that the log does not know."""
    if cluster not in CLUSTERS:
        raise LabelkitError(f"cluster is one of {', '.join(CLUSTERS)}; got {cluster!r}.")
    if cluster == "query":
        return
    if log is None:
        raise LabelkitError(f"cluster={cluster!r} needs the log itself, not only its counts.")
    if cluster not in log.columns:
        raise LogError(
            f"cluster={cluster!r} needs a log with a {cluster} column: map it, as in "
            f"columns={{{cluster!r}: 'your_column'}}, or use cluster='query'."
        )


def with_buckets(log: InteractionLog, cluster: str) -> nw.LazyFrame[Any]:
    """The log's rows with ``bucket`` in 0 … 63.

    Raises
    ------
    LogError
        Rows without an id belong to nobody in particular, and cannot be clustered.
    """
    counted = log.frame.group_by(cluster).agg(nw.len().alias("rows"))
    ids = collect(counted)
    missing = ids.filter(nw.col(cluster).is_null())
    if len(missing):
        raise LogError(
            f"Column {log.source_columns[cluster]!r} ({cluster}) is empty in "
            f"{int(missing['rows'][0]):,} rows; intervals clustered by {cluster} need it. Fill it, "
            "or use cluster='query'."
        )
    if len(ids) < 2:
        raise LogError(
            f"The log has a single {cluster}; intervals clustered by {cluster} need several. "
            "Use cluster='query'."
        )
    lazy_ids = ids.lazy() if log.frame.implementation.is_polars() else counted
    numbered = lazy_ids.with_row_index("number", order_by=cluster)
    # Multiplicative hashing (Knuth) spreads neighbours evenly; the product stays below 2⁶³.
    mixed = (nw.col("number").cast(nw.Int64) % 2**31) * 1_640_531_527 % 2**31
    bucket = (mixed // 2**25).cast(nw.Int64)
    return log.frame.join(numbered.select(cluster, bucket.alias("bucket")), on=cluster, how="inner")


def bucket_scores(
    log: InteractionLog, cluster: str, beta: FloatArray, cells: ClickedCells
) -> FloatArray:
    """Score of each bucket (64, K): clicked rows are enough, and one light pass finds them.

    U_b = Σ over the bucket's clicks on informative examples of (1[k] − p_ek).
    """
    from scipy import sparse

    rows = with_buckets(log, cluster).filter(nw.col("clicked") == 1)
    clicked = collect(rows.group_by(*CELL, "bucket").agg(nw.len().alias("clicks")))
    clicked = clicked.select(*CELL, "bucket", nw.col("clicks").cast(nw.Int64))
    index = log.cells.select(*CELL).with_row_index("cell")
    found = clicked.join(index, on=list(CELL), how="inner")
    cell = found["cell"].to_numpy().astype(np.int64)
    clicks = found["clicks"].to_numpy().astype(np.float64)
    bucket = found["bucket"].to_numpy().astype(np.int64)

    size, n_examples = len(cells.positions), log.counts.n_examples
    segment = np.full(n_examples, -1)
    segment[cells.example] = np.arange(len(cells.example))
    of_click = segment[log.counts.example[cell]]
    keep = of_click >= 0
    slot = np.searchsorted(cells.positions, log.counts.position[cell])
    seen = np.bincount((bucket * size + slot)[keep], clicks[keep], N_BUCKETS * size)
    shown = cells.n * np.exp(beta)[cells.index]
    share = shown / cells.sum_by_example(shown)[cells.segment]
    shares = sparse.csr_matrix(
        (share, cells.index, np.append(cells.starts, len(share))), (len(cells.starts), size)
    )
    totals = sparse.coo_matrix(
        (clicks[keep], (bucket[keep], of_click[keep])), (N_BUCKETS, len(cells.starts))
    )
    scores = seen.reshape(N_BUCKETS, size) - (totals.tocsr() @ shares).toarray()
    return np.asarray(scores, dtype=np.float64)


@dataclass(frozen=True)
class BucketCounts:
    """Counts per example, position and bucket, for a delete-a-bucket jackknife.

    ::

        counts  cells that repeat an example and position once per bucket
        bucket  (c,) of each
    """

    counts: PositionCounts
    bucket: IntArray

    @classmethod
    def of(
        cls,
        log: InteractionLog,
        cluster: str,
        *,
        impressions: str = "impressions",
        clicks: str = "clicks",
    ) -> BucketCounts:
        from labelkit.logs.cells import sum_cells

        cells = sum_cells(with_buckets(log, cluster), log.columns, context=("bucket",))
        counts = PositionCounts.from_cells(cells, impressions=impressions, clicks=clicks)
        return cls(counts, cells["bucket"].to_numpy().astype(np.int64))

    def without(self, bucket: int) -> PositionCounts:
        """The counts of all other buckets."""
        kept = self.counts.where(self.bucket != bucket)
        return PositionCounts.from_arrays(
            kept.query, kept.example, kept.position, kept.impressions, kept.clicks
        )
