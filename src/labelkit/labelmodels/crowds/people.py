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
    """Accuracy of every worker: P(answer is right) on items like those that the worker answered.

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
    *,
    coin: bool,
    level: float = 0.95,
) -> People:
    """Read the workers off labels ``proba`` (n, k).

    Beta posteriors under the population's prior, which is fitted here. A label that is in doubt
    is worth less than one that is known: the answers behind an accuracy are multiplied by the share
    of its information that is not missing (Louis 1982), 1 - Σ Var(score | answers) / Σ E(score²).
    What the workers' parameters owe each other is left out.

    Parameters
    ----------
    coin : whether ``confusion`` follows from one accuracy a worker, or is free
    """
    from scipy.stats import beta

    k = answers.cardinality
    coin_cells, coin_prior = _learned(answers, proba, Structure(coin=True))
    right, wrong = coin_cells[:, 0, 0], coin_cells[:, 0, 1]
    up, down = coin_prior[0]
    accuracy = (up + right) / (up + down + right + wrong)
    doubt = answers.confusions(proba * (1 - proba))
    missing = np.trace(doubt, axis1=1, axis2=2)
    complete = right * (1 - accuracy) ** 2 + wrong * accuracy**2
    kept = np.clip(1 - missing / np.maximum(complete, 1e-12), 0, 1)
    size = up + down + kept * (right + wrong)
    low, high = beta.interval(level, accuracy * size, (1 - accuracy) * size)
    structure = Structure(coin=coin)
    cells, prior = (coin_cells, coin_prior) if coin else _learned(answers, proba, structure)
    confusion = worker_posteriors(cells, prior, structure, k).confusion
    return People(accuracy, low, high, confusion)


def _learned(
    answers: Answers, proba: FloatArray, structure: Structure
) -> tuple[FloatArray, FloatArray]:
    """Expected counts of every worker, and the population's prior that fits them."""
    cells = pooled(answers.confusions(proba), structure)
    base = expected_population(answers.cardinality, structure)
    population = base
    for _ in range(200):
        before = population
        population = population_step(cells, population, base)
        if np.abs(population - before).max() < 1e-4 * population.max():
            break
    return cells, population
