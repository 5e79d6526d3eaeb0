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
from labelkit.files import atomic
from labelkit.logs import InteractionLog
from labelkit.project.config import Config
from labelkit.project.gold import KEYS
from labelkit.project.runs import Run
from labelkit.project.tables import join_tables

if TYPE_CHECKING:
    import polars as pl

Unit = Literal["example", "impression"]


@dataclass(frozen=True)
class TrainingSet:
    """What was written.

    Parameters
    ----------
    path : the Parquet file
    columns : its columns, in order
    n_rows, n_groups : rows, and queries among them
    n_without_label : rows of the log whose example has no label: they are left out
    """

    path: Path
    columns: tuple[str, ...]
    n_rows: int
    n_groups: int
    n_without_label: int


def write_training_set(
    path: Path,
    labels: NativeFrame,
    log: InteractionLog,
    bias: PositionBias | Propensities,
    *,
    unit: Unit = "example",
    scheme: Scheme = "self_normalised",
    clip: float = DEFAULT_CLIP,
    features: NativeFrame | None = None,
) -> TrainingSet:
    """Write labels with weights to train on; the file is there whole or not at all.

    Parameters
    ----------
    labels : ``query``, ``item``, ``p_0`` …, ``label``, ``margin``, ``covered``, as ``label`` makes
    unit : "example" has one row per (query, item): the labels, ``click_weight_1`` and
        ``click_weight_0`` (weights of the labels 1 and 0 if the clicks alone were to speak), and
        ``sample_weight``, their sum: how much the log knows of the example, in impressions.
        "impression" has one row per impression: ``position``, ``clicked``, and ``sample_weight`` =
        min(1/θ, clip) beside the labels of its example
    scheme, clip : as in ``labelkit.bias.example_weights``; impressions are weighted by "clipped"
    features : frame with ``query``, ``item`` and columns to put beside the labels

    Returns
    -------
    TrainingSet; every file has ``group``, a whole number per query, for GroupKFold and for rankers
    that take groups. Rows are sorted by query and item; weights average to 1.

    Raises
    ------
    ProjectError
        No example of the log has a label, or ``features`` describes an example twice.
    """
    import polars as pl

    if unit not in ("example", "impression"):
        raise ProjectError(f"unit is 'example' or 'impression', not {unit!r}.")
    labeled = _polars(labels)
    if unit == "example":
        weights = _polars(example_weights(log, bias, scheme=scheme, clip=clip))
        weights = weights.select(
            *KEYS,
            "impressions",
            "clicks",
            click_weight_1="positive",
            click_weight_0="negative",
            sample_weight=pl.col("positive") + pl.col("negative"),
        )
    else:
        weights = _polars(impression_weights(log, bias, clip=clip)).rename(
            {"weight": "sample_weight"}
        )
    labeled = labeled.with_columns(pl.col(key).cast(weights.schema[key]) for key in KEYS)
    joined = weights.join(labeled, on=KEYS, how="inner", maintain_order="left")
    if joined.is_empty():
        raise ProjectError(
            f"None of the {len(weights):,} rows of the log has a label (first: "
            f"{weights.select(KEYS).row(0)}). Were the labels made from this log?"
        )
    lost = len(weights) - len(joined)
    if features is not None:
        joined = _beside(joined, _polars(features))
    mean = float(joined["sample_weight"].mean() or 1.0)  # type: ignore[arg-type]  # a float column
    frame = (
        joined.with_columns(pl.col("sample_weight") / mean)
        .sort(KEYS, maintain_order=True)
        .with_columns(group=pl.col("query").rle_id().cast(pl.Int64))
    )
    with atomic(path) as temporary:
        frame.write_parquet(temporary)
    n_groups = int(frame["group"][-1]) + 1
    return TrainingSet(path, tuple(frame.columns), len(frame), n_groups, lost)


def project_training_set(
    path: Path,
    directory: Path,
    config: Config,
    run: Run,
    *,
    gold: pl.DataFrame,
    unit: Unit,
    scheme: Scheme,
    clip: float | None,
    features: Sequence[str],
) -> TrainingSet:
    """See ``Project.training_set``: the log is read again, and its curve fitted as in the run."""
    from labelkit.project.examining import QUARANTINE, open_log
    from labelkit.project.labeling import fit_bias

    aside = directory / QUARANTINE
    try:
        log = open_log(config, directory, aside)
        bias = fit_bias(log, config, gold, seed=run.manifest.seed)
        labels, table = run.labels(), None
        if features:
            table = join_tables(
                labels.select(KEYS), config.tables, directory, columns=set(features)
            )
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
        )
    finally:
        aside.unlink(missing_ok=True)


def _beside(joined: pl.DataFrame, features: pl.DataFrame) -> pl.DataFrame:
    import polars as pl

    twice = features.filter(features.select(KEYS).is_duplicated())
    if len(twice):
        raise ProjectError(
            f"features describes {len(twice):,} rows under one key (first: "
            f"{twice.select(KEYS).row(0)}). It must have one row for each query and item."
        )
    clash = [name for name in features.columns if name in joined.columns and name not in KEYS]
    if clash:
        raise ProjectError(f"features has a column {clash[0]!r} that is there already.")
    features = features.with_columns(pl.col(key).cast(joined.schema[key]) for key in KEYS)
    return joined.join(features, on=KEYS, how="left", maintain_order="left")


def _polars(frame: NativeFrame) -> pl.DataFrame:
    eager: nw.DataFrame[Any] = collect(nw.from_native(frame))
    return eager.to_polars()
