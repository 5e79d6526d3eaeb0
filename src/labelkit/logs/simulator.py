"""Click logs whose truth is known: the position-based model over synthetic or real relevance.

What comes in: a catalogue (which items a query has, and how attractive each is), rankers that
order them, and a click model. What goes out: a log in labelkit's own columns, with the truth
beside it. It must never look at a seed other than the one it was given.

Each page shows the ranking of one ranker for one query. A ranker's order is fixed per query, as
in production; what makes propensities identifiable is that several rankers (or a share of
randomised pages) show the same item at several positions.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Literal

import narwhals as nw
import numpy as np
import numpy.typing as npt
import polars as pl

from labelkit.engine import NativeFrame, collect, lazy
from labelkit.errors import LogError
from labelkit.files import atomic, write_text

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
Extra = Literal["user", "device", "dwell", "conversion", "propensity", "randomised"]

# Rows made at a time. A constant, because each chunk has its own random stream: the same seed
# gives the same rows whether the log goes to memory or to a file.
CHUNK = 1_000_000
START = datetime(2024, 1, 1)


@dataclass(frozen=True)
class ClickModel:
    """Position-based model: P(click | item e at position k) = θ_k γ_e with θ_k = k^−η.

    Parameters
    ----------
    eta : severity of the bias, ≥ 0; 0 is no bias, 1 the usual 1/k
    n_positions : length K of a page; queries with fewer items have shorter pages

    References
    ----------
    Richardson, Dominowska, Ragno (2007), *Predicting clicks*; Craswell et al. (2008), *An
    experimental comparison of click position-bias models*, the examination hypothesis.
    Joachims, Swaminathan, Schnabel (2017), section 6.2, for θ_k = k^−η.
    """

    eta: float = 1.0
    n_positions: int = 10

    def __post_init__(self) -> None:
        if self.eta < 0 or self.n_positions < 1:
            raise LogError(f"A click model needs eta ≥ 0 and n_positions ≥ 1; got {self}.")

    @property
    def propensities(self) -> FloatArray:
        """θ, (n_positions,), with θ_1 = 1."""
        return np.arange(1, self.n_positions + 1, dtype=np.float64) ** -self.eta


@dataclass(frozen=True)
class Ranker:
    """Orders a query's items by ``quality · z(γ) + noise · ε``, ε standard normal, fixed per item.

    ``quality`` runs from −1 (adverse: the least attractive first) over 0 (blind) to 1 (good);
    ``share`` is its weight in the traffic.
    """

    name: str
    quality: float
    noise: float = 1.0
    share: float = 1.0

    def __post_init__(self) -> None:
        if not -1 <= self.quality <= 1 or self.noise < 0 or self.share <= 0:
            raise LogError(f"A ranker needs -1 ≤ quality ≤ 1, noise ≥ 0 and share > 0; got {self}.")


GOOD: tuple[Ranker, ...] = (Ranker("a", 0.8), Ranker("b", 0.6), Ranker("c", 0.4))
ADVERSE: tuple[Ranker, ...] = (Ranker("a", -0.8), Ranker("b", -0.6), Ranker("c", -0.4))


@dataclass(frozen=True)
class Catalogue:
    """What there is to show: one row per (query, item), rows of a query side by side.

    ::

        frame       query, item, attractiveness in [0, 1] [, relevance]
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
        seed: int = 0,
    ) -> Catalogue:
        """Queries 0 … n−1 with popularity ∝ rank^−zipf, items unique to them, γ ~ Beta(1, 4)."""
        rng = np.random.default_rng(seed)
        n = n_queries * items_per_query
        frame = pl.DataFrame(
            {
                "query": np.repeat(np.arange(n_queries, dtype=np.int64), items_per_query),
                "item": np.arange(n, dtype=np.int64),
                "attractiveness": rng.beta(1.0, 4.0, size=n),
            }
        )
        return cls(frame, _zipf(n_queries, zipf))

    @classmethod
    def of(
        cls,
        relevance: NativeFrame,
        *,
        query: str = "query",
        item: str = "item",
        grade: str = "relevance",
        noise_rate: float = 0.1,
        zipf: float = 0.0,
    ) -> Catalogue:
        """A catalogue from graded relevance r: γ = ε + (1 − ε)(2^r − 1) / (2^max − 1).

        Parameters
        ----------
        relevance : frame with one row per (query, item) and whole grades ≥ 0
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
        table = lazy(relevance).select(
            query=nw.col(query), item=nw.col(item), relevance=nw.col(grade)
        )
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


@dataclass(frozen=True)
class Truth:
    """What the simulator knows and an estimator must find.

    ::

        clicks, rankers     the generating models
        propensities        (n_positions,) θ_k
        attractiveness      query, item, attractiveness γ [, relevance]
    """

    clicks: ClickModel
    rankers: tuple[Ranker, ...]
    n_impressions: int
    seed: int
    attractiveness: pl.DataFrame = field(repr=False)

    @property
    def propensities(self) -> FloatArray:
        return self.clicks.propensities

    def save(self, directory: Path) -> None:
        """Write ``truth.json`` and ``attractiveness.parquet`` into ``directory``."""
        document = {
            "model": "position-based model, P(click) = theta_k * attractiveness",
            **asdict(self.clicks),
            "propensities": self.propensities.tolist(),
            "rankers": [asdict(ranker) for ranker in self.rankers],
            "n_impressions": self.n_impressions,
            "seed": self.seed,
        }
        write_text(directory / "truth.json", json.dumps(document, indent=2) + "\n")
        with atomic(directory / "attractiveness.parquet") as path:
            self.attractiveness.write_parquet(path)


@dataclass(frozen=True)
class SimulatedLog:
    """A log in labelkit's columns, one row per impression, and its truth."""

    frame: pl.DataFrame
    truth: Truth


def simulate(
    n_impressions: int = 100_000,
    *,
    seed: int = 0,
    catalogue: Catalogue | None = None,
    clicks: ClickModel | None = None,
    rankers: Sequence[Ranker] = GOOD,
    randomised_share: float = 0.0,
    extras: Sequence[Extra] = (),
) -> SimulatedLog:
    """Simulate a log in memory.

    Parameters
    ----------
    n_impressions : rows of the log; the last page is cut to meet it
    seed : the only source of randomness
    catalogue : default is ``Catalogue.synthetic(seed=seed)``
    rankers : who orders the pages; one alone gives a log that cannot identify θ
    randomised_share : share of pages in uniformly random order
    extras : optional columns. ``user`` (int), ``device`` (of no effect), ``dwell`` in seconds
        (log-normal, longer on attractive items, null without a click), ``conversion`` (0/1, of
        clicks only), ``propensity`` (θ_k), ``randomised`` (0/1)

    Returns
    -------
    SimulatedLog, whose frame has ``session`` (one per page), ``query``, ``item``, ``position``
    (from 1), ``clicked`` (0/1), ``timestamp``, ``ranker`` and the extras.
    """
    plan = _Plan.of(n_impressions, seed, catalogue, clicks, rankers, randomised_share, extras)
    return SimulatedLog(pl.concat(list(plan.chunks())), plan.truth)


def simulate_to_parquet(
    path: str | Path,
    n_impressions: int,
    *,
    seed: int = 0,
    catalogue: Catalogue | None = None,
    clicks: ClickModel | None = None,
    rankers: Sequence[Ranker] = GOOD,
    randomised_share: float = 0.0,
    extras: Sequence[Extra] = (),
) -> Truth:
    """Simulate a log into one Parquet file in chunks of a million rows, in bounded memory.

    The rows are those of :func:`simulate` with the same arguments. ``truth.json`` and
    ``attractiveness.parquet`` are written beside the file.
    """
    import pyarrow.parquet as pq

    target = Path(path)
    plan = _Plan.of(n_impressions, seed, catalogue, clicks, rankers, randomised_share, extras)
    with atomic(target) as temporary:
        writer: pq.ParquetWriter | None = None
        try:
            for chunk in plan.chunks():
                table = chunk.to_arrow()
                writer = writer or pq.ParquetWriter(temporary, table.schema, compression="zstd")
                writer.write_table(table)
        finally:
            if writer is not None:
                writer.close()
    plan.truth.save(target.parent)
    return plan.truth


@dataclass(frozen=True)
class _Plan:
    """Everything that is drawn once: the pages that each ranker shows for each query."""

    truth: Truth
    randomised_share: float
    extras: frozenset[str]
    pages: npt.NDArray[np.int32]  # (n_rankers, n_queries, K) rows of the catalogue, -1 beyond it
    traffic: FloatArray  # cumulative share of queries
    names: pl.Series  # ranker names, an Enum

    @classmethod
    def of(
        cls,
        n_impressions: int,
        seed: int,
        catalogue: Catalogue | None,
        clicks: ClickModel | None,
        rankers: Sequence[Ranker],
        randomised_share: float,
        extras: Sequence[str],
    ) -> _Plan:
        names = [ranker.name for ranker in rankers]
        if n_impressions < 1 or not 0 <= randomised_share <= 1:
            raise LogError("A log needs n_impressions ≥ 1 and randomised_share in [0, 1].")
        if not names or len(set(names)) < len(names):
            raise LogError(f"Rankers need one name each; got {names}.")
        unknown = set(extras) - set(Extra.__args__)  # type: ignore[attr-defined]
        if unknown:
            raise LogError(f"Unknown extras {sorted(unknown)}; there are {Extra.__args__}.")  # type: ignore[attr-defined]
        catalogue = Catalogue.synthetic(seed=seed) if catalogue is None else catalogue
        clicks = ClickModel() if clicks is None else clicks
        rng = np.random.default_rng([seed, 0])
        pages = np.stack([_rank(catalogue, r, clicks.n_positions, rng) for r in rankers])
        truth = Truth(clicks, tuple(rankers), n_impressions, seed, catalogue.frame)
        return cls(
            truth,
            randomised_share,
            frozenset(extras),
            pages,
            np.cumsum(catalogue.popularity),
            pl.Series(names, dtype=pl.Enum(names)),
        )

    def chunks(self) -> Iterator[pl.DataFrame]:
        """The log in pieces of at most ``CHUNK`` rows, each from its own random stream."""
        n, session = self.truth.n_impressions, 0
        for number, first in enumerate(range(0, n, CHUNK)):
            rng = np.random.default_rng([self.truth.seed, 1 + number])
            frame = self._chunk(rng, first, min(CHUNK, n - first), session)
            session = int(frame["session"][-1]) + 1
            yield frame

    def _chunk(
        self, rng: np.random.Generator, first: int, n_rows: int, session: int
    ) -> pl.DataFrame:
        shown, ranker, shuffled = self._draw_pages(rng, n_rows)
        page, slot = np.nonzero(shown >= 0)
        page, slot = page[:n_rows], slot[:n_rows]
        row = shown[page, slot]
        table = self.truth.attractiveness
        gamma = table["attractiveness"].to_numpy()[row]
        theta = self.truth.propensities[slot]
        clicked = rng.random(n_rows) < theta * gamma
        # Pages are spread evenly over four weeks: all impressions of a page share its time.
        start = np.searchsorted(page, page)
        elapsed = (first + start) * (28 * 86_400 / self.truth.n_impressions) * 1e6
        epoch = np.datetime64(START, "us")
        columns: dict[str, pl.Series | npt.NDArray[np.generic]] = {
            "session": session + page,
            "query": table["query"].gather(row),
            "item": table["item"].gather(row),
            "position": (slot + 1).astype(np.int16),
            "clicked": clicked.astype(np.int8),
            "timestamp": epoch + elapsed.astype("timedelta64[us]"),
            "ranker": self.names.gather(ranker[page]),
        }
        frame = pl.DataFrame(columns)
        return frame.with_columns(self._extras(rng, page, clicked, gamma, theta, shuffled))

    def _draw_pages(
        self, rng: np.random.Generator, n_rows: int
    ) -> tuple[npt.NDArray[np.int32], IntArray, npt.NDArray[np.bool_]]:
        """At least ``n_rows`` impressions as pages: rows (n, K), ranker (n,), randomised (n,)."""
        lengths = (self.pages[0] >= 0).sum(axis=1)
        mean = float(lengths @ np.diff(self.traffic, prepend=0.0) / self.traffic[-1])
        shares = np.cumsum([r.share for r in self.truth.rankers])
        shown: list[npt.NDArray[np.int32]] = []
        ranker: list[IntArray] = []
        missing = n_rows
        while missing > 0:
            n = int(missing / mean * 1.02) + 8
            query = np.searchsorted(self.traffic, rng.random(n) * self.traffic[-1], side="right")
            who = np.searchsorted(shares, rng.random(n) * shares[-1], side="right")
            shown.append(self.pages[who, query])
            ranker.append(who)
            missing -= int(lengths[query].sum())
        pages = np.concatenate(shown)
        shuffled = rng.random(len(pages)) < self.randomised_share
        if shuffled.any():
            # Random keys order the items; the empty slots of a short page stay at its end.
            keys = rng.random(pages[shuffled].shape) + 2.0 * (pages[shuffled] < 0)
            pages[shuffled] = np.take_along_axis(pages[shuffled], keys.argsort(axis=1), axis=1)
        return pages, np.concatenate(ranker), shuffled

    def _extras(
        self,
        rng: np.random.Generator,
        page: IntArray,
        clicked: npt.NDArray[np.bool_],
        gamma: FloatArray,
        theta: FloatArray,
        shuffled: npt.NDArray[np.bool_],
    ) -> list[pl.Series]:
        extras: list[pl.Series] = []
        n_pages = int(page[-1]) + 1
        if "user" in self.extras:
            # About ten pages a user, whatever the size of the log.
            n_users = max(1, self.truth.n_impressions // (10 * self.truth.clicks.n_positions))
            extras.append(pl.Series("user", rng.integers(0, n_users, n_pages)[page]))
        if "device" in self.extras:
            devices = pl.Series(["desktop", "mobile"], dtype=pl.Enum(["desktop", "mobile"]))
            extras.append(devices.gather(rng.integers(0, 2, n_pages)[page]).alias("device"))
        if "dwell" in self.extras:
            seconds = rng.lognormal(np.log(10.0) + 2.0 * gamma, 1.0)
            # NaN, not null, would be a number to some engines.
            dwell = pl.Series("dwell", np.where(clicked, seconds, np.nan)).fill_nan(None)
            extras.append(dwell)
        if "conversion" in self.extras:
            bought = clicked & (rng.random(len(page)) < 0.3 * gamma)
            extras.append(pl.Series("conversion", bought.astype(np.int8)))
        if "propensity" in self.extras:
            extras.append(pl.Series("propensity", theta))
        if "randomised" in self.extras:
            extras.append(pl.Series("randomised", shuffled[page].astype(np.int8)))
        return extras


def _zipf(n: int, exponent: float) -> FloatArray:
    weights = np.arange(1, n + 1, dtype=np.float64) ** -exponent
    return np.asarray(weights / weights.sum())


def _rank(
    catalogue: Catalogue, ranker: Ranker, n_positions: int, rng: np.random.Generator
) -> npt.NDArray[np.int32]:
    """(n_queries, n_positions) catalogue rows in the ranker's order, -1 past a query's last."""
    gamma = catalogue.frame["attractiveness"].to_numpy()
    z = (gamma - gamma.mean()) / (gamma.std() or 1.0)
    score = ranker.quality * z + ranker.noise * rng.standard_normal(len(gamma))
    offsets = catalogue.offsets
    query = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    order = np.lexsort((-score, query))
    place = np.arange(len(gamma)) - offsets[query]
    pages = np.full((len(offsets) - 1, n_positions), -1, dtype=np.int32)
    seen = place < n_positions
    pages[query[seen], place[seen]] = order[seen]
    return pages
