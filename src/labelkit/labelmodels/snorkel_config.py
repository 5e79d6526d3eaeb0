"""Snorkel's training options: its names, its nesting, its defaults."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from typing import Any, Literal, TypeAlias, TypeVar, get_args

from labelkit.errors import LabelModelError

Optimizer: TypeAlias = Literal["sgd", "adam", "adamax"]
Schedule: TypeAlias = Literal["constant", "linear", "exponential", "step"]
Options: TypeAlias = Mapping[str, Any]
_Config = TypeVar("_Config")


@dataclass(frozen=True)
class SGDConfig:
    """``momentum`` in [0, 1)."""

    momentum: float = 0.9


@dataclass(frozen=True)
class AdamConfig:
    """``betas``: decay of the means of gradients and of their squares; ``amsgrad``: keep the
    largest mean square."""

    amsgrad: bool = False
    betas: tuple[float, float] = (0.9, 0.999)


@dataclass(frozen=True)
class AdamaxConfig:
    """``betas`` as for Adam; ``eps`` keeps the step finite."""

    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8


@dataclass(frozen=True)
class OptimizerConfig:
    """Settings of each optimiser; only those of the chosen one are read."""

    sgd_config: SGDConfig = field(default_factory=SGDConfig)
    adam_config: AdamConfig = field(default_factory=AdamConfig)
    adamax_config: AdamaxConfig = field(default_factory=AdamaxConfig)


@dataclass(frozen=True)
class ExponentialConfig:
    """The rate is multiplied by ``gamma`` after every step."""

    gamma: float = 0.9


@dataclass(frozen=True)
class StepConfig:
    """The rate is multiplied by ``gamma`` after every ``step_size`` steps."""

    gamma: float = 0.9
    step_size: int = 5


@dataclass(frozen=True)
class ScheduleConfig:
    """How the learning rate warms up and falls.

    Parameters
    ----------
    warmup_steps : epochs over which the rate rises from 0
    warmup_unit : "epochs" if ``warmup_steps`` is used: Snorkel's label model has no other
    warmup_percentage : share of ``n_epochs`` to warm up over, if ``warmup_steps`` is 0
    min_lr : the rate falls no lower
    exponential_config, step_config : of the schedules of these names
    """

    warmup_steps: float = 0
    warmup_unit: str = "batches"
    warmup_percentage: float = 0.0
    min_lr: float = 0.0
    exponential_config: ExponentialConfig = field(default_factory=ExponentialConfig)
    step_config: StepConfig = field(default_factory=StepConfig)


@dataclass(frozen=True)
class SnorkelSettings:
    """Snorkel's training settings.

    Parameters
    ----------
    seed : scales the start by one draw of the generator that ``numpy.random.seed(seed)`` seeds
    n_epochs : gradient steps
    lr : learning rate
    l2 : centred l2 strength
    optimizer : "sgd" (with momentum), "adam" or "adamax"
    optimizer_config : their settings
    lr_scheduler : "constant", "linear", "exponential" or "step"
    lr_scheduler_config : their settings
    """

    seed: int = 0
    n_epochs: int = 100
    lr: float = 0.01
    l2: float = 0.0
    optimizer: Optimizer = "sgd"
    optimizer_config: OptimizerConfig = field(default_factory=OptimizerConfig)
    lr_scheduler: Schedule = "constant"
    lr_scheduler_config: ScheduleConfig = field(default_factory=ScheduleConfig)

    def __post_init__(self) -> None:
        if self.optimizer not in get_args(Optimizer):
            raise LabelModelError(f"optimizer={self.optimizer!r} is none of Snorkel's.")
        if self.lr_scheduler not in get_args(Schedule):
            raise LabelModelError(f"lr_scheduler={self.lr_scheduler!r} is none of Snorkel's.")
        schedule = self.lr_scheduler_config
        if schedule.warmup_steps < 0:
            raise LabelModelError(f"warmup_steps={schedule.warmup_steps} is below 0.")
        if schedule.warmup_steps and schedule.warmup_unit != "epochs":
            raise LabelModelError(
                f"warmup_unit={schedule.warmup_unit!r}: Snorkel's label model counts warm-up in "
                "'epochs' alone."
            )
        if self.n_warmup >= self.n_epochs > 0:
            raise LabelModelError(
                f"A warm-up of {self.n_warmup} of {self.n_epochs} epochs leaves none to train in."
            )

    @property
    def n_warmup(self) -> int:
        """Number of epochs over which the rate rises."""
        schedule = self.lr_scheduler_config
        if schedule.warmup_steps:
            return int(schedule.warmup_steps)
        return int(schedule.warmup_percentage * self.n_epochs)


def configured(default: _Config, options: Options | None, name: str) -> _Config:
    """``default`` with ``options`` put in, nested mappings into nested settings.

    Raises
    ------
    LabelModelError
        An option that Snorkel does not have.
    """
    if options is None:
        return default
    known = {item.name: getattr(default, item.name) for item in fields(default)}  # type: ignore[arg-type]
    changed: dict[str, Any] = {}
    for key, value in options.items():
        if key not in known:
            raise LabelModelError(f"{name} has no option {key!r}; it has {', '.join(known)}.")
        if is_dataclass(known[key]):
            value = configured(known[key], value, f"{name}[{key!r}]")
        changed[key] = value
    return replace(default, **changed)  # type: ignore[type-var]
