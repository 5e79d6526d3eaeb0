"""How good each worker is, with an interval."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from labelkit.labelmodels.crowds.answers import Answers, FloatArray
from labelkit.labelmodels.crowds.hierarchy import (
    Structure,
    expected_population,
    pooled,
    population_step,
    worker_posteriors,
)


@dataclass(frozen=True)
class People:
    """Accuracy of every worker, P(answer is right) over items of the crowd's class balance.

    ::

        accuracy, low, high   (m,) posterior mean and a central 95 % interval
        confusion             (m, k, k) posterior mean of P(answer | class)
    """

    accuracy: FloatArray
    low: FloatArray
    high: FloatArray
    confusion: FloatArray


def people(
    answers: Answers,
    proba: FloatArray,
    balance: FloatArray,
    *,
    coin: bool,
    level: float = 0.95,
) -> People:
    """Read the workers off labels ``proba`` (n, k).

    Beta posteriors under the population's prior, which is fitted here. A label that is in doubt
    is worth less than one that is known: the counts behind a rate are multiplied by the share of
    its information that is not missing (Louis 1982), 1 - Σ Var(score | answers) / Σ E(score²).
    What the workers' parameters owe each other is left out.
    """
    from scipy.stats import beta

    k = answers.cardinality
    structure = Structure(coin=coin)
    counts = answers.confusions(proba)
    doubt = answers.confusions(proba * (1 - proba))
    missing = np.trace(doubt, axis1=1, axis2=2)[:, None] if coin else doubt
    cells = pooled(counts, structure)
    base = expected_population(k, structure)
    population = base
    for _ in range(200):
        before = population
        population = population_step(cells, population, base)
        if np.abs(population - before).max() < 1e-6 * population.max():
            break
    mean = worker_posteriors(cells, population, structure, k).confusion
    # Per row (one for a coin, k for a confusion matrix): right, wrong, and the prior of the two.
    weight: FloatArray
    if coin:
        right, wrong = cells[..., 0], cells[..., 1]
        prior = population
        weight = np.ones(1)
    else:
        right = np.diagonal(cells, axis1=1, axis2=2)
        wrong = cells.sum(axis=2) - right
        own = np.diag(population)
        prior = np.column_stack([own, population.sum(axis=1) - own])
        weight = balance
    a = (right + prior[:, 0]) / (right + wrong + prior.sum(axis=1))
    complete = right * (1 - a) ** 2 + wrong * a**2
    if not coin:
        on = np.diagonal(missing, axis1=1, axis2=2)
        missing = on * (1 - a) ** 2 + (missing.sum(axis=2) - on) * a**2
    kept = np.clip(1 - missing / np.maximum(complete, 1e-12), 0, 1)
    up, down = prior[:, 0] + kept * right, prior[:, 1] + kept * wrong
    centre = (weight * a).sum(axis=1)
    row_variance = a * (1 - a) / (up + down + 1)
    variance = (weight**2 * row_variance).sum(axis=1)
    size = np.maximum(centre * (1 - centre) / np.maximum(variance, 1e-12) - 1, 1e-3)
    low, high = beta.interval(level, centre * size, (1 - centre) * size)
    return People(centre, low, high, mean)
