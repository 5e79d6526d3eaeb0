"""Snorkel's own solver for its objective: its start, its optimisers, its schedules, its numbers.

Everything is float32 as in Snorkel 0.10.0, and every choice that looks arbitrary is Snorkel's:
the start is scaled by one random number, the steps are few, and the l2 strength acts twice (as
weight decay, and squared as a pull towards the start).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from labelkit.errors import LabelModelError
from labelkit.labelmodels.snorkel_config import SnorkelSettings

Float32Array: TypeAlias = npt.NDArray[np.float32]


def snorkel_start(
    diagonal: Float32Array, balance: npt.NDArray[np.float64], prec_init: Float32Array
) -> Float32Array:
    """μ₀ (m·k, k): P(λ = y)·precision / P(Y = y) for right votes, clipped to [0, 1], else 0."""
    k = len(balance)
    start = np.zeros((len(diagonal), k), dtype=np.float32)
    for y, share in enumerate(balance):
        right = diagonal[y::k] * prec_init / np.float32(share)
        start[y::k, y] = np.clip(right, 0, 1)
    return start


def start_scale(seed: int) -> float:
    """The one draw that Snorkel takes from NumPy's global generator after seeding it."""
    return float(np.random.RandomState(seed).random_sample())


def solve_snorkel(
    O: npt.NDArray[np.float64],  # noqa: E741 - the paper's name
    n: int,
    balance: npt.NDArray[np.float64],
    prec_init: npt.NDArray[np.float64],
    settings: SnorkelSettings,
    *,
    mu_eps: float,
    scale: float | None = None,
) -> Float32Array:
    """μ (m·k, k) as Snorkel's ``LabelModel.fit`` leaves it.

    Parameters
    ----------
    O : (m·k, m·k) second moments of n examples
    scale : of the start, in place of the one that follows from the seed

    Raises
    ------
    LabelModelError
        Steps so large that the loss overflows.
    """
    k = len(balance)
    target = O.astype(np.float32)
    diagonal = np.diag(target).copy()
    p = balance.astype(np.float32)
    start = snorkel_start(diagonal, balance, prec_init.astype(np.float32))
    scale = start_scale(settings.seed) if scale is None else scale
    mu = start * np.float32(scale)
    other_lf = np.kron(1 - np.eye(len(O) // k), np.ones((k, k))).astype(np.float32)
    pull = np.float32(settings.l2**2)
    decay = np.float32(settings.l2)

    def gradient(mu: Float32Array) -> Float32Array:
        weighted = mu * p
        pairs = (weighted @ mu.T - target) * other_lf
        single = weighted.sum(axis=1) - diagonal
        slope = 4 * (pairs @ weighted) + 2 * single[:, None] * p
        return np.asarray(slope + 2 * pull * (mu - start) + decay * mu, dtype=np.float32)

    step = _stepper(settings)
    with np.errstate(over="ignore", invalid="ignore"):
        for epoch, lr in enumerate(learning_rates(settings)):
            mu = mu - step(gradient(mu), epoch + 1, lr)
    if not np.isfinite(mu).all():
        raise LabelModelError(f"The loss overflows with lr={settings.lr}: choose a smaller one.")
    return _trusting_columns(np.clip(mu, mu_eps, 1 - mu_eps), p)


def _stepper(settings: SnorkelSettings) -> Callable[[Float32Array, int, float], Float32Array]:
    """What PyTorch's optimiser of this name subtracts, given gradient, step number and rate."""
    first: Float32Array | None = None
    second: Float32Array | None = None
    config = settings.optimizer_config
    momentum = np.float32(config.sgd_config.momentum)
    highest: Float32Array | None = None

    def sgd(slope: Float32Array, t: int, lr: float) -> Float32Array:
        nonlocal first
        first = slope if first is None else momentum * first + slope
        return np.asarray(np.float32(lr) * first)

    def adam(slope: Float32Array, t: int, lr: float) -> Float32Array:
        nonlocal first, second, highest
        beta1, beta2 = config.adam_config.betas
        first = (1 - beta1) * slope + (0 if first is None else beta1 * first)
        second = (1 - beta2) * slope**2 + (0 if second is None else beta2 * second)
        highest = second if highest is None else np.maximum(highest, second)
        spread = (
            np.sqrt(highest if config.adam_config.amsgrad else second) / np.sqrt(1 - beta2**t)
            + 1e-8
        )
        return np.asarray(lr / (1 - beta1**t) * first / spread, dtype=np.float32)

    def adamax(slope: Float32Array, t: int, lr: float) -> Float32Array:
        nonlocal first, second
        beta1, beta2 = config.adamax_config.betas
        first = (1 - beta1) * slope + (0 if first is None else beta1 * first)
        largest = np.abs(slope) + np.float32(config.adamax_config.eps)
        second = largest if second is None else np.maximum(beta2 * second, largest)
        return np.asarray(lr / (1 - beta1**t) * first / second, dtype=np.float32)

    return {"sgd": sgd, "adam": adam, "adamax": adamax}[settings.optimizer]


def learning_rates(settings: SnorkelSettings) -> list[float]:
    """The rate of each step, as Snorkel's schedulers set it.

    With a warm-up the first step has rate 0, except in a linear schedule, whose scheduler is made
    after that of the warm-up and sets the full rate before the first step.
    """
    schedule = settings.lr_scheduler_config
    n_warmup, total = settings.n_warmup, settings.n_epochs
    lr = settings.lr
    if n_warmup and settings.lr_scheduler != "linear":
        lr = 0.0
    rates = []
    for epoch in range(total):
        rates.append(lr)
        if epoch < n_warmup:
            lr = settings.lr * (epoch + 1) / n_warmup
            continue
        turn = epoch - n_warmup + 1
        if settings.lr_scheduler == "linear":
            lr = settings.lr * (total - n_warmup - turn) / (total - n_warmup)
        elif settings.lr_scheduler == "exponential":
            lr *= schedule.exponential_config.gamma
        elif settings.lr_scheduler == "step" and turn % schedule.step_config.step_size == 0:
            lr *= schedule.step_config.gamma
        if settings.lr_scheduler != "constant":
            lr = max(lr, schedule.min_lr)
    return rates


def _trusting_columns(mu: Float32Array, p: Float32Array) -> Float32Array:
    """Among equal priors, columns permuted so that the LFs are right as often as can be."""
    from scipy.optimize import linear_sum_assignment

    k = len(p)
    right = mu.reshape(-1, k, k).sum(axis=0) * p
    permuted = mu.copy()
    groups: dict[float, list[int]] = {}
    for y, share in enumerate(p):
        groups.setdefault(float(np.around(share, 3)), []).append(y)
    for group in groups.values():
        old, new = linear_sum_assignment(-right[np.ix_(group, group)].T)
        permuted[:, np.array(group)[new]] = mu[:, np.array(group)[old]]
    return permuted
