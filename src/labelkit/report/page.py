"""What the report says about a run, worked out before any of it is laid out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from labelkit.project import ResultTable, Run
from labelkit.project.biasing import CURVES
from labelkit.project.runs import BIAS_PREFIX, LFS_PREFIX
from labelkit.project.units import in_words
from labelkit.report import charts
from labelkit.report.bias import BiasPart, bias_parts, propensity_figure
from labelkit.report.functions import FunctionPart, function_parts
from labelkit.report.sheets import Sheet, interval, sheet, text
from labelkit.validation.report import LOWER_IS_BETTER

if TYPE_CHECKING:
    import polars as pl

    from labelkit.project import Manifest

N_BINS = 40
OURS = "weak labels"


@dataclass(frozen=True)
class Whisker:
    """An estimate with its interval, as text and as places on a line from 0 to 1."""

    text: str
    estimate: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class LFRow:
    """One labeling function in the report."""

    name: str
    doc: str
    rule: str
    votes: str
    coverage: float
    overlaps: float
    conflicts: float
    estimated: Whisker
    on_gold: Whisker | None


@dataclass(frozen=True)
class MetricRow:
    """One metric: the value of each label set, in the order of ``Page.label_sets``."""

    metric: str
    values: tuple[Whisker, ...]


@dataclass(frozen=True)
class Page:
    """Everything that the template shows; all text, nothing of it markup but the charts."""

    run: str
    created: str
    headline: tuple[str, ...]
    validated: bool
    facts: tuple[tuple[str, str], ...]
    propensity_svg: str
    has_truth: bool
    propensities: Sheet
    findings: tuple[tuple[str, str, str], ...]
    bias_method: str
    bias_parts: tuple[BiasPart, ...]
    bias_examined: bool
    lfs: tuple[LFRow, ...]
    has_gold: bool
    function_parts: tuple[FunctionPart, ...]
    label_svg: str
    label_caption: str
    label_sets: tuple[str, ...]
    metrics: tuple[MetricRow, ...]
    target: str
    verdicts: tuple[str, ...]
    tables: tuple[tuple[str, str, Sheet], ...]
    manifest: Manifest
    model: tuple[tuple[str, str], ...]


def describe(run: Run) -> Page:
    """Read a run directory and work out what there is to say."""
    manifest = run.manifest
    truth = run.table("propensity_truth") if run.has("propensity_truth") else None
    propensities = run.propensities()
    validation = run.validation() if run.has("validation") else None
    label_svg, caption = _labels(run)
    sets, metrics = _metrics(validation)
    tables = ResultTable.read_all(run.path)
    lf_table = run.lf_analysis()
    return Page(
        run=run.id,
        created=manifest.created[:16].replace("T", " ") + " UTC",
        headline=_headline(validation),
        validated=validation is not None,
        facts=_facts(manifest),
        propensity_svg=propensity_figure(propensities, truth),
        has_truth=truth is not None,
        propensities=sheet(propensities),
        findings=(
            *((f.level, f.name, f.message) for f in manifest.bias.findings),
            *((row["level"], row["finding"], row["message"]) for row in run.bias_findings()),
        ),
        bias_method=f"{manifest.bias.method}: {manifest.bias.reason}",
        bias_parts=bias_parts(tables),
        bias_examined=any(table.name == CURVES for table in tables),
        lfs=_lfs(lf_table, manifest),
        has_gold="accuracy" in lf_table.columns,
        function_parts=function_parts(tables),
        label_svg=label_svg,
        label_caption=caption,
        label_sets=sets,
        metrics=metrics,
        target=run.validation_target if validation is not None else "",
        verdicts=tuple(run.comparison()["verdict"]) if validation is not None else (),
        tables=tuple(
            (table.title, table.note, sheet(table.frame))
            for table in tables
            if not table.name.startswith((BIAS_PREFIX, LFS_PREFIX))
        ),
        manifest=manifest,
        model=_model(run),
    )


def _facts(manifest: Manifest) -> tuple[tuple[str, str], ...]:
    counts = manifest.counts
    return (
        ("labels are about", in_words(manifest.unit)),
        ("impressions", text(counts.n_impressions)),
        ("clicks", text(counts.n_clicks)),
        ("queries", text(counts.n_queries)),
        ("examples", text(counts.n_examples)),
        ("with a vote", f"{counts.n_covered / max(counts.n_examples, 1):.1%}"),
        ("quarantined rows", text(counts.n_quarantined)),
        ("gold labels", text(counts.n_gold)),
    )


def _headline(validation: pl.DataFrame | None) -> tuple[str, ...]:
    if validation is None:
        return ()
    whole = {row["labels"]: row for row in _whole(validation).filter(metric="accuracy").to_dicts()}
    ours = whole.get(OURS)
    if ours is None:
        return ()
    sentences = [
        f"{_percent(ours)} of the labels are right, judged by {ours['n']:,} gold labels "
        f"(worth {ours['effective_n']:,.0f} drawn at random)."
    ]
    others = [(name, row) for name, row in whole.items() if name != OURS]
    sentences += [
        f"On the same gold, {name} are right for {_percent(row)}." for name, row in others
    ]
    return tuple(sentences)


def _percent(row: dict[str, float]) -> str:
    if row["low"] is None or row["high"] is None:
        return f"{row['estimate']:.0%}"
    return f"{row['estimate']:.0%} [{row['low']:.0%}, {row['high']:.0%}]"


def _whole(validation: pl.DataFrame) -> pl.DataFrame:
    """The rows about all examples, not about a slice of them."""
    import polars as pl

    return validation.filter(pl.col("slice") == "all")


def _metrics(
    validation: pl.DataFrame | None,
) -> tuple[tuple[str, ...], tuple[MetricRow, ...]]:
    if validation is None:
        return (), ()
    whole = _whole(validation)
    sets = tuple(whole["labels"].unique(maintain_order=True))
    rows = []
    for metric in whole["metric"].unique(maintain_order=True):
        found = {row["labels"]: row for row in whole.filter(metric=metric).to_dicts()}
        values = tuple(_whisker(found.get(name), "estimate", "low", "high") for name in sets)
        lower = " (lower is better)" if metric in LOWER_IS_BETTER else ""
        rows.append(MetricRow(metric.replace("_", " ") + lower, values))
    return sets, tuple(rows)


def _whisker(row: dict[str, float] | None, name: str, low: str, high: str) -> Whisker:
    if row is None or row.get(name) is None:
        return Whisker(text(None), None, None, None)
    estimate, below, above = row[name], row.get(low), row.get(high)
    inside = 0 <= estimate <= 1
    places = (_clip(estimate), _clip(below), _clip(above)) if inside else (None, None, None)
    return Whisker(interval(estimate, below, above), *places)


def _clip(value: float | None) -> float | None:
    return None if value is None else min(max(value, 0.0), 1.0)


def _lfs(table: pl.DataFrame, manifest: Manifest) -> tuple[LFRow, ...]:
    facts = {fact.name: fact for fact in manifest.lfs}
    names = manifest.label_names
    rows = []
    for row in table.to_dicts():
        fact = facts.get(row["lf"])
        rows.append(
            LFRow(
                name=row["lf"],
                doc=fact.doc if fact else "",
                rule=fact.rule if fact else "",
                votes=", ".join(names[label] for label in _polarity(row["polarity"])),
                coverage=row["coverage"],
                overlaps=row["overlaps"],
                conflicts=row["conflicts"],
                estimated=_whisker(
                    row, "estimated_accuracy", "estimated_accuracy_low", "estimated_accuracy_high"
                ),
                on_gold=_whisker(row, "accuracy", "accuracy_low", "accuracy_high")
                if "accuracy" in row
                else None,
            )
        )
    return tuple(rows)


def _polarity(value: object) -> list[int]:
    return [int(label) for label in value] if isinstance(value, list) else []


def _labels(run: Run) -> tuple[str, str]:
    """The label chart and its caption; counted in the engine, whatever the number of rows."""
    import polars as pl

    names = run.manifest.label_names
    labels = pl.scan_parquet(run.path / "labels.parquet")
    if len(names) == 2:
        place = (pl.col("p_1") * N_BINS).floor().clip(0, N_BINS - 1).cast(pl.Int64)
        counted = labels.group_by(place.alias("bin")).agg(pl.len().alias("examples")).collect()
        bins = counted.sort("bin").with_columns(
            start=pl.col("bin") / N_BINS, end=(pl.col("bin") + 1) / N_BINS
        )
        return charts.label_chart(bins), f"Examples by their probability of “{names[1]}”."
    counted = labels.group_by("label").agg(examples=pl.len()).collect()
    every = pl.DataFrame({"label": range(len(names)), "name": names})
    joined = every.join(counted.cast({"label": pl.Int64}), on="label", how="left").sort("label")
    counts = joined.select(label="name", examples=pl.col("examples").fill_null(0))
    return charts.count_chart(counts), "Examples by their most probable label."


def _model(run: Run) -> tuple[tuple[str, str], ...]:
    import json

    raw = json.loads((run.path / "label_model.json").read_text(encoding="utf-8"))
    balance = ", ".join(
        f"{name} {share:.1%}"
        for name, share in zip(raw["label_names"], raw["class_balance"], strict=True)
    )
    return (
        ("label model", str(raw["method"])),
        ("why", str(raw["reason"])),
        ("class balance", balance),
    )
