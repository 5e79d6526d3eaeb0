"""Training sets as Parquet: labels, soft labels, weights and group ids in one file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import narwhals as nw

from labelkit.bias import (
    DEFAULT_CLIP,
    PositionBias,
    Propensities,
    Scheme,
    example_weights,
    impression_weights,
)
from labelkit.engine import NativeFrame, collect
from labelkit.errors import ProjectError
from labelkit.evidence.units import EXAMPLE, IMPRESSION, described_impressions, keyed_by
from labelkit.files import atomic
from labelkit.logs import InteractionLog
from labelkit.project.config import Config
from labelkit.project.runs import Run
from labelkit.project.tables import join_tables, of_a_row
from labelkit.project.units import in_words

if TYPE_CHECKING:
    import polars as pl

Rows = Literal["example", "impression"]


@dataclass(frozen=True)
class TrainingSet:
    """What was written.

    Parameters
    ----------
    path : the Parquet file
    columns : its columns, in order
    n_rows, n_groups : rows, and queries (or what else ``group`` numbers) among them
    n_without_label : rows of the log whose example has no label: they are left out
    grouped_by : the column whose values ``group`` numbers
    """

    path: Path
    columns: tuple[str, ...]
    n_rows: int
    n_groups: int
    n_without_label: int
    grouped_by: str = "query"


def write_training_set(
    path: Path,
    labels: NativeFrame,
    log: InteractionLog,
    bias: PositionBias | Propensities,
    *,
    unit: Rows = "example",
    scheme: Scheme = "self_normalised",
    clip: float = DEFAULT_CLIP,
    features: NativeFrame | None = None,
    keys: Sequence[str] = EXAMPLE,
) -> TrainingSet:
    """Write labels with weights to train on; the file is there whole or not at all.

    Parameters
    ----------
    labels : ``keys``, ``p_0`` …, ``label``, ``margin``, ``covered``, as ``label`` makes
    unit : "example" has one row per example: the labels, ``click_weight_1`` and
        ``click_weight_0`` (weights of the labels 1 and 0 if the clicks alone were to speak), and
        ``sample_weight``, their sum: how much the log knows of the example, in impressions.
        "impression" has one row per impression: ``position``, ``clicked``, and ``sample_weight`` =
        min(1/θ, clip) beside the labels of its example
    scheme, clip : as in ``labelkit.bias.example_weights``; impressions are weighted by "clipped"
    features : frame with ``keys`` and columns to put beside the labels
    keys : the labeled unit, as in ``labelkit.evidence``

    Returns
    -------
    TrainingSet; every file has ``group``, a whole number per value of the first key (per query, of
    single impressions too, since those of one query resemble each other), for GroupKFold and for
    rankers that take groups. Rows are sorted by group and keys; weights average to 1.

    Raises
    ------
    ProjectError
        No example of the log has a label, ``features`` describes an example twice, or ``scheme``
        is "doubly_robust" and ``keys`` are not query and item: what it falls back on is the rate of
        the query's other items.
    """
    import polars as pl

    on = list(keys)
    if scheme == "doubly_robust" and tuple(keys) != EXAMPLE:
        raise ProjectError(
            "scheme='doubly_robust' falls back on the rate of the query's other items, and these "
            f"labels are about {in_words(keys)}. Use 'self_normalised', 'clipped' or 'ips'."
        )

    if unit not in ("example", "impression"):
        raise ProjectError(f"unit is 'example' or 'impression', not {unit!r}.")
    labeled = _polars(labels)
    keyed = keyed_by(log, keys)
    if unit == "example":
        weights = _polars(example_weights(keyed, bias, scheme=scheme, clip=clip))
        weights = _with_unit_names(weights, keys).select(
            *on,
            "impressions",
            "clicks",
            click_weight_1="positive",
            click_weight_0="negative",
            sample_weight=pl.col("positive") + pl.col("negative"),
        )
    else:
        weights = _with_unit_names(_polars(impression_weights(keyed, bias, clip=clip)), keys)
        weights = weights.rename({"weight": "sample_weight"})
    labeled = labeled.with_columns(pl.col(key).cast(weights.schema[key]) for key in on)
    joined = weights.join(labeled, on=on, how="inner", maintain_order="left")
    if joined.is_empty():
        raise ProjectError(
            f"None of the {len(weights):,} rows of the log has a label (first: "
            f"{weights.select(on).row(0)}). Were the labels made from this log?"
        )
    lost = len(weights) - len(joined)
    if features is not None:
        joined = _beside(joined, _polars(features), on)
    mean = float(joined["sample_weight"].mean() or 1.0)  # type: ignore[arg-type]  # a float column
    by = on[0]
    if by == IMPRESSION:
        rows = _polars(described_impressions(log).to_native())
        own = [name for name in of_a_row(rows, keys) if name not in joined.columns]
        joined = joined.join(rows.select(IMPRESSION, *own), on=on, how="left")
        by = "query"
    frame = (
        joined.with_columns(pl.col("sample_weight") / mean)
        .sort(list(dict.fromkeys([by, *on])), maintain_order=True)
        .with_columns(group=pl.col(by).rle_id().cast(pl.Int64))
    )
    with atomic(path) as temporary:
        frame.write_parquet(temporary)
    n_groups = int(frame["group"][-1]) + 1
    return TrainingSet(path, tuple(frame.columns), len(frame), n_groups, lost, by)


def project_training_set(
    path: Path,
    directory: Path,
    config: Config,
    run: Run,
    *,
    gold: pl.DataFrame,
    unit: Rows,
    scheme: Scheme,
    clip: float | None,
    features: Sequence[str],
) -> TrainingSet:
    """See ``Project.training_set``: the log is read again, and its curve fitted as in the run."""
    from labelkit.project.examining import QUARANTINE, open_log
    from labelkit.project.labeling import fit_bias

    aside = directory / QUARANTINE
    try:
        log = open_log(config, directory, aside, numbered_as=run.numbered_as)
        bias = fit_bias(log, config, gold, seed=run.manifest.seed)
        labels, table = run.labels(), None
        if features:
            own = run.evidence()
            own = own.select(*run.keys, *of_a_row(own, run.keys))
            table = join_tables(own, config.tables, directory, columns=set(features))
            table = table.select(*run.keys, *(name for name in features if name in table.columns))
            lacking = [name for name in features if name not in table.columns]
            if lacking:
                raise ProjectError(
                    f"No table of labelkit.toml has a column {lacking[0]!r} to train on."
                )
        return write_training_set(
            path,
            labels,
            log,
            bias,
            unit=unit,
            scheme=scheme,
            clip=DEFAULT_CLIP if clip is None else clip,
            features=table,
            keys=run.manifest.unit,
        )
    finally:
        aside.unlink(missing_ok=True)


def _with_unit_names(weights: pl.DataFrame, keys: Sequence[str]) -> pl.DataFrame:
    """Weights of a log that was keyed anew, its keys under the unit's own names."""
    if len(keys) == 1:
        return weights.drop("item").rename({"query": keys[0]})
    return weights.rename(dict(zip(EXAMPLE, keys, strict=True)))


def _beside(joined: pl.DataFrame, features: pl.DataFrame, on: list[str]) -> pl.DataFrame:
    import polars as pl

    twice = features.filter(features.select(on).is_duplicated())
    if len(twice):
        raise ProjectError(
            f"features describes {len(twice):,} rows under one key (first: "
            f"{twice.select(on).row(0)}). It must have one row for each {in_words(on)}."
        )
    clash = [name for name in features.columns if name in joined.columns and name not in on]
    if clash:
        raise ProjectError(f"features has a column {clash[0]!r} that is there already.")
    features = features.with_columns(pl.col(key).cast(joined.schema[key]) for key in on)
    return joined.join(features, on=on, how="left", maintain_order="left")


def _polars(frame: NativeFrame) -> pl.DataFrame:
    eager: nw.DataFrame[Any] = collect(nw.from_native(frame))
    return eager.to_polars()
