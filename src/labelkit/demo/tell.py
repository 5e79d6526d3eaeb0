"""The demo's results in tables and words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from labelkit.demo import compare, signals
from labelkit.logs import Truth
from labelkit.project import ResultTable, Run

NAIVE, DEBIASED, WEAK, ASKED = "naive clicks", "debiased clicks", "weak labels", "with answers"
ORDER = (NAIVE, DEBIASED, WEAK, ASKED)
SCRIPTED = "The annotator is a script that answers from held-back grades; no person was asked."


@dataclass(frozen=True)
class Case:
    """One log, labeled without and with answers, and measured against the truth.

    Parameters
    ----------
    run : the run with answers
    measured : metric → label set → value with its bootstrap
    n_answers : gold labels that the last label set learned from; none of them is measured on
    n_measured : examples measured on
    """

    name: str
    run: Run
    truth: Truth
    chosen: tuple[signals.Signal, ...]
    measured: Mapping[str, Mapping[str, compare.Draws]]
    n_answers: int
    n_measured: int

    @property
    def true_propensities(self) -> pl.DataFrame:
        """``position``, ``propensity`` of the generating model."""
        theta = self.truth.propensities
        return pl.DataFrame({"position": range(1, len(theta) + 1), "propensity": theta})


def levels(cases: Sequence[Case]) -> pl.DataFrame:
    """``log``, ``metric``, ``labels``, ``estimate``, ``low``, ``high``."""
    return _stacked(cases, [compare.levels(case.measured) for case in cases])


def steps(cases: Sequence[Case]) -> pl.DataFrame:
    """Paired differences, in the columns of :func:`levels` and ``less``: what is subtracted."""
    return _stacked(cases, [compare.steps(case.measured, ORDER, first=NAIVE) for case in cases])


def tables(cases: Sequence[Case]) -> tuple[ResultTable, ...]:
    """Propensities, label sets, what each step gains, and the features behind it."""
    ranking, honesty = ("auc", "ndcg@10"), ("log_loss", "calibration_error")
    return (
        ResultTable(
            "demo-1-propensities",
            "Propensities: estimated from clicks, and true",
            "P(examined) at each position, relative to the first, with 95 % intervals.",
            _stacked(cases, [_propensities(case) for case in cases]),
        ),
        ResultTable(
            "demo-2-ranking",
            "How well four readings of the same log rank",
            "AUC is over all queries together, relevant being grade 2 or more of 4; NDCG is within "
            "queries, by grade. A good ranker puts relevant items where clicks fall, so naive "
            "clicks have a fine NDCG there; the adverse log tells the readings apart. 95 % "
            f"intervals over queries, on the {_counts(cases)} examples that no answer was asked "
            f"for. {SCRIPTED}",
            compare.wide(levels(cases), ranking),
        ),
        ResultTable(
            "demo-3-honesty",
            "How far their probabilities are from the truth",
            "Lower is better. A click rate is read as a probability of relevance, which is the "
            "naive thing to do. The same examples.",
            compare.wide(levels(cases), honesty),
        ),
        ResultTable(
            "demo-4-gains",
            f"What each step gains in ranking, on the {cases[-1].name} log",
            "Paired differences over queries, 95 % intervals: one that holds 0 shows nothing.",
            compare.wide(steps(cases[-1:]), ranking).drop("log"),
        ),
        ResultTable(
            "demo-5-signals",
            "Features that labeling functions read, chosen by clicks alone",
            "Spearman correlation with the debiased click rate of the same log; features alike "
            "one already chosen are passed over. No grade was looked at.",
            _stacked(cases, [_signals(case) for case in cases]),
        ),
    )


def headline(case: Case) -> str:
    """What the labels are worth, and who answered."""
    parts = []
    for metric, name in (("auc", "AUC"), ("ndcg@10", "NDCG@10")):
        by_name = case.measured[metric]
        low, high = (by_name[WEAK] - by_name[NAIVE]).interval()
        parts.append(
            f"{name} {by_name[NAIVE].estimate:.3f} → {by_name[WEAK].estimate:.3f} "
            f"(gain {low:+.3f} to {high:+.3f}) → {by_name[ASKED].estimate:.3f}"
        )
    loss = case.measured["log_loss"]
    return (
        f"On the {case.name} log, from naive clicks to weak labels to weak labels with "
        f"{case.n_answers} answers: {'; '.join(parts)}. The answers bring log loss from "
        f"{loss[WEAK].estimate:.3f} to {loss[ASKED].estimate:.3f}. {SCRIPTED}"
    )


def _signals(case: Case) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "signal": [f"signal_{i}" for i in range(1, len(case.chosen) + 1)],
            "feature": [signal.feature for signal in case.chosen],
            "agreement": [round(signal.agreement, 3) for signal in case.chosen],
        }
    )


def _propensities(case: Case) -> pl.DataFrame:
    estimated = case.run.propensities().rename({"propensity": "estimate"})
    true = case.true_propensities.select(
        pl.col("position").cast(estimated.schema["position"]), truth="propensity"
    )
    return true.join(estimated, on="position", maintain_order="left").select(
        "position", "truth", "estimate", "low", "high"
    )


def _stacked(cases: Sequence[Case], frames: Sequence[pl.DataFrame]) -> pl.DataFrame:
    pairs = zip(cases, frames, strict=True)
    return pl.concat(
        [frame.select(pl.lit(case.name).alias("log"), pl.all()) for case, frame in pairs]
    )


def _counts(cases: Sequence[Case]) -> str:
    return " and ".join(f"{case.n_measured:,} ({case.name})" for case in cases)
