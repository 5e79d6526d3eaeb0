"""``Catalogue``: what there is to show, how attractive it is, and how often it is asked for."""

from __future__ import annotations

from dataclasses import dataclass, field

import narwhals as nw
import numpy as np
import numpy.typing as npt
import polars as pl

from labelkit.engine import NativeFrame, collect, lazy
from labelkit.errors import LogError

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Catalogue:
    """What there is to show: one row per (query, item), rows of a query side by side.

    ::

        frame       query, item, attractiveness in [0, 1] [, relevance] [, satisfaction in [0, 1]]
        popularity  (n_queries,) share of the traffic of each query, in the order of ``frame``
    """

    frame: pl.DataFrame
    popularity: FloatArray = field(repr=False)

    @classmethod
    def synthetic(
        cls,
        n_queries: int = 1_000,
        items_per_query: int = 20,
        *,
        zipf: float = 1.0,
        satisfaction: tuple[float, float] | None = None,
        seed: int = 0,
    ) -> Catalogue:
        """Queries 0 … n−1 with popularity ∝ rank^−zipf, items unique to them, γ ~ Beta(1, 4).

        Parameters
        ----------
        zipf : skew of the traffic over queries, ≥ 0; 0 is uniform
        satisfaction : (a, b) of the Beta distribution of how often a click on an item satisfies,
            for a :class:`CascadeModel` with ``satisfaction="item"``; None makes no such column
        seed : of attractiveness and satisfaction; the first does not depend on the second
        """
        if n_queries < 1 or items_per_query < 1 or zipf < 0 or seed < 0:
            raise LogError(
                "A synthetic catalogue needs n_queries ≥ 1, items_per_query ≥ 1, zipf ≥ 0 and "
                f"seed ≥ 0; got {n_queries}, {items_per_query}, {zipf} and {seed}."
            )
        rng = np.random.default_rng(seed)
        n = n_queries * items_per_query
        frame = pl.DataFrame(
            {
                "query": np.repeat(np.arange(n_queries, dtype=np.int64), items_per_query),
                "item": np.arange(n, dtype=np.int64),
                "attractiveness": rng.beta(1.0, 4.0, size=n),
            }
        )
        if satisfaction is not None:
            a, b = satisfaction
            if a <= 0 or b <= 0:
                raise LogError(f"satisfaction is (a, b) of a Beta, both > 0; got {satisfaction}.")
            frame = frame.with_columns(satisfaction=rng.beta(a, b, size=n))
        return cls(frame, _zipf(n_queries, zipf))

    @classmethod
    def of(
        cls,
        relevance: NativeFrame,
        *,
        query: str = "query",
        item: str = "item",
        grade: str = "relevance",
        satisfaction: str | None = None,
        noise_rate: float = 0.1,
        zipf: float = 0.0,
    ) -> Catalogue:
        """A catalogue from graded relevance r: γ = ε + (1 − ε)(2^r − 1) / (2^max − 1).

        Parameters
        ----------
        relevance : frame with one row per (query, item) and whole grades ≥ 0
        satisfaction : column with P(satisfied | clicked) in [0, 1], for a cascade
        noise_rate : ε in [0, 1), attractiveness of an item with grade 0
        zipf : popularity ∝ rank^−zipf over queries in the order of the frame; 0 is uniform

        Raises
        ------
        LogError
            A grade is null or negative, or a (query, item) pair occurs twice.

        Notes
        -----
        The mapping is that of Joachims et al. (2017) and Ai et al. (2018) for simulated clicks.
        """
        if not 0 <= noise_rate < 1 or zipf < 0:
            raise LogError(f"noise_rate is in [0, 1) and zipf ≥ 0; got {noise_rate} and {zipf}.")
        picked = {"query": query, "item": item, "relevance": grade}
        if satisfaction is not None:
            picked["satisfaction"] = satisfaction
        table = lazy(relevance).select(**{name: nw.col(column) for name, column in picked.items()})
        frame = collect(table).to_polars()
        bad = frame.filter(pl.col("relevance").is_null() | (pl.col("relevance") < 0))
        if bad.height:
            raise LogError(
                f"column {grade!r}: {bad.height:,} grades are null or negative "
                f"(first: {bad.row(0)})."
            )
        twice = frame.filter(pl.struct("query", "item").is_duplicated())
        if twice.height:
            raise LogError(
                f"{twice.height:,} rows share their ({query}, {item}) (first: {twice.row(0)})."
            )
        if satisfaction is not None:
            bad = frame.filter(~pl.col("satisfaction").is_between(0, 1).fill_null(False))
            if bad.height:
                raise LogError(
                    f"column {satisfaction!r}: {bad.height:,} values are not in [0, 1] "
                    f"(first: {bad.row(0)})."
                )
        gain = frame["relevance"].cast(pl.Float64).to_numpy()
        top = 2.0 ** gain.max(initial=1.0) - 1.0
        gamma = noise_rate + (1.0 - noise_rate) * (2.0**gain - 1.0) / top
        order = frame["query"].unique(maintain_order=True)
        frame = (
            frame.with_columns(attractiveness=pl.Series(gamma))
            # Queries keep their first-seen order, with their rows side by side.
            .join(order.to_frame().with_row_index("__q__"), on="query", how="left")
            .sort("__q__", maintain_order=True)
            .drop("__q__")
        )
        return cls(frame, _zipf(order.len(), zipf))

    @property
    def offsets(self) -> IntArray:
        """(n_queries + 1,) first row of each query, and the number of rows."""
        starts = self.frame["query"].rle_id().to_numpy()
        return np.searchsorted(starts, np.arange(len(self.popularity) + 1)).astype(np.int64)


def _zipf(n: int, exponent: float) -> FloatArray:
    weights = np.arange(1, n + 1, dtype=np.float64) ** -exponent
    return np.asarray(weights / weights.sum())
