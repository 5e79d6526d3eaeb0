"""``simulate`` and ``simulate_to_parquet``: the same rows, in memory or in a file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from labelkit.files import atomic
from labelkit.logs.simulator.catalogue import Catalogue
from labelkit.logs.simulator.clock import moments
from labelkit.logs.simulator.drift import Drift
from labelkit.logs.simulator.extras import Extra, check_extras, extra_columns
from labelkit.logs.simulator.impressions import Impressions, Stretch, draw_impressions
from labelkit.logs.simulator.pages import Shelf
from labelkit.logs.simulator.position import ClickModel
from labelkit.logs.simulator.rankers import GOOD, Ranker
from labelkit.logs.simulator.rows import PageClicks
from labelkit.logs.simulator.swaps import Swaps
from labelkit.logs.simulator.traffic import Bots, Device, Sessions
from labelkit.logs.simulator.truth import Truth

# Rows made at a time. A constant, because each chunk has its own random stream: the same seed
# gives the same rows whether the log goes to memory or to a file.
CHUNK = 1_000_000


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
    clicks: PageClicks | None = None,
    rankers: Sequence[Ranker] = GOOD,
    randomised_share: float = 0.0,
    swaps: Swaps | None = None,
    devices: Sequence[Device] = (),
    drift: Drift | None = None,
    sessions: Sessions | None = None,
    bots: Bots | None = None,
    duplicate_share: float = 0.0,
    conversion_delay_s: float = 2 * 86_400.0,
    extras: Sequence[Extra] = (),
) -> SimulatedLog:
    """Simulate a log in memory.

    Parameters
    ----------
    n_impressions : rows of the log; the last page is cut to meet it
    seed : the only source of randomness
    catalogue : default is ``Catalogue.synthetic(seed=seed)``
    clicks : how people click: ``ClickModel`` (position-based, the default), ``TrustModel``,
        ``CascadeModel`` or ``BrowsingModel``
    rankers : who orders the pages; one alone gives a log that cannot identify θ
    randomised_share : share of pages in uniformly random order
    swaps : two results of a page trade places at random; brings ``randomised``, of the two
        rows, and ``swapped_with``, the other's position
    devices : device classes with click models of their own; bring ``device``
    drift : curve and attractiveness change between windows of time
    sessions : several pages a session; brings ``page``. None is one page each
    bots : sessions that are no person's; bring ``page``. ``truth.is_bot`` knows them
    duplicate_share : P(an impression is logged twice, in rows that are equal)
    conversion_delay_s : mean seconds from click to conversion (exponential; Chapelle 2014), of
        a log with ``conversion_time``
    extras : optional columns. ``user`` (int), ``device`` (of no effect), ``dwell`` in seconds
        (log-normal, longer on attractive items, null without a click), ``conversion`` (0/1, of
        clicks only), ``propensity`` (θ_k), ``randomised`` (0/1), ``page`` (int), ``click_time``
        (later further down a page, null without a click), ``conversion_time`` (brings
        ``conversion``, which is 0 where it comes after the log's end)

    Returns
    -------
    SimulatedLog, whose frame has ``session`` (one per page unless ``sessions``), ``query``,
    ``item``, ``position`` (from 1), ``clicked`` (0/1), ``timestamp``, ``ranker`` and the extras.
    Rows are in the order of sessions; pages of overlapping sessions interleave in time.

    Examples
    --------
    >>> from labelkit.logs import ClickModel, Device, simulate
    >>> log = simulate(
    ...     1_000,
    ...     devices=[Device("desktop", ClickModel(0.5)), Device("mobile", ClickModel(1.5))],
    ... )
    >>> log.frame.columns[-1]
    'device'
    >>> log.truth.curves.filter(position=2)["propensity"].round(3).to_list()
    [0.707, 0.354]
    """
    plan = _plan(
        n_impressions,
        seed=seed,
        catalogue=catalogue,
        clicks=clicks,
        rankers=rankers,
        randomised_share=randomised_share,
        swaps=swaps,
        devices=devices,
        drift=drift,
        sessions=sessions,
        bots=bots,
        duplicate_share=duplicate_share,
        conversion_delay_s=conversion_delay_s,
        extras=extras,
    )
    return SimulatedLog(pl.concat(list(plan.chunks())), plan.truth)


def simulate_to_parquet(
    path: str | Path,
    n_impressions: int,
    *,
    seed: int = 0,
    catalogue: Catalogue | None = None,
    clicks: PageClicks | None = None,
    rankers: Sequence[Ranker] = GOOD,
    randomised_share: float = 0.0,
    swaps: Swaps | None = None,
    devices: Sequence[Device] = (),
    drift: Drift | None = None,
    sessions: Sessions | None = None,
    bots: Bots | None = None,
    duplicate_share: float = 0.0,
    conversion_delay_s: float = 2 * 86_400.0,
    extras: Sequence[Extra] = (),
) -> Truth:
    """Simulate a log into one Parquet file in chunks of a million rows, in bounded memory.

    The rows are those of :func:`simulate` with the same arguments. ``truth.json`` and
    ``attractiveness.parquet`` are written beside the file; ``Truth.load`` reads them back.
    """
    plan = _plan(
        n_impressions,
        seed=seed,
        catalogue=catalogue,
        clicks=clicks,
        rankers=rankers,
        randomised_share=randomised_share,
        swaps=swaps,
        devices=devices,
        drift=drift,
        sessions=sessions,
        bots=bots,
        duplicate_share=duplicate_share,
        conversion_delay_s=conversion_delay_s,
        extras=extras,
    )
    target = Path(path)
    with atomic(target) as temporary:
        _write(plan.chunks(), temporary)
    plan.truth.save(target.parent)
    return plan.truth


def _write(chunks: Iterator[pl.DataFrame], file: Path) -> None:
    """Write chunks as row groups; one is written while the next is made."""
    import pyarrow.parquet as pq

    writer: pq.ParquetWriter | None = None
    with ThreadPoolExecutor(1) as pool:
        try:
            pending: Future[None] | None = None
            for chunk in chunks:
                table = chunk.to_arrow()
                writer = writer or pq.ParquetWriter(file, table.schema, compression="zstd")
                # At most one chunk waits, so that memory stays bounded.
                if pending is not None:
                    pending.result()
                pending = pool.submit(writer.write_table, table)
            if pending is not None:
                pending.result()
        finally:
            pool.shutdown()
            if writer is not None:
                writer.close()


def _plan(
    n_impressions: int,
    *,
    seed: int,
    catalogue: Catalogue | None,
    clicks: PageClicks | None,
    rankers: Sequence[Ranker],
    randomised_share: float,
    swaps: Swaps | None,
    devices: Sequence[Device],
    drift: Drift | None,
    sessions: Sessions | None,
    bots: Bots | None,
    duplicate_share: float,
    conversion_delay_s: float,
    extras: Sequence[str],
) -> _Plan:
    catalogue = Catalogue.synthetic(seed=seed) if catalogue is None else catalogue
    truth = Truth(
        clicks=ClickModel() if clicks is None else clicks,
        rankers=tuple(rankers),
        n_impressions=n_impressions,
        seed=seed,
        attractiveness=catalogue.frame,
        randomised_share=randomised_share,
        swaps=swaps,
        devices=tuple(devices),
        drift=drift,
        sessions=sessions,
        bots=bots,
        duplicate_share=duplicate_share,
        conversion_delay_s=conversion_delay_s,
    )
    wanted = check_extras(extras, truth)
    names = [ranker.name for ranker in rankers]
    shelf = Shelf.of(truth, catalogue)
    return _Plan(shelf, wanted, pl.Series(names, dtype=pl.Enum(names)))


@dataclass(frozen=True)
class _Plan:
    """Everything that is settled before the first row is drawn."""

    shelf: Shelf
    extras: frozenset[str]
    names: pl.Series  # of rankers, an Enum

    @property
    def truth(self) -> Truth:
        return self.shelf.truth

    def chunks(self) -> Iterator[pl.DataFrame]:
        """The log in pieces of at most ``CHUNK`` rows, each from its own random stream."""
        n, session, page = self.truth.n_impressions, 0, 0
        for number, first in enumerate(range(0, n, CHUNK)):
            rng = np.random.default_rng([self.truth.seed, 1 + number])
            stretch = Stretch(first, min(CHUNK, n - first))
            drawn = draw_impressions(rng, self.shelf, stretch, session=session, page=page)
            session, page = int(drawn.session.max()) + 1, int(drawn.page.max()) + 1
            yield self._table(rng, drawn)

    def _table(self, rng: np.random.Generator, drawn: Impressions) -> pl.DataFrame:
        catalogue = self.truth.attractiveness
        frame = pl.DataFrame(
            {
                "session": drawn.session,
                "query": catalogue["query"].gather(drawn.row),
                "item": catalogue["item"].gather(drawn.row),
                "position": (drawn.slot + 1).astype(np.int16),
                "clicked": drawn.clicked.astype(np.int8),
                "timestamp": moments(drawn.elapsed),
                "ranker": self.names.gather(drawn.ranker),
            }
        ).with_columns(extra_columns(rng, self.truth, self.extras, drawn))
        if self.truth.duplicate_share == 0:
            return frame
        times = 1 + (rng.random(len(drawn)) < self.truth.duplicate_share)
        return frame[np.repeat(np.arange(len(drawn)), times)[: len(drawn)]]
