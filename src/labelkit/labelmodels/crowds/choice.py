"""``auto`` for crowds: which model suits these answers, and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from labelkit.labelmodels.crowds.answers import Answers, FloatArray
from labelkit.labelmodels.crowds.hierarchy import HierarchyFit, Known, Structure, fit_hierarchy
from labelkit.labelmodels.crowds.majority import majority, weighted_majority

# From the simplest: evidence must be clearly better to go a step further.
STRUCTURES: dict[str, Structure] = {
    "onecoin_uniform": Structure(coin=True, uniform=True),
    "onecoin": Structure(coin=True),
    "dawid_skene_uniform": Structure(uniform=True),
    "dawid_skene": Structure(),
    "dawid_skene_hard_items": Structure(levels=2),
}
VOTES = {"majority": majority, "weighted_majority": weighted_majority}

MIN_WORKERS = 3
# A log Bayes factor of 5: "very strong evidence" (Kass & Raftery 1995).
CLEAR_EVIDENCE = 5.0
# Three witnesses an item are needed to tell class balance and accuracies apart without gold
# (Kruskal 1977): with fewer on most items, only one accuracy a worker is learned.
WITNESSES = 3
# A fit that overrules this share of the majorities is trusted with gold only.
MAX_OVERRULED = 0.3
# A state rarer than this may have any answer as its commonest.
RARE = 0.005
MIN_GOLD = 30
N_FOLDS = 5
CLEAR_GAIN = 2.0


@dataclass(frozen=True)
class Fitted:
    """What a method makes of the answers: P(class) (n, k), and the fit behind it, if it has one."""

    method: str
    proba: FloatArray
    fit: HierarchyFit | None
    reason: str

    @property
    def coin(self) -> bool:
        return self.fit is None or self.fit.structure.coin


def fit_method(answers: Answers, method: str, known: Known, reason: str = "") -> Fitted:
    """One method by its name."""
    if method in VOTES:
        return Fitted(method, VOTES[method](answers, known), None, reason)
    fit = fit_hierarchy(answers, STRUCTURES[method], known)
    return Fitted(method, fit.proba, fit, reason)


def choose(answers: Answers, known: Known, *, seed: int) -> Fitted:
    """Pick by evidence among fits that can be believed; by held-out gold where there is enough."""
    best = choose_by_evidence(answers, known)
    if len(known.item) < MIN_GOLD:
        return best
    return choose_by_gold(answers, known, best, seed=seed)


def choose_by_evidence(answers: Answers, known: Known) -> Fitted:
    """The simplest believable model whose evidence is not clearly below the best.

    The evidence is a lower bound of log P(answers), workers and labels integrated out. It cannot
    say whether a model's classes are the classes that are meant; so a fit is believed only if in
    every state the commonest answer of the population is the state's class, and if it does not
    overrule a large share of the majorities.
    """
    answering = int((answers.per_worker > 0).sum())
    if answering < MIN_WORKERS:
        return fit_method(
            answers,
            "majority",
            known,
            f"only {answering} workers answered: with fewer than {MIN_WORKERS}, agreement says "
            "nothing about who is right",
        )
    answered = answers.per_item > 0
    witnessed = float((answers.per_item[answered] >= WITNESSES).mean())
    few = witnessed < 0.5
    names = ["onecoin_uniform"] if few else list(STRUCTURES)
    fits = {name: fit_hierarchy(answers, STRUCTURES[name], known) for name in names[:2]}
    if not few:
        fits |= _richer(answers, known, max(fit.evidence for fit in fits.values()))
    names = [name for name in names if name in fits]
    doubts = {name: doubt(answers, fit, known) for name, fit in fits.items()}
    believed = [name for name in names if doubts[name] is None]
    if not believed:
        return fit_method(answers, "majority", known, "; ".join(map(str, doubts.values())))
    top = max(fits[name].evidence for name in believed)
    method = next(n for n in believed if fits[n].evidence >= top - CLEAR_EVIDENCE)
    if few:
        reason = (
            f"only {witnessed:.0%} of the items have {WITNESSES} workers or more: enough to learn "
            "one accuracy for each worker, not the class balance"
        )
    else:
        figures = ", ".join(f"{name} {fits[name].evidence - top:.1f}" for name in believed)
        reason = (
            f"log evidence relative to the best is {figures}: {method} is the simplest within "
            f"{CLEAR_EVIDENCE:g}"
        )
        refused = [f"{name} is not believed: {why}" for name, why in doubts.items() if why]
        reason = "; ".join([reason, *refused])
    return Fitted(method, fits[method].proba, fits[method], reason)


def _richer(answers: Answers, known: Known, evidence: float) -> dict[str, HierarchyFit]:
    """Fits with confusion matrices; only the plain one if one accuracy a worker explains more."""
    plain = fit_hierarchy(answers, STRUCTURES["dawid_skene"], known)
    fits = {"dawid_skene": plain}
    if plain.evidence > evidence:
        for name in ("dawid_skene_uniform", "dawid_skene_hard_items"):
            fits[name] = fit_hierarchy(answers, STRUCTURES[name], known)
    return fits


def doubt(answers: Answers, fit: HierarchyFit, known: Known) -> str | None:
    """Why a fit should not be believed without gold, or None."""
    k = answers.cardinality
    mean = fit.population / fit.population.sum(axis=1, keepdims=True)
    if fit.structure.coin:
        astray = bool((mean[:, 0] <= 1 / k).any())
    else:
        label = np.tile(np.arange(k), fit.structure.levels)
        there = fit.share > RARE * fit.share.sum()
        astray = bool((mean.argmax(axis=1) != label)[there].any())
    if astray:
        return "its workers answer some class wrongly more often than rightly"
    free = answers.per_item > 0
    free[known.item] = False
    leading = answers.leading()[free]
    label = fit.proba[free].argmax(axis=1)
    overruled = float((~leading[np.arange(len(label)), label]).mean()) if len(label) else 0.0
    if overruled > MAX_OVERRULED:
        return f"it overrules {overruled:.0%} of the majorities"
    return None


def choose_by_gold(answers: Answers, known: Known, preferred: Fitted, *, seed: int) -> Fitted:
    """The method whose labels lose least on gold that it did not see.

    The choice by evidence stays unless another's log loss is lower by more than two standard
    errors of the difference.
    """
    names = ["majority", *STRUCTURES]
    losses = held_out_losses(answers, known, names, seed=seed)
    usual = losses[preferred.method]
    best = min(losses, key=lambda name: float(losses[name].mean()))
    gain = usual - losses[best]
    error = float(gain.std(ddof=1)) / np.sqrt(len(gain))
    figures = ", ".join(f"{name} {loss.mean():.3f}" for name, loss in losses.items())
    start = f"log loss on {len(gain)} held-out gold items is {figures}"
    if best != preferred.method and gain.mean() > CLEAR_GAIN * error:
        why = f"{start}: {best}, the lowest by more than two standard errors"
        return fit_method(answers, best, known, why)
    why = f"{start}: {preferred.method} stays, no other is lower by more than two standard errors"
    return Fitted(preferred.method, preferred.proba, preferred.fit, why)


def held_out_losses(
    answers: Answers, known: Known, names: list[str], *, seed: int
) -> Mapping[str, FloatArray]:
    """-log P(true class) (g,) of each gold item by a fit to the other folds' gold."""
    fold = np.arange(len(known.item)) % N_FOLDS
    np.random.default_rng(seed).shuffle(fold)
    losses = {name: np.empty(len(fold)) for name in names}
    for number in range(N_FOLDS):
        out = fold == number
        rest = Known(known.item[~out], known.label[~out])
        for name in names:
            proba = fit_method(answers, name, rest).proba
            right = proba[known.item[out], known.label[out]]
            losses[name][out] = -np.log(np.clip(right, 1e-6, 1))
    return losses
