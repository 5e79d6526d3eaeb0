"""The family of crowd models: workers drawn from a population, items easy or hard.

A hidden *state* of an item is its class y and, where the model has two levels, whether it is easy
or hard; state number ``level * k + y``. A worker has one distribution of answers per state, drawn
from the population's Dirichlet distribution, whose parameters are learned. So a worker who answered
little is taken for an average one, and one who answered much speaks for himself.

::

    structure    free confusion    P(answer l | state s) = π_jsl,   π_js ~ Dirichlet(α_s)
                 one coin          π_jsl = a_jh if l = y, else (1 - a_jh)/(k - 1),  a_jh ~ Beta(α_h)
    levels       1 or 2            with two, the population errs more on hard items
    balance      estimated         state ~ ρ,  ρ ~ Dirichlet(1)
                 uniform           the classes weigh the same, easy and hard items do not

Fitted by variational Bayes: q(states) q(π) q(ρ), each step raising the evidence lower bound
(Kim & Ghahramani 2012, *Bayesian classifier combination*; the population is learned by empirical
Bayes). With ``levels = 1`` and free confusion it is Dawid & Skene (1979) with a learned prior.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from labelkit.errors import LabelModelError
from labelkit.labelmodels.crowds.answers import Answers, BoolArray, FloatArray, IntArray

# Skill (0 guessing, 1 always right) that the population is expected to have, by level, and for how
# many imagined answers and imagined workers that expectation counts.
SKILLS = {1: (0.6,), 2: (0.8, 0.3)}
STRENGTH = 6.0
IMAGINED_WORKERS = 1.0


@dataclass(frozen=True)
class Structure:
    """Which member of the family.

    Parameters
    ----------
    coin : one accuracy a worker (and level) instead of a confusion matrix
    levels : 1, or 2 for easy and hard items
    uniform : all classes weigh the same, instead of an estimated class balance
    """

    coin: bool = False
    levels: int = 1
    uniform: bool = False

    def __str__(self) -> str:
        parts = ["one accuracy per worker" if self.coin else "a confusion matrix per worker"]
        parts.append("easy and hard items" if self.levels == 2 else "")
        parts.append("uniform classes" if self.uniform else "")
        return ", ".join(filter(None, parts))


@dataclass(frozen=True)
class Known:
    """Items whose class is known: their numbers (g,) and classes (g,)."""

    item: IntArray
    label: IntArray

    @classmethod
    def none(cls) -> Known:
        return cls(np.empty(0, np.int64), np.empty(0, np.int64))


@dataclass(frozen=True)
class HierarchyFit:
    """A fitted member of the family, for n items, m workers, s states, k classes.

    ::

        structure    which member
        population   (s, k) α, or (levels, 2) [right, wrong] for one coin
        confusion    (m, s, k) posterior mean of P(answer | state)
        weights      (m, s, k) E log P(answer | state): what one answer adds to a state's score
        log_prior    (s,) E log P(state)
        share        (s,) expected items in each state, gold left out
        states       (n, s) P(state | answers)
        evidence     lower bound of log P(answers) that was reached
        bounds       (steps,) that bound on the way; it never falls
        converged    whether it had settled
    """

    structure: Structure
    population: FloatArray
    confusion: FloatArray
    weights: FloatArray
    log_prior: FloatArray
    share: FloatArray
    states: FloatArray
    evidence: float
    bounds: FloatArray
    converged: bool

    @property
    def proba(self) -> FloatArray:
        """P(class | answers), (n, k)."""
        by_level = self.states.reshape(len(self.states), self.structure.levels, -1)
        return np.asarray(by_level.sum(axis=1))

    @property
    def class_share(self) -> FloatArray:
        """Expected share of each class (k,) among items without gold."""
        by_class = self.share.reshape(self.structure.levels, -1).sum(axis=0)
        return np.asarray(by_class / by_class.sum())


@dataclass(frozen=True)
class Workers:
    """Posterior of the workers: E log π, E π (m, s, k), and what it costs in evidence."""

    weights: FloatArray
    confusion: FloatArray
    divergence: float


def fit_hierarchy(
    answers: Answers,
    structure: Structure,
    known: Known | None = None,
    *,
    start: FloatArray | None = None,
    max_iter: int = 300,
    tolerance: float = 1e-5,
) -> HierarchyFit:
    """Raise the evidence until five steps gain less than 5 · ``tolerance`` per answer.

    Parameters
    ----------
    known : items whose class is known; their states are clamped, and they say nothing about the
        class balance, since whoever planted them chose it
    start : (n, s) states to start from; else what the population's expected skill makes of votes
    """
    if not len(answers.item):
        raise LabelModelError("There is no answer to fit a crowd model to.")
    known = known or Known.none()
    k, levels = answers.cardinality, structure.levels
    shut = _shut(known, k, levels)
    free: BoolArray = np.ones(answers.n_items, bool)
    free[known.item] = False
    free &= answers.per_item > 0
    base = expected_population(k, structure)
    population = base.copy()
    if start is None:
        log = np.log(_spread(base / base.sum(axis=1, keepdims=True), k, structure))
        weights = np.broadcast_to(log, (answers.n_workers, *log.shape))
        start, _ = _softmax(_blocked(answers.scores(weights), known, shut))
    states = start
    bounds: list[float] = []
    converged = False
    for step in range(max_iter):
        counts = pooled(answers.confusions(states), structure)
        # The population settles early, and its step is the dearest of all.
        if step < 10 or step % 3 == 0:
            population = population_step(counts, population, base)
        workers = worker_posteriors(counts, population, structure, k)
        share = states[free].sum(axis=0)
        log_prior, cost = _balance(share, structure, k)
        scores = answers.scores(workers.weights)
        scores[free] += log_prior
        scores[known.item] += _within_class(log_prior, known, k, levels)
        scores = _blocked(scores, known, shut)
        states, normaliser = _softmax(scores)
        prior = _log_prior_of(population, base)
        bounds.append(normaliser - workers.divergence - cost + prior)
        if step >= 5 and bounds[-1] - bounds[-6] < 5 * tolerance * len(answers.item):
            converged = True
            break
    return HierarchyFit(
        structure,
        population,
        workers.confusion,
        workers.weights,
        log_prior,
        states[free].sum(axis=0),
        states,
        bounds[-1] - 0.5 * population.size * np.log(max(answers.n_workers, 2)),
        np.array(bounds),
        converged,
    )


def expected_population(k: int, structure: Structure) -> FloatArray:
    """Population parameters expected beforehand: (s, k), or (levels, 2) for one coin."""
    accuracy = 1 / k + np.array(SKILLS[structure.levels]) * (1 - 1 / k)
    if structure.coin:
        return np.asarray(STRENGTH * np.column_stack([accuracy, 1 - accuracy]))
    rows = [np.where(np.eye(k, dtype=bool), a, (1 - a) / (k - 1)) for a in accuracy]
    return np.asarray(STRENGTH * np.concatenate(rows))


def pooled(counts: FloatArray, structure: Structure) -> FloatArray:
    """Counts (m, s, k) as the structure sees them: for one coin (m, levels, [right, wrong])."""
    if not structure.coin:
        return counts
    m, _, k = counts.shape
    by_level = counts.reshape(m, structure.levels, k, k)
    right = np.trace(by_level, axis1=2, axis2=3)
    return np.stack([right, by_level.sum(axis=(2, 3)) - right], axis=2)


def _spread(per_level: FloatArray, k: int, structure: Structure) -> FloatArray:
    """The reverse for probabilities: (…, levels, 2) to (…, s, k)."""
    if not structure.coin:
        return per_level
    full = np.repeat(per_level[..., 1:] / (k - 1), k, axis=-1)[..., None, :]
    full = np.repeat(full, k, axis=-2)
    full[..., np.arange(k), np.arange(k)] = per_level[..., :1]
    return full.reshape(*per_level.shape[:-2], structure.levels * k, k)


def population_step(counts: FloatArray, population: FloatArray, base: FloatArray) -> FloatArray:
    """One step of Minka's (2000) fixed point for Dirichlet–multinomial counts, with a prior.

    Each parameter has a Gamma prior with its mode at ``base``, worth so many imagined workers.
    """
    from scipy.special import digamma

    seen = counts.sum(axis=2)
    total = population.sum(axis=1)
    up = (digamma(counts + population) - digamma(population)).sum(axis=0)
    down = (digamma(seen + total) - digamma(total)).sum(axis=0)
    moved = (IMAGINED_WORKERS * base + population * up) / (IMAGINED_WORKERS + down)[:, None]
    return np.asarray(np.maximum(moved, 1e-4))


def _log_prior_of(population: FloatArray, base: FloatArray) -> float:
    return float(IMAGINED_WORKERS * (base * np.log(population) - population).sum())


def worker_posteriors(
    counts: FloatArray, population: FloatArray, structure: Structure, k: int
) -> Workers:
    """The workers' Dirichlet posteriors, and their divergence from the population."""
    from scipy.special import digamma, gammaln

    posterior = counts + population
    total = posterior.sum(axis=2, keepdims=True)
    log = digamma(posterior) - digamma(total)
    divergence = (
        (gammaln(total[..., 0]) - gammaln(population.sum(axis=1))).sum()
        - (gammaln(posterior) - gammaln(population)).sum()
        + (counts * log).sum()
    )
    mean = _spread(posterior / total, k, structure)
    if structure.coin:
        # E log of the share of the wrong answers: the split among them is known to be even.
        log = np.log(_spread(np.exp(log), k, structure))
    return Workers(log, mean, float(divergence))


def _balance(share: FloatArray, structure: Structure, k: int) -> tuple[FloatArray, float]:
    """E log P(state) (s,) given expected items per state, and its cost in evidence."""
    if not structure.uniform:
        return _dirichlet(share[None])
    log, cost = _dirichlet(share.reshape(structure.levels, k).T)
    return (log.reshape(k, -1).T.ravel() - np.log(k)), cost


def _dirichlet(counts: FloatArray) -> tuple[FloatArray, float]:
    """E log ρ, and divergence from the flat prior, summed over rows of counts (r, c)."""
    from scipy.special import digamma, gammaln

    posterior = counts + 1
    total = posterior.sum(axis=1, keepdims=True)
    log = digamma(posterior) - digamma(total)
    after = (gammaln(total) - gammaln(posterior).sum(axis=1, keepdims=True)).sum()
    before = counts.shape[0] * gammaln(counts.shape[1])
    return log.ravel(), float(after - before + (counts * log).sum())


def _shut(known: Known, k: int, levels: int) -> BoolArray:
    """States (g, s) that a known item cannot be in."""
    return np.asarray(np.tile(np.arange(k), levels)[None] != known.label[:, None])


def _blocked(scores: FloatArray, known: Known, shut: BoolArray) -> FloatArray:
    scores[known.item] = np.where(shut, -np.inf, scores[known.item])
    return scores


def _within_class(log_prior: FloatArray, known: Known, k: int, levels: int) -> FloatArray:
    """log P(level | class) of known items, (g, s)."""
    by_level = log_prior.reshape(levels, k)
    within = by_level - np.logaddexp.reduce(by_level, axis=0)
    return np.broadcast_to(within.ravel(), (len(known.item), levels * k))


def _softmax(scores: FloatArray) -> tuple[FloatArray, float]:
    """P(state) (n, s), and Σ log Σ exp of the scores."""
    top = scores.max(axis=1, keepdims=True)
    likelihood = np.exp(scores - top)
    total = likelihood.sum(axis=1, keepdims=True)
    likelihood /= total
    return likelihood, float(np.log(total).sum() + top.sum())
