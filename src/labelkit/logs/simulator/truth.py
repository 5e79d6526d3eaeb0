"""``Truth``: what the simulator knows and an estimator must find."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, fields
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import polars as pl

from labelkit.engine import NativeFrame
from labelkit.errors import LogError
from labelkit.files import atomic, write_text
from labelkit.logs.simulator.clock import window_starts
from labelkit.logs.simulator.drift import Drift
from labelkit.logs.simulator.position import ClickModel
from labelkit.logs.simulator.rankers import Ranker
from labelkit.logs.simulator.rows import BoolArray, FloatArray, IntArray, PageClicks
from labelkit.logs.simulator.storage import decode, encode
from labelkit.logs.simulator.swaps import Swaps
from labelkit.logs.simulator.traffic import Bots, Device, Sessions
from labelkit.logs.simulator.trust import TrustModel

CatalogueRows: TypeAlias = npt.NDArray[np.integer]

SETTINGS = "truth.json"
ITEMS = "attractiveness.parquet"


@dataclass(frozen=True)
class Truth:
    """What the simulator knows and an estimator must find.

    ::

        clicks, rankers     the generating models
        propensities        (n_positions,) θ_k; α_k of a trust model
        curves              the same by device and window, with β_k, as a frame
        attractiveness      query, item, attractiveness γ [, relevance] [, satisfaction]
        windows             window, start, end; where the truth drifts

    The other fields are the settings of :func:`~labelkit.logs.simulate`.
    """

    clicks: PageClicks
    rankers: tuple[Ranker, ...]
    n_impressions: int
    seed: int
    attractiveness: pl.DataFrame = field(repr=False, compare=False)
    randomised_share: float = 0.0
    swaps: Swaps | None = None
    devices: tuple[Device, ...] = ()
    drift: Drift | None = None
    sessions: Sessions | None = None
    bots: Bots | None = None
    duplicate_share: float = 0.0
    conversion_delay_s: float = 2 * 86_400.0

    def __post_init__(self) -> None:
        names = [ranker.name for ranker in self.rankers]
        if not names or len(set(names)) < len(names):
            raise LogError(f"Rankers need one name each; got {names}.")
        devices = [device.name for device in self.devices]
        if len(set(devices)) < len(devices):
            raise LogError(f"Devices need one name each; got {devices}.")
        for share in ("randomised_share", "duplicate_share"):
            if not 0 <= getattr(self, share) <= 1:
                raise LogError(f"A log needs {share} in [0, 1]; got {getattr(self, share)}.")
        if not self.conversion_delay_s > 0:
            raise LogError(f"A log needs conversion_delay_s > 0; got {self.conversion_delay_s}.")
        if self.n_impressions < 1 or self.seed < 0:
            raise LogError(
                "A log needs n_impressions ≥ 1 and seed ≥ 0; got "
                f"{self.n_impressions} and {self.seed}."
            )
        depths = {model.n_positions for model in self.models}
        if len(depths) > 1:
            raise LogError(
                f"All devices show pages of one length; got n_positions of {sorted(depths)}."
            )
        if self.sessions is not None and self.sessions.steady > 0:
            odd = [model for model in self.models if not is_position_based(model)]
            if odd:
                raise LogError(
                    "Sessions with steady > 0 share their examination of positions, which a "
                    f"{type(odd[0]).__name__} does not have. Set steady = 0."
                )

    # -- what there is to find

    @property
    def models(self) -> tuple[PageClicks, ...]:
        """The click model of each device, in their order; the one model of a log without."""
        return tuple(device.clicks or self.clicks for device in self.devices) or (self.clicks,)

    @property
    def n_windows(self) -> int:
        """Windows of time in which the truth stands still; 1 without drift."""
        return 1 if self.drift is None else self.drift.n_windows

    def model(self, device: int = 0, window: int = 0) -> PageClicks:
        """The click model of a device (by number) in a window."""
        model = self.models[device]
        if self.drift is None or not self.drift.severity:
            return model
        return model.steeper(self.drift.severity[window])

    @property
    def propensities(self) -> FloatArray:
        """(n_positions,) θ_k, or α_k of a trust model, of a log that has one curve.

        Raises
        ------
        LogError
            Devices or windows have curves of their own (see ``curves``), or the click model has
            none, because examination depends on the clicks above.
        """
        models = self._every_model
        if len(models) > 1:
            raise LogError(
                f"This log has {len(models)} curves, by device or window: see truth.curves."
            )
        return position_based(next(iter(models))).propensities

    @property
    def curves(self) -> pl.DataFrame:
        """``[device,] [window,] position, propensity, background``: P(click) = θ_k γ + β_k.

        The columns are those of ``Propensities.frame()``, which this is to be compared with.
        ``propensity`` is α_k for a trust model; an estimator that sets its first value to 1
        finds α_k / α_1, and α_1 γ for γ.
        """
        parts = []
        for number, window in product(range(len(self.models)), range(self.n_windows)):
            model = position_based(self.model(number, window))
            curve = pl.DataFrame(
                {
                    "position": np.arange(1, model.n_positions + 1),
                    "propensity": model.propensities,
                    "background": model.background,
                }
            )
            context = []
            if self.devices:
                context.append(pl.lit(self.devices[number].name).alias("device"))
            if self.drift:
                context.append(pl.lit(window, dtype=pl.Int64).alias("window"))
            parts.append(curve.select(*context, pl.all()))
        return pl.concat(parts)

    @property
    def windows(self) -> pl.DataFrame:
        """``window, start, end``: [start, end) in the log's timestamps."""
        edges = window_starts(self.n_windows)
        return pl.DataFrame(
            {"window": np.arange(self.n_windows), "start": edges[:-1], "end": edges[1:]}
        )

    def attractiveness_in(self, window: int) -> pl.DataFrame:
        """The frame ``attractiveness`` as it stands in a window."""
        if not 0 <= window < self.n_windows:
            raise LogError(f"Windows are 0 … {self.n_windows - 1}; got {window}.")
        rows = np.arange(self.attractiveness.height)
        return self.attractiveness.with_columns(
            attractiveness=pl.Series(self.gamma(rows, np.full(len(rows), window)))
        )

    def is_bot(self, sessions: npt.ArrayLike) -> BoolArray:
        """(n,) which sessions, by their number in the log, are bots."""
        numbers = np.asarray(sessions, dtype=np.int64)
        if self.bots is None:
            return np.zeros(numbers.shape, dtype=bool)
        return self.bots.are(numbers, self.seed)

    def click_probability(self, frame: NativeFrame) -> FloatArray:
        """P(click) of each row of a log, given its page but none of its clicks.

        Parameters
        ----------
        frame : rows of the simulated log: ``query``, ``item``, ``position``, and as the log has
            them ``device``, ``timestamp`` (where the truth drifts) and ``session`` (where there
            are bots). For a cascade or browsing model, whole pages in their order.

        Returns
        -------
        (n,) in the order of the frame

        Raises
        ------
        LogError
            A row's pair is not in the catalogue, or pages are not whole where they must be.
        """
        from labelkit.logs.simulator.expected import click_probability

        return click_probability(self, frame)

    # -- what the simulator draws from

    def gamma(self, rows: CatalogueRows, window: IntArray | None) -> FloatArray:
        """(n,) attractiveness of rows of the catalogue, each in its window."""
        gamma = self._gamma[rows]
        if self.drift is None or window is None:
            return gamma
        return self.drift.moved(gamma, self._direction[rows], window)

    def satisfaction(self, rows: CatalogueRows) -> FloatArray | None:
        """(n,) P(satisfied | clicked) of rows of the catalogue; None if it has none."""
        return None if self._satisfaction is None else self._satisfaction[rows]

    def groups(
        self, device: IntArray | None, window: IntArray | None
    ) -> list[tuple[PageClicks, BoolArray | slice]]:
        """Which rows each click model has, in the order of devices and windows."""
        n_devices, n_windows = len(self.models), self.n_windows
        if n_devices * n_windows == 1:
            return [(self.model(), slice(None))]
        number: IntArray = np.zeros(1, dtype=np.int64)
        if device is not None:
            number = number + device * n_windows
        if window is not None:
            number = number + window
        present = np.flatnonzero(np.bincount(number, minlength=n_devices * n_windows))
        return [(self.model(*divmod(int(i), n_windows)), number == i) for i in present]

    @property
    def _every_model(self) -> set[PageClicks]:
        numbers = product(range(len(self.models)), range(self.n_windows))
        return {self.model(number, window) for number, window in numbers}

    @cached_property
    def _gamma(self) -> FloatArray:
        return self.attractiveness["attractiveness"].to_numpy()

    @cached_property
    def _satisfaction(self) -> FloatArray | None:
        if "satisfaction" not in self.attractiveness.columns:
            return None
        return self.attractiveness["satisfaction"].to_numpy()

    @cached_property
    def _direction(self) -> FloatArray:
        # A stream of its own: rankers have [seed, 0] and chunk i has [seed, 1 + i].
        return np.random.default_rng([self.seed, 0, 1]).standard_normal(len(self._gamma))

    # -- beside the log

    def save(self, directory: str | Path) -> None:
        """Write ``truth.json`` and ``attractiveness.parquet`` into ``directory``."""
        target = Path(directory)
        document: dict[str, object] = {
            field.name: encode(getattr(self, field.name)) for field in fields(self) if field.compare
        }
        # Curves are there for who reads the file without labelkit; `load` has no use for them.
        if all(is_position_based(model) for model in self.models):
            document["curves"] = self.curves.to_dicts()
        if len(self._every_model) == 1 and "curves" in document:
            document["propensities"] = self.propensities.tolist()
        write_text(target / SETTINGS, json.dumps(document, indent=2) + "\n")
        with atomic(target / ITEMS) as path:
            self.attractiveness.write_parquet(path)

    @classmethod
    def load(cls, directory: str | Path) -> Truth:
        """Read back what :meth:`save` wrote beside a log.

        Raises
        ------
        LogError
            One of the two files is missing or is not this simulator's.
        """
        target = Path(directory)
        for name in (SETTINGS, ITEMS):
            if not (target / name).is_file():
                raise LogError(f"'{target}' holds no simulated log's truth: it has no {name}.")
        document = json.loads((target / SETTINGS).read_text(encoding="utf-8"))
        wanted = [field.name for field in fields(cls) if field.compare]
        missing = [name for name in wanted if name not in document]
        if missing:
            raise LogError(
                f"'{target / SETTINGS}' lacks {', '.join(missing)}: it was not written by this "
                "simulator, or by an older one."
            )
        settings = {name: decode(document[name]) for name in wanted}
        return cls(attractiveness=pl.read_parquet(target / ITEMS), **settings)  # type: ignore[arg-type]


def is_position_based(model: PageClicks) -> bool:
    """Whether P(click) = θ_k γ + β_k, whatever else is on the page."""
    return isinstance(model, ClickModel | TrustModel)


def position_based(model: PageClicks) -> ClickModel | TrustModel:
    """The model as one that has a θ_k, or an error that says why it has none."""
    if isinstance(model, ClickModel | TrustModel):
        return model
    raise LogError(
        f"A {type(model).__name__} has no θ_k: what is examined depends on the clicks above. "
        "Compare with truth.click_probability(frame)."
    )
