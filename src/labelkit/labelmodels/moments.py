"""Snorkel's label model: P(λ | Y) from how often pairs of votes occur together."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from labelkit.errors import ConvergenceWarning, LabelModelError, WeakEvidenceWarning
from labelkit.labelmodels.base import VoteModel
from labelkit.labelmodels.posterior import LogLinear
from labelkit.labelmodels.snorkel_config import (
    Optimizer,
    OptimizerConfig,
    Options,
    Schedule,
    ScheduleConfig,
    SnorkelSettings,
    configured,
)
from labelkit.labelmodels.snorkel_sgd import solve_snorkel, start_scale
from labelkit.labelmodels.statistics import FloatArray, GoldSample, VoteStatistics
from labelkit.lfs import Moments

Solver: TypeAlias = Literal["optimum", "sgd"]
Precision: TypeAlias = float | Sequence[float] | FloatArray

MIN_LFS = 3
MAX_ITER = 1000
# Snorkel scales its start by a uniform draw: these stand for what other seeds draw.
_OTHER_SCALES = (0.1, 0.5, 0.9)
# So many vote rows show how many labels the start decides.
_ENOUGH_ROWS = 5_000


@dataclass(frozen=True)
class MomentFit:
    """μ (m·k, k), the value of the objective there, and whether the solver had settled."""

    mu: FloatArray
    loss: float
    converged: bool
    n_iter: int


def expected_mu(diagonal: FloatArray, balance: FloatArray, precision: FloatArray) -> FloatArray:
    """μ₀ (m·k, k) of LFs that are right with the given precision (m,), whatever they vote.

    P(λ = a | Y = a) = P(λ = a)·precision / p_a, and the wrong votes spread over the other classes
    in proportion, so that Σ_y p_y μ₀ is P(λ = a). (Snorkel's own start gives wrong votes 0.)
    """
    k = len(balance)
    of_lf = np.repeat(precision, k)
    voted_for = np.arange(len(diagonal)) % k
    wrong = diagonal * (1 - of_lf) / (1 - balance[voted_for])
    mu = np.repeat(wrong[:, None], k, axis=1)
    mu[np.arange(len(diagonal)), voted_for] = diagonal * of_lf / balance[voted_for]
    return mu


def moment_loss(
    mu: FloatArray,
    O: FloatArray,  # noqa: E741
    balance: FloatArray,
    centre: FloatArray,
    l2: float,
) -> tuple[float, FloatArray]:
    """Snorkel's objective with a pull towards ``centre``, and its gradient (m·k, k).

    ‖(O - μPμᵀ)∘M‖² + ‖μP1 - diag O‖² + l2·‖(μ - μ₀)P^½‖², M hiding each LF's own block.
    """
    k = len(balance)
    weighted = mu * balance
    pairs = weighted @ mu.T - O
    own = np.arange(len(O)).reshape(-1, k)
    pairs[own[:, :, None], own[:, None, :]] = 0
    single = weighted.sum(axis=1) - np.diag(O)
    away = mu - centre
    loss = (pairs**2).sum() + (single**2).sum() + l2 * (away**2 * balance).sum()
    gradient = 4 * pairs @ weighted + 2 * single[:, None] * balance + 2 * l2 * away * balance
    return float(loss), gradient


def solve_optimum(
    O: FloatArray,  # noqa: E741
    balance: FloatArray,
    centre: FloatArray,
    *,
    l2: float,
    mu_eps: float,
    start: FloatArray | None = None,
) -> MomentFit:
    """The minimum of `moment_loss` over μ in [mu_eps, 1 - mu_eps], by bounded L-BFGS."""
    from scipy.optimize import minimize

    shape = centre.shape

    def objective(flat: FloatArray) -> tuple[float, FloatArray]:
        loss, gradient = moment_loss(flat.reshape(shape), O, balance, centre, l2)
        return loss, gradient.ravel()

    first = np.clip(centre if start is None else start, mu_eps, 1 - mu_eps)
    found = minimize(
        objective,
        first.ravel(),
        jac=True,
        method="L-BFGS-B",
        bounds=[(mu_eps, 1 - mu_eps)] * centre.size,
        options={"maxiter": MAX_ITER, "ftol": 1e-12, "gtol": 1e-8},
    )
    return MomentFit(found.x.reshape(shape), float(found.fun), bool(found.success), int(found.nit))


class SnorkelMoments(VoteModel):
    """Snorkel's label model, fitted to the second moments O = E[λλᵀ] alone.

    P(Y | votes) ∝ p_y Π μ_(j, λ_j),y over the LFs that voted.

    Parameters
    ----------
    cardinality : number of classes k ≥ 2
    solver : "optimum" minimises the objective with a pull towards LFs of precision ``prec_init``
        until it settles, and depends on no seed; "sgd" repeats Snorkel 0.10.0 step by step and
        gives its numbers, including their dependence on the seed
    l2 : strength of the pull; by default 1 for "optimum" and Snorkel's 0 for "sgd"
    prec_init : expected precision of the LFs, one number or one per LF
    n_epochs, lr, optimizer, lr_scheduler : Snorkel's settings, for "sgd" only
    optimizer_config, lr_scheduler_config : Snorkel's settings of these, nested by Snorkel's
        names, for example {"sgd_config": {"momentum": 0.5}}, {"warmup_percentage": 0.1}
    mu_eps : μ stays in [mu_eps, 1 - mu_eps]; by default Snorkel's min(0.01, 10^-⌈log₁₀ n⌉)
    seed : Snorkel's seed for "sgd"; for bootstrap intervals and the tie policy "true-random"

    Attributes
    ----------
    mu_ : (m·k, k) P(λ_j = v | Y = y), row j·k + v
    converged_, n_iter_, loss_ : how the solver ended (for "sgd" the steps are all there is)

    References
    ----------
    Ratner et al. 2019, "Training complex models with multi-task weak supervision" (AAAI), and
    the ``LabelModel`` of Snorkel 0.10.0.
    """

    _n_replicates = 25

    def __init__(
        self,
        cardinality: int = 2,
        *,
        solver: Solver = "optimum",
        l2: float | None = None,
        prec_init: Precision = 0.7,
        n_epochs: int = 100,
        lr: float = 0.01,
        optimizer: Optimizer = "sgd",
        optimizer_config: Options | None = None,
        lr_scheduler: Schedule = "constant",
        lr_scheduler_config: Options | None = None,
        mu_eps: float | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__(cardinality=cardinality, seed=seed)
        self.solver = solver
        self.l2 = l2
        self.prec_init = prec_init
        self.n_epochs = n_epochs
        self.lr = lr
        self.optimizer = optimizer
        self.optimizer_config = optimizer_config
        self.lr_scheduler = lr_scheduler
        self.lr_scheduler_config = lr_scheduler_config
        self.mu_eps = mu_eps

    def _fit_scorer(
        self, statistics: VoteStatistics, balance: FloatArray, gold: GoldSample | None
    ) -> LogLinear:
        if statistics.m < MIN_LFS:
            raise LabelModelError(
                f"Snorkel's model needs {MIN_LFS} labeling functions or more, because two cannot "
                f"tell which of them is right when they differ; there are {statistics.m}. Use "
                'method="majority", or write another function.'
            )
        if self.solver not in ("optimum", "sgd"):
            raise LabelModelError(f"solver={self.solver!r} is neither 'optimum' nor 'sgd'.")
        moments = statistics.moments()
        fit = self._solve(moments, balance)
        if not fit.converged:
            warnings.warn(
                f"L-BFGS had not settled after {fit.n_iter} iterations (loss {fit.loss:.3g}).",
                ConvergenceWarning,
                stacklevel=4,
            )
        if self.solver == "sgd":
            self._warn_of_the_start(statistics, moments, balance)
        self.mu_, self.loss_ = fit.mu, fit.loss
        self.converged_, self.n_iter_ = fit.converged, fit.n_iter
        return self._scorer(fit.mu, balance)

    def _refitter(
        self, statistics: VoteStatistics, balance: FloatArray
    ) -> Callable[[VoteStatistics], LogLinear]:
        def refit(resampled: VoteStatistics) -> LogLinear:
            return self._scorer(self._solve(resampled.moments(), balance, self.mu_).mu, balance)

        return refit

    def _solve(
        self, moments: Moments, balance: FloatArray, start: FloatArray | None = None
    ) -> MomentFit:
        if self.solver == "sgd":
            mu = self._snorkels(moments, balance)
            loss, _ = moment_loss(mu, moments.O, balance, mu, 0.0)
            return MomentFit(mu, loss, True, self.n_epochs)
        l2 = 1.0 if self.l2 is None else self.l2
        centre = expected_mu(np.diag(moments.O), balance, self._precision(moments))
        return solve_optimum(
            moments.O, balance, centre, l2=l2, mu_eps=self._eps(moments.n), start=start
        )

    def _snorkels(
        self, moments: Moments, balance: FloatArray, scale: float | None = None
    ) -> FloatArray:
        """μ as Snorkel leaves it, by default from the start that its seed gives."""
        mu = solve_snorkel(
            moments.O,
            moments.n,
            balance,
            self._precision(moments),
            self._settings(),
            mu_eps=self._eps(moments.n),
            scale=scale,
        )
        return mu.astype(np.float64)

    def _settings(self) -> SnorkelSettings:
        return SnorkelSettings(
            seed=self.seed,
            n_epochs=self.n_epochs,
            lr=self.lr,
            l2=self.l2 or 0.0,
            optimizer=self.optimizer,
            optimizer_config=configured(
                OptimizerConfig(), self.optimizer_config, "optimizer_config"
            ),
            lr_scheduler=self.lr_scheduler,
            lr_scheduler_config=configured(
                ScheduleConfig(), self.lr_scheduler_config, "lr_scheduler_config"
            ),
        )

    def _precision(self, moments: Moments) -> FloatArray:
        m = len(moments.counts) // self.cardinality
        given = np.asarray(self.prec_init, dtype=np.float64)
        if given.shape not in ((), (m,)):
            raise LabelModelError(
                f"prec_init is one number, or one for each of the {m} labeling functions; got "
                f"shape {given.shape}."
            )
        return np.broadcast_to(given, (m,))

    def _eps(self, n: float) -> float:
        if self.mu_eps is not None:
            return self.mu_eps
        return float(min(0.01, 10.0 ** -np.ceil(np.log10(n))))

    def _warn_of_the_start(
        self, statistics: VoteStatistics, moments: Moments, balance: FloatArray
    ) -> None:
        """Say so if the random scale of the start decides labels, as it does at imbalance."""
        if len(statistics.rows) > _ENOUGH_ROWS:
            weight = statistics.counts / statistics.n
            drawn = np.random.default_rng(self.seed).multinomial(_ENOUGH_ROWS, weight)
            statistics = statistics.drawn(drawn.astype(np.float64))
        labels = np.array(
            [
                self._scorer(self._snorkels(moments, balance, scale), balance)
                .scores(statistics)
                .argmax(axis=1)
                for scale in (start_scale(self.seed), *_OTHER_SCALES)
            ]
        )
        differ = (labels != labels[0]).any(axis=0) & statistics.covered
        share = float(statistics.counts @ differ / max(statistics.counts @ statistics.covered, 1))
        rarest = float(balance.min())
        if share <= rarest / 2:
            return
        warnings.warn(
            f"The random number that scales Snorkel's start decides {share:.1%} of the labels, "
            f"and the rarest class has {rarest:.1%}: another seed may find all of it, or none. "
            'Use solver="optimum", or another model.',
            WeakEvidenceWarning,
            stacklevel=5,
        )

    def _scorer(self, mu: FloatArray, balance: FloatArray) -> LogLinear:
        # Snorkel takes its logarithms in float32, and so do its numbers.
        log_mu = np.log(mu.astype(np.float32)) if self.solver == "sgd" else np.log(mu)
        shape = (-1, self.cardinality, self.cardinality)
        return LogLinear(np.log(balance), log_mu.astype(np.float64).reshape(shape))
