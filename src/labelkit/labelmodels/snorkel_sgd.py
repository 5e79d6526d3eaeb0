"""Snorkel's own solver for its objective: its start, its optimisers, its schedules, its numbers.

Everything is float32 as in Snorkel 0.10.0, and every choice that looks arbitrary is Snorkel's:
the start is scaled by one random number, the steps are few, and the l2 strength acts twice (as
weight decay, and squared as a pull towards the start).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

import numpy as np
import numpy.typing as npt

from labelkit.errors import LabelModelError

Float32Array: TypeAlias = npt.NDArray[np.float32]
Optimizer: TypeAlias = Literal["sgd", "adam", "adamax"]
Schedule: TypeAlias = Literal["constant", "linear", "exponential", "step"]

_MOMENTUM = np.float32(0.9)
_BETAS = (0.9, 0.999)
_DECAY, _DECAY_EVERY = 0.9, 5


@dataclass(frozen=True)
class SnorkelSettings:
    """Snorkel's training settings, by Snorkel's names and with its defaults.

    Parameters
    ----------
    seed : scales the start by one draw of the generator that ``numpy.random.seed(seed)`` seeds
    n_epochs : gradient steps
    lr : learning rate
    l2 : centred l2 strength
    optimizer : "sgd" (momentum 0.9), "adam" or "adamax"
    lr_scheduler : "constant", "linear", "exponential" (0.9 a step) or "step" (0.9 every 5 steps)
    """

    seed: int = 0
    n_epochs: int = 100
    lr: float = 0.01
    l2: float = 0.0
    optimizer: Optimizer = "sgd"
    lr_scheduler: Schedule = "constant"


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


def solve_snorkel(
    O: npt.NDArray[np.float64],  # noqa: E741 - the paper's name
    n: int,
    balance: npt.NDArray[np.float64],
    prec_init: npt.NDArray[np.float64],
    settings: SnorkelSettings,
    *,
    mu_eps: float,
) -> Float32Array:
    """μ (m·k, k) as Snorkel's ``LabelModel.fit`` leaves it.

    Raises
    ------
    LabelModelError
        A setting that Snorkel does not have, or steps so large that the loss overflows.
    """
    if settings.optimizer not in get_args(Optimizer):
        raise LabelModelError(f"optimizer={settings.optimizer!r} is none of Snorkel's.")
    if settings.lr_scheduler not in get_args(Schedule):
        raise LabelModelError(f"lr_scheduler={settings.lr_scheduler!r} is none of Snorkel's.")
    k = len(balance)
    target = O.astype(np.float32)
    diagonal = np.diag(target).copy()
    p = balance.astype(np.float32)
    start = snorkel_start(diagonal, balance, prec_init.astype(np.float32))
    # The one draw that Snorkel takes from NumPy's global generator after seeding it.
    draw = np.random.RandomState(settings.seed).random_sample()
    mu = start * np.float32(draw)
    other_lf = np.kron(1 - np.eye(len(O) // k), np.ones((k, k))).astype(np.float32)
    pull = np.float32(settings.l2**2)
    decay = np.float32(settings.l2)

    def gradient(mu: Float32Array) -> Float32Array:
        weighted = mu * p
        pairs = (weighted @ mu.T - target) * other_lf
        single = weighted.sum(axis=1) - diagonal
        slope = 4 * (pairs @ weighted) + 2 * single[:, None] * p
        return np.asarray(slope + 2 * pull * (mu - start) + decay * mu, dtype=np.float32)

    step = _stepper(settings.optimizer)
    lr = settings.lr
    with np.errstate(over="ignore", invalid="ignore"):
        for epoch in range(settings.n_epochs):
            mu = mu - step(gradient(mu), epoch + 1, lr)
            lr = _next_rate(settings, lr, epoch)
    if not np.isfinite(mu).all():
        raise LabelModelError(f"The loss overflows with lr={settings.lr}: choose a smaller one.")
    return _trusting_columns(np.clip(mu, mu_eps, 1 - mu_eps), p)


def _stepper(optimizer: Optimizer) -> Callable[[Float32Array, int, float], Float32Array]:
    """What PyTorch's optimiser of this name subtracts, given gradient, step number and rate."""
    first: Float32Array | None = None
    second: Float32Array | None = None
    beta1, beta2 = _BETAS

    def sgd(slope: Float32Array, t: int, lr: float) -> Float32Array:
        nonlocal first
        first = slope if first is None else _MOMENTUM * first + slope
        return np.asarray(np.float32(lr) * first)

    def adam(slope: Float32Array, t: int, lr: float) -> Float32Array:
        nonlocal first, second
        first = (1 - beta1) * slope + (0 if first is None else beta1 * first)
        second = (1 - beta2) * slope**2 + (0 if second is None else beta2 * second)
        spread = np.sqrt(second) / np.sqrt(1 - beta2**t) + 1e-8
        return np.asarray(lr / (1 - beta1**t) * first / spread, dtype=np.float32)

    def adamax(slope: Float32Array, t: int, lr: float) -> Float32Array:
        nonlocal first, second
        first = (1 - beta1) * slope + (0 if first is None else beta1 * first)
        largest = np.abs(slope) + np.float32(1e-8)
        second = largest if second is None else np.maximum(beta2 * second, largest)
        return np.asarray(lr / (1 - beta1**t) * first / second, dtype=np.float32)

    return {"sgd": sgd, "adam": adam, "adamax": adamax}[optimizer]


def _next_rate(settings: SnorkelSettings, lr: float, epoch: int) -> float:
    """The learning rate after step ``epoch`` (from 0)."""
    if settings.lr_scheduler == "linear":
        return settings.lr * (settings.n_epochs - epoch - 1) / settings.n_epochs
    if settings.lr_scheduler == "exponential":
        return lr * _DECAY
    if settings.lr_scheduler == "step":
        return lr * _DECAY if (epoch + 1) % _DECAY_EVERY == 0 else lr
    return lr


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
