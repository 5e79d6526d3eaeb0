"""What to doubt in a fitted label model, and what to do about it: a table of findings."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import astuple, dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from labelkit.labelmodels.dependencies import (
    MIN_WITNESSES,
    STRONG,
    BoolArray,
    PairResiduals,
    dependence,
    dependence_table,
    effective_discounts,
)
from labelkit.labelmodels.intervals import expected_agreement
from labelkit.labelmodels.redundancy import redundant_pairs
from labelkit.labelmodels.statistics import FloatArray, VoteStatistics
from labelkit.lfs.pairs import NEAR_COPY

if TYPE_CHECKING:
    import polars as pl

    from labelkit.labelmodels.base import VoteModel

Severity: TypeAlias = Literal["note", "warning"]

# Labels whose two best classes are nearer than this change with the next few votes.
NEAR_TIE = 0.05
MANY_NEAR_TIES = 0.1
# A majority of the votes on so many examples against the model is more than weighing LFs explains.
MANY_OVERRULED = 0.25
MIN_EXPLAINED = 0.8
# Below so little joint voting, in units of sampling noise, there is nothing to learn from.
MIN_SIGNAL = 1.2


@dataclass(frozen=True)
class Finding:
    """One thing to doubt.

    Parameters
    ----------
    check : what was looked at, in one word or two
    severity : "warning" if labels may be wrong because of it, else "note"
    about : the LF, the pair of LFs or the class that it is about; empty for the whole model
    value : the figure that was judged; NaN if there is none
    finding : one sentence on what was found
    advice : one sentence on what to do
    """

    check: str
    severity: Severity
    about: str
    value: float
    finding: str
    advice: str


@dataclass(frozen=True)
class Diagnosis:
    """Findings on a fitted model, the gravest first, and the pairs of LFs that err together.

    Parameters
    ----------
    findings : empty where nothing is to be doubted
    pairs : frame as `dependencies.dependence_table`
    explained : share of what pairs of LFs do together that the model explains
    """

    findings: tuple[Finding, ...]
    pairs: pl.DataFrame
    explained: float

    @property
    def frame(self) -> pl.DataFrame:
        """The findings as a table: ``check``, ``severity``, ``about``, ``value``, …"""
        import polars as pl

        schema = {
            "check": pl.String,
            "severity": pl.String,
            "about": pl.String,
            "value": pl.Float64,
            "finding": pl.String,
            "advice": pl.String,
        }
        return pl.DataFrame([astuple(f) for f in self.findings], schema=schema, orient="row")

    @property
    def sentences(self) -> list[str]:
        """Each finding with its advice, to be read."""
        return [f"{f.finding} {f.advice}" for f in self.findings]


def diagnose_fit(model: VoteModel, statistics: VoteStatistics) -> Diagnosis:
    """Look a fitted model over on the votes that it was fitted to, or on others of the same LFs."""
    proba = model.posterior_.proba(statistics)
    copies = redundant_pairs(statistics, NEAR_COPY)
    residuals = PairResiduals.of(statistics, proba)
    found = dependence(residuals, statistics.m)
    strong = found.together & (found.correlation >= STRONG)
    fit = residuals.fit(copies)
    discount = effective_discounts(copies, np.where(found.together, found.correlation, 0.0))
    findings = [
        *_about_votes(statistics),
        *_about_convergence(model),
        *_about_lfs(statistics, proba),
        *_about_labels(statistics, proba),
        *_about_pairs(statistics, copies, strong, found.correlation),
    ]
    if fit.signal < MIN_SIGNAL:
        findings.append(
            Finding(
                "signal",
                "warning",
                "",
                fit.signal,
                "What labeling functions do together is hardly more than chance.",
                "Write functions that vote on the same examples, or label some examples by hand.",
            )
        )
    elif fit.explained < MIN_EXPLAINED:
        findings.append(
            Finding(
                "fit",
                "note",
                "",
                fit.explained,
                f"The classes explain {max(fit.explained, 0):.0%} of what labeling functions do "
                "together; the rest has other reasons.",
                "Soft labels are surer than they should be: calibrate them on gold labels.",
            )
        )
    order = {"warning": 0, "note": 1}
    return Diagnosis(
        tuple(sorted(findings, key=lambda f: order[f.severity])),
        dependence_table(found, statistics.lf_names, discount, copies),
        fit.explained,
    )


def _about_votes(statistics: VoteStatistics) -> Iterator[Finding]:
    cast = statistics.votes_cast
    voting = int((cast.sum(axis=1) > 0).sum())
    shared = (statistics.rows >= 0).sum(axis=1) >= 2
    met = int((statistics.rows[shared] >= 0).any(axis=0).sum())
    if met < MIN_WITNESSES:
        yield Finding(
            "too few functions",
            "warning",
            "",
            met,
            f"{voting} labeling functions vote, {met} of them on examples of others: fewer than "
            f"{MIN_WITNESSES} cannot tell who is right.",
            "Write functions on other grounds that vote on the same examples.",
        )
    for y in np.flatnonzero(cast.sum(axis=0) == 0):
        yield Finding(
            "class without votes",
            "warning",
            f"class {y}",
            0.0,
            f"No labeling function votes for class {y}.",
            "It is labeled by default only: write a function for it, or leave the class out.",
        )
    for name, votes in zip(statistics.lf_names, cast.sum(axis=1), strict=True):
        if votes == 0:
            yield Finding(
                "silent function",
                "note",
                name,
                0.0,
                f"{name} never votes.",
                "Remove it, or look for what it should have matched.",
            )


def _about_convergence(model: VoteModel) -> Iterator[Finding]:
    fitted = getattr(model, "model_", model)
    if not getattr(fitted, "converged_", True):
        yield Finding(
            "convergence",
            "warning",
            "",
            float("nan"),
            "The fit stopped before it had settled.",
            "Fit the method by its own class with a larger max_iter.",
        )


def _about_lfs(statistics: VoteStatistics, proba: FloatArray) -> Iterator[Finding]:
    """LFs that the labels contradict more often than guessing would be.

    Guessing is right as often as the class guessed is there: an LF for a rare class may be wrong
    most of the time and still say a lot.
    """
    mass = proba * statistics.counts[:, None]
    share = mass.sum(axis=0) / statistics.n
    cast = statistics.votes_cast
    guess = cast @ share / np.maximum(cast.sum(axis=1), 1)
    agreement = expected_agreement(statistics, proba)
    error = np.sqrt(guess * (1 - guess) / np.maximum(cast.sum(axis=1), 1))
    for j in np.flatnonzero(agreement < guess - 2 * error):
        name = statistics.lf_names[j]
        yield Finding(
            "worse than guessing",
            "warning",
            name,
            float(agreement[j]),
            f"{name} agrees with the labels on {agreement[j]:.0%} of its votes; guessing would on "
            f"{guess[j]:.0%}.",
            "Read examples on which it votes: its condition may be the wrong way round.",
        )


def _about_labels(statistics: VoteStatistics, proba: FloatArray) -> Iterator[Finding]:
    covered = statistics.counts * statistics.covered
    if not covered.sum():
        return
    best = np.partition(proba, -2, axis=1)
    near = float(covered @ (best[:, -1] - best[:, -2] < NEAR_TIE) / covered.sum())
    if near > MANY_NEAR_TIES:
        yield Finding(
            "near-ties",
            "note",
            "",
            near,
            f"On {near:.0%} of the examples with votes two classes are as good as equally likely.",
            "Write functions that tell them apart, or have such examples labeled by people.",
        )
    each_class = np.tile(np.eye(statistics.cardinality), (statistics.m, 1, 1))
    votes = statistics.log_scores(each_class)
    winner = votes.argmax(axis=1)
    lost = votes[np.arange(len(votes)), proba.argmax(axis=1)] < votes.max(axis=1)
    won = covered * (
        np.partition(votes, -2, axis=1)[:, -1] > np.partition(votes, -2, axis=1)[:, -2]
    )
    for y in range(statistics.cardinality):
        of_class = won * (winner == y)
        if of_class.sum() < 20:
            continue
        overruled = float(of_class @ lost / of_class.sum())
        if overruled > MANY_OVERRULED:
            yield Finding(
                "label switching",
                "warning",
                f"class {y}",
                overruled,
                f"Of the examples with a majority for class {y}, {overruled:.0%} are labeled "
                "otherwise.",
                "Check some by hand: either the functions for it are wrong, or the model has "
                "switched sides, which a few gold labels would settle.",
            )


def _about_pairs(
    statistics: VoteStatistics, copies: BoolArray, strong: BoolArray, correlation: FloatArray
) -> Iterator[Finding]:
    for i, j in np.argwhere(np.triu(copies | strong, 1)):
        a, b = statistics.lf_names[i], statistics.lf_names[j]
        how = (
            f"{a} and {b} say the same almost surely."
            if copies[i, j]
            else f"{a} and {b} err together: given the class their votes correlate by "
            f"{correlation[i, j]:.2f}."
        )
        yield Finding(
            "dependent pair",
            "note",
            f"{a}, {b}",
            float(correlation[i, j]),
            how,
            "Keep one of them, or make one function of the two.",
        )
