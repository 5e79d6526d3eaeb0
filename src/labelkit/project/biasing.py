"""``bias``: how far the propensities of a log are to be believed, as tables and findings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import narwhals as nw

from labelkit.bias import (
    ClickModelComparison,
    Diagnosis,
    PositionBias,
    Propensities,
    SlotCounts,
    compare_click_models,
    curve_of,
    weight_report,
)
from labelkit.bias.diagnostics import (
    Stability,
    concentration,
    stability_between_rankers,
    stability_over_time,
    trust_bias,
    weights_by_slot,
)
from labelkit.bias.sidebyside import EstimatorComparison, compare_estimators
from labelkit.engine import NativeFrame, collect
from labelkit.errors import LogError
from labelkit.logs import InteractionLog
from labelkit.project.runs import BIAS_PREFIX, FINDINGS, Progress, ResultTable
from labelkit.project.units import plural

if TYPE_CHECKING:
    import polars as pl

    from labelkit.project.sensitivity import Sensitivity

# A comparison of click models takes about two seconds a million impressions, three times what
# labels take: above this many it is left to `labelkit bias`, unless [bias] compare = "always".
CHEAP = 1_000_000

PREFIX = BIAS_PREFIX
CURVES = f"{PREFIX}1-estimators"
CLICK_MODELS, PERPLEXITY = f"{PREFIX}2-click-models", f"{PREFIX}3-perplexity"
WEIGHTS, BY_POSITION = f"{PREFIX}4-weights", f"{PREFIX}5-weights-by-position"
WINDOWS, WINDOW_CURVES = f"{PREFIX}6-windows", f"{PREFIX}7-window-curves"
RANKERS, SENSITIVITY = f"{PREFIX}8-rankers", f"{PREFIX}9-sensitivity"
REFUSED = f"{PREFIX}1-refused"


@dataclass(frozen=True)
class BiasReport:
    """Everything that ``labelkit bias`` finds out.

    Parameters
    ----------
    method, reason : how the curve in use was estimated, and why so
    findings : every diagnosis, those of the fit first
    tables : as they are kept in the run and shown in the report
    run : id of the run that they were kept in; None if there is none yet
    """

    method: str
    reason: str
    findings: tuple[Diagnosis, ...]
    tables: tuple[ResultTable, ...]
    run: str | None

    @property
    def stops(self) -> tuple[Diagnosis, ...]:
        """The findings that say stop."""
        return tuple(finding for finding in self.findings if finding.level == "stop")

    def table(self, name: str) -> ResultTable | None:
        """The table of that name; None where the log could not carry it."""
        return next((table for table in self.tables if table.name == name), None)


def cheap_enough(log: InteractionLog, compare: str) -> bool:
    """Whether ``label`` compares click models and weighs weights by itself."""
    small = log.summary.n_impressions <= CHEAP
    return compare == "always" or (compare == "auto" and small)


def glance(
    log: InteractionLog, bias: PositionBias, *, seed: int
) -> tuple[list[Diagnosis], list[ResultTable]]:
    """What ``label`` looks at by itself where it is cheap: rival click models, and the weights."""
    curve = curve_of(bias)
    findings, tables = _weights(log, curve)
    models = compare_click_models(log, seed=seed)
    trust = trust_bias(log.counts, seed=seed)
    return [models.diagnosis, trust, *findings], [*tables, *_click_models(models)]


def save_findings(
    findings: Sequence[Diagnosis], tables: Sequence[ResultTable], run_path: Path
) -> None:
    """Keep findings and tables in a run; earlier ones of the same name make way."""
    for table in (*tables, findings_table(findings)):
        table.save(run_path)


def findings_table(findings: Sequence[Diagnosis]) -> ResultTable:
    """Findings beyond those of the fit, which the manifest holds."""
    import polars as pl

    rows = {
        "level": [f.level for f in findings],
        "finding": [f.name for f in findings],
        "message": [f.message for f in findings],
    }
    frame = pl.DataFrame(rows, schema=dict.fromkeys(rows, pl.String))
    note = "fine: nothing to do; look: read the sentence; stop: do not use the labels before."
    return ResultTable(FINDINGS, "What was found out about position bias", note, frame)


def examine(
    log: InteractionLog,
    bias: PositionBias,
    *,
    seed: int,
    gold: NativeFrame | None = None,
    n_windows: int = 4,
    sensitivity: Sensitivity | None = None,
    progress: Progress | None = None,
) -> tuple[list[Diagnosis], list[ResultTable]]:
    """Every estimator, rival, stability test and weight that the log can carry."""
    say = progress or (lambda stage: None)
    curve = curve_of(bias)
    say("fitting every estimator")
    estimators = compare_estimators(
        log,
        main=curve,
        gold=gold,
        smoothing=bias.smoothing,
        n_bootstrap=bias.n_bootstrap,
        seed=seed,
    )
    findings, tables = [estimators.diagnosis], _estimators(estimators, curve)
    say("weighing")
    more, of_weights = _weights(log, curve)
    say("comparing click models")
    models = compare_click_models(log, seed=seed)
    findings += [models.diagnosis, trust_bias(log.counts, seed=seed)]
    tables += [*_click_models(models), *of_weights]
    findings += more
    say("comparing time windows and rankers")
    divisions: list[tuple[str, Callable[[], Stability], str, str]] = [
        ("time", lambda: stability_over_time(log, n_windows=n_windows), WINDOWS, WINDOW_CURVES),
    ]
    if "ranker" in log.columns:
        divisions.append(("rankers", lambda: stability_between_rankers(log), RANKERS, ""))
    for what, compare, name, curves in divisions:
        try:
            found = compare()
        except LogError as error:
            # The log cannot be divided so; the sentence says what it would take.
            findings.append(Diagnosis(f"stability over {what}", "look", str(error)))
        else:
            findings.append(found.diagnosis)
            tables += _stability(found, name, curves)
    if sensitivity is not None:
        findings.append(sensitivity.diagnosis)
        tables += _sensitivity(sensitivity)
    return findings, tables


def _estimators(found: EstimatorComparison, curve: Propensities) -> list[ResultTable]:
    import polars as pl

    used = f"Labels use {curve.method}."
    if curve.context:
        used = f"Labels use {curve.method} by {', '.join(curve.context)}; these are for all of it."
    tables = [
        ResultTable(
            CURVES,
            "Propensities by every estimator",
            f"{used} Relative to position 1, with 95 % intervals.",
            found.frame.fill_nan(None),
        )
    ]
    if found.refused:
        refused = pl.DataFrame(
            {"method": list(found.refused), "reason": list(found.refused.values())}
        )
        note = "What each would need."
        tables.append(ResultTable(REFUSED, "Estimators that this log cannot carry", note, refused))
    return tables


def _click_models(found: ClickModelComparison) -> list[ResultTable]:
    """The comparison for the report; without tables where the log could not carry it."""
    if not found.available:
        return []
    frame, by_position = _polars(found.frame), _polars(found.by_position)
    # All of them are fitted where one is.
    frame = frame.drop("status").rename(
        {"low": "log_likelihood_low", "high": "log_likelihood_high"}
    )
    note = (
        f"Fitted to {found.n_train:,} impressions, judged by {found.n_held_out:,} others. "
        "log_likelihood is per impression; perplexity: 1 is clairvoyant, 2 a coin; gain: "
        "log_likelihood beyond that of the position-based model (PBM)."
    )
    return [
        ResultTable(CLICK_MODELS, "Rival click models on held-out pages", note, frame),
        ResultTable(
            PERPLEXITY,
            "Held-out perplexity by position",
            "How well each model foretells the clicks at a position.",
            by_position,
        ),
    ]


def _weights(log: InteractionLog, curve: Propensities) -> tuple[list[Diagnosis], list[ResultTable]]:
    import polars as pl

    cells = SlotCounts.of(log, curve)
    note = (
        "click_rate: the click rate if every impression were looked at; bias: its difference from "
        "plain IPS; example_error: of one example's rate; effective_n: equal clicks that the "
        "weighted ones are worth. Choose the least rmse."
    )
    shares = weights_by_slot(cells, curve)
    report = _polars(weight_report(log, curve))
    report = report.with_columns(report["clip"].cast(pl.Int64))
    tables = [
        ResultTable(
            WEIGHTS,
            "Ways to weight clicks, and the variance that each buys",
            note,
            report,
        ),
        ResultTable(
            BY_POSITION,
            "Weights by position",
            "effective_n: equal clicks that all clicks at this position and above are worth.",
            shares,
        ),
    ]
    return list(concentration(cells, curve)), tables


def _stability(found: Stability, name: str, curves: str) -> list[ResultTable]:
    what = "time windows" if found.kind == "window" else "rankers"
    note = (
        f"Each against the average of the other {what}. steepness: log propensity per e-fold of "
        "position, less that of the others; ratio: at the position where it departs most, both "
        "curves relative to their average. p_value is adjusted for the number of groups."
    )
    groups = found.groups.rename({"group": found.kind}).fill_nan(None)
    tables = [ResultTable(name, f"Propensities of {what}", note, groups)]
    if curves:
        title = f"Propensity curves of {what}"
        tables.append(ResultTable(curves, title, "", found.curves.fill_nan(None)))
    return tables


def _sensitivity(found: Sensitivity) -> list[ResultTable]:
    if not found.n_draws:
        return []
    note = (
        f"{found.n_draws} draws of the propensities from what is known of them; "
        f"{found.n_examples:,} examples of {found.n_queries:,} {plural(found.drawn)}. "
        "changed: share whose label or vote is another; fragile: share that "
        "changes in one draw in twenty or more."
    )
    return [ResultTable(SENSITIVITY, "Labels that rest on where θ lies", note, found.frame)]


def _polars(frame: NativeFrame) -> pl.DataFrame:
    eager: nw.DataFrame[Any] = collect(nw.from_native(frame))
    return eager.to_polars()
