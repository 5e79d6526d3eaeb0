"""How many labels would be others if the propensities were, within what is known of them?"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import narwhals as nw
import numpy as np
import numpy.typing as npt

from labelkit.bias import Diagnosis, Propensities
from labelkit.bias.clickmodels.scores import clustered_mean
from labelkit.engine import collect
from labelkit.errors import LabelkitWarning, WeakEvidenceWarning
from labelkit.evidence import COLUMNS, available, evidence
from labelkit.evidence.units import EXAMPLE, keyed_by
from labelkit.labelmodels import LabelModel
from labelkit.lfs import apply
from labelkit.logs import InteractionLog
from labelkit.project.config import Config
from labelkit.project.labeling import columns_read, described
from labelkit.project.tables import join_tables, table_columns

if TYPE_CHECKING:
    import polars as pl

    from labelkit.lfs import AnyLF

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

# Labels of which more than this share rest on where θ lies in its interval want a look, or a stop.
A_FEW, MANY = 0.02, 0.10


@dataclass(frozen=True)
class Sensitivity:
    """How labels and votes move as θ moves across its interval.

    Parameters
    ----------
    frame : one row for the labels and one per labeling function: ``what``, ``changed`` with
        ``changed_low``, ``changed_high`` (share of examples whose label or vote is another under a
        draw of θ, with a 95 % interval), ``worst`` (share that 1 draw in 40 exceeds), ``fragile``
        (share of examples that change in 1 draw in 20 or more)
    n_examples, n_queries, n_draws : what it was tried on; queries, or values of ``drawn``,
        the unit's first key
    """

    frame: pl.DataFrame
    n_examples: int
    n_queries: int
    n_draws: int
    diagnosis: Diagnosis
    drawn: str = "query"


def label_sensitivity(
    log: InteractionLog,
    curve: Propensities,
    model: LabelModel,
    *,
    lfs: Sequence[AnyLF],
    config: Config,
    directory: Path,
    n_draws: int = 40,
    n_examples: int = 20_000,
    seed: int = 0,
) -> Sensitivity:
    """Draw propensities from what is known of them, and label a sample of queries anew each time.

    Where something else is labeled, the values of the unit's first key take the place of queries.

    Parameters
    ----------
    model : fitted; it stays as it is, only the votes change
    n_draws : draws of θ
    n_examples : about as many examples, whole queries drawn at random

    Notes
    -----
    log θ is drawn from the multivariate Student distribution that its intervals are made from. The
    interval of ``changed`` covers both the sample of queries (clustered) and the draws.
    """
    if not np.any(np.diag(curve.covariance) > 0):
        return _nothing_to_vary(curve)
    rng = np.random.default_rng([seed, 7])
    part = _some_queries(keyed_by(log, config.labels.unit), n_examples, rng)
    inputs = _Inputs.of(log, part, curve, lfs, config, directory)
    before = inputs.votes(part, curve)
    votes = before.matrix
    labels = np.asarray(model.predict(before))
    changed = np.zeros((n_draws, 1 + votes.shape[1], len(labels)), dtype=bool)
    for draw in range(n_draws):
        moved = inputs.votes(part, _drawn(curve, rng))
        changed[draw, 0] = np.asarray(model.predict(moved)) != labels
        changed[draw, 1:] = (moved.matrix != votes).T
    query = before.key_frame[config.labels.unit[0]].to_polars().rle_id().to_numpy().astype(np.int64)
    found = _summarise(changed, query, ["labels", *before.lf_names])
    return replace(found, drawn=config.labels.unit[0])


@dataclass(frozen=True)
class _Inputs:
    """What the labeling functions look at: the part that θ does not touch is gathered once."""

    fixed: pl.DataFrame
    moving: tuple[str, ...]
    lfs: tuple[AnyLF, ...]
    config: Config
    directory: Path
    needed: set[str] | None

    @classmethod
    def of(
        cls,
        log: InteractionLog,
        part: InteractionLog,
        curve: Propensities,
        lfs: Sequence[AnyLF],
        config: Config,
        directory: Path,
    ) -> _Inputs:
        unit = config.labels.unit
        can = set(available(log))
        needed = columns_read(lfs)
        wanted = set(available(log, on_request=False)) if needed is None else needed & can
        # What needs a column of its own (dwell, users, times) is counted, not debiased.
        moving = {name for name in wanted if not COLUMNS[name][0]} - {"impressions", "clicks"}
        fixed = {"impressions", "clicks"} | (wanted - moving)
        frame = _gathered(log, part, curve, unit, fixed)
        if needed is None:
            tables = config.tables.values()
            needed = can.union(*(table_columns(table, directory) for table in tables))
        joined = join_tables(frame, config.tables, directory, columns=needed)
        return cls(joined, tuple(sorted(moving)), tuple(lfs), config, directory, needed)

    def votes(self, log: InteractionLog, curve: Propensities) -> Any:
        """Votes under a curve, in the order of the keys."""
        examples = self.fixed
        if self.moving:
            with warnings.catch_warnings():
                # What examples that were shown once can tell was said when labels were made.
                warnings.simplefilter("ignore", WeakEvidenceWarning)
                # The part is keyed by the unit already.
                made = evidence(log, curve, columns=self.moving, prior=self.config.evidence.prior)
            moving = collect(nw.from_native(made)).to_polars().sort(self.config.labels.unit)
            examples = examples.with_columns(moving[name] for name in self.moving)
        with warnings.catch_warnings():
            # Skipped functions, and functions that run row by row, were said when labels were made.
            warnings.simplefilter("ignore", LabelkitWarning)
            return apply(
                self.lfs,
                examples,
                keys=self.config.labels.unit,
                cardinality=len(self.config.labels.names),
                on_missing=self.config.lfs.on_missing,
            )


def _gathered(
    log: InteractionLog,
    part: InteractionLog,
    curve: Propensities,
    unit: tuple[str, ...],
    columns: set[str],
) -> pl.DataFrame:
    """What is counted of the examples of ``part``, sorted by key.

    Whole queries carry their pages with them. Other units are cut out of pages, whose other rows
    skips and reformulations are told from, so theirs are counted on the whole log.
    """
    source = part if unit == EXAMPLE else log
    made = collect(nw.from_native(evidence(source, curve, unit=unit, columns=columns))).to_polars()
    examples = described(made.sort(unit), log, unit)
    if unit == EXAMPLE:
        return examples
    kept = part.cells.select("query", "item").to_polars().unique()
    kept = kept.rename(dict(zip(part.keys, unit, strict=False))).select(unit)
    return examples.join(kept, on=list(unit), how="semi", maintain_order="left")


def _some_queries(log: InteractionLog, n_examples: int, rng: np.random.Generator) -> InteractionLog:
    """The log of about ``n_examples`` examples: whole queries at random, all if there are fewer."""
    n_queries = log.summary.n_queries
    if log.summary.n_examples <= n_examples:
        return log
    share = n_examples / log.summary.n_examples
    chosen = rng.choice(n_queries, max(round(share * n_queries), 1), replace=False)
    queries = log.cells.select("query").unique().sort("query")
    drawn = queries[np.sort(chosen).tolist(), :]
    cells = log.cells.join(drawn, on="query", how="semi").sort("query", "item", "position")
    frame = log.frame.join(_in_the_engine(drawn, log), on="query", how="semi")
    # Sums that a log keeps are kept by the object: the part starts without those of the whole.
    return replace(log, frame=frame, cells=cells)


def _in_the_engine(drawn: nw.DataFrame[Any], log: InteractionLog) -> nw.LazyFrame[Any]:
    if drawn.implementation == log.frame.implementation:
        return drawn.lazy()
    return drawn.lazy(log.frame.implementation)


def _drawn(curve: Propensities, rng: np.random.Generator) -> Propensities:
    """The curve with log θ drawn from what is known of it."""
    known = ~np.isnan(curve.theta)
    covariance = np.where(known[:, None] & known, np.nan_to_num(curve.covariance), 0.0)
    sizes, vectors = np.linalg.eigh(covariance)
    shift = vectors @ (np.sqrt(np.maximum(sizes, 0)) * rng.standard_normal(len(sizes)))
    if np.isfinite(curve.df):
        shift = shift * np.sqrt(curve.df / rng.chisquare(curve.df))
    # A draw far out would make a propensity that no page has.
    return replace(curve, theta=curve.theta * np.exp(np.clip(shift, -5, 5)))


def _summarise(changed: npt.NDArray[np.bool_], query: IntArray, names: list[str]) -> Sensitivity:
    import polars as pl

    n_draws, _, n = changed.shape
    whole = np.zeros(n, dtype=np.int64)
    rows = []
    for j, name in enumerate(names):
        each = changed[:, j].mean(axis=0)
        shares = changed[:, j].mean(axis=1)
        mean = clustered_mean(each, query, whole, 1)
        error = float(np.hypot(np.nan_to_num(mean.error[0]), shares.std(ddof=1) / n_draws**0.5))
        share = float(mean.mean[0])
        rows.append(
            {
                "what": name,
                "changed": share,
                "changed_low": max(share - 1.96 * error, 0.0),
                "changed_high": min(share + 1.96 * error, 1.0),
                "worst": float(np.quantile(shares, 0.975)),
                "fragile": float((each >= 0.05).mean()),
            }
        )
    first = rows[0]
    n_queries = int(query.max(initial=-1)) + 1
    diagnosis = _diagnosis(first, n, n_draws)
    return Sensitivity(pl.DataFrame(rows), n, n_queries, n_draws, diagnosis)


def _diagnosis(row: dict[str, Any], n: int, n_draws: int) -> Diagnosis:
    share = row["changed"]
    level = "fine" if share < A_FEW else "look" if share < MANY else "stop"
    advice = {
        "fine": "",
        "look": " Have people look at the fragile ones, or read a longer log.",
        "stop": " The labels rest on where θ happens to lie: read a longer log, randomise a share "
        "of traffic, or use labeling functions that do not read debiased rates.",
    }[level]
    return Diagnosis(
        "sensitivity of the labels",
        level,  # type: ignore[arg-type]  # one of the three by construction
        f"As θ moves across its interval ({n_draws} draws, {n:,} examples), "
        f"{share:.1%} of the labels change ({row['changed_low']:.1%} to {row['changed_high']:.1%}; "
        f"{row['worst']:.1%} in the worst case of 40); {row['fragile']:.1%} are fragile.{advice}",
    )


def _nothing_to_vary(curve: Propensities) -> Sensitivity:
    import polars as pl

    numbers = ("changed", "changed_low", "changed_high", "worst", "fragile")
    frame = pl.DataFrame(schema={"what": pl.String, **dict.fromkeys(numbers, pl.Float64)})
    finding = Diagnosis(
        "sensitivity of the labels",
        "fine",
        f"Propensities are {curve.method} and taken as known: there is no interval to move across.",
    )
    return Sensitivity(frame, 0, 0, 0, finding)
