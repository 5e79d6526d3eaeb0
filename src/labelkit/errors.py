"""Every error and warning that labelkit raises on purpose.

::

    LabelkitError
    ├── LogError            the interaction log breaks its contract
    ├── NotIdentifiable     the log cannot carry the estimate that was asked for
    ├── LFError             a labeling function cannot run, or votes outside the label set
    │   ├── EndpointError   a model's endpoint refused a call, or never answered
    │   └── CostCapReached  asking on would cost more than was allowed
    ├── LabelModelError     votes that no label model can be fitted to
    ├── EndModelError       labels, weights or features that no end model can be trained on
    ├── NotFittedError      an estimator was used before ``fit``
    ├── SelectionError      a batch that cannot be drawn
    ├── RoundError          a labeling round was asked for a step that it cannot take
    │   └── RoundBusy       another process does this now, or has taken it over
    ├── PlatformError       the annotation platform is unreachable, or refused a call
    ├── GoldError           gold labels that cannot validate anything
    └── ProjectError        ``labelkit.toml`` or a run directory is not usable

    LabelkitWarning
    ├── RowFunctionWarning  a labeling function runs row by row
    ├── PositivityWarning   inverse propensity weights explode somewhere
    ├── ConvergenceWarning  an optimiser stopped before its tolerance
    └── WeakEvidenceWarning an estimate rests on too little data to be trusted
"""

from __future__ import annotations


class LabelkitError(Exception):
    """Root of all errors that labelkit raises on purpose."""


class LogError(LabelkitError):
    """The interaction log breaks its contract."""


class NotIdentifiable(LabelkitError):
    """The log cannot carry the estimate that was asked for."""


class LFError(LabelkitError):
    """A labeling function cannot run, or votes outside the label set."""


class EndpointError(LFError):
    """A model's endpoint refused a call, or never answered."""


class CostCapReached(LFError):
    """Asking on would cost more than was allowed; what was answered is kept."""


class LabelModelError(LabelkitError):
    """Votes that no label model can be fitted to."""


class EndModelError(LabelkitError):
    """Labels, weights or features that no end model can be trained on."""


class NotFittedError(LabelkitError, ValueError, AttributeError):
    """An estimator was used before ``fit`` (same bases as scikit-learn's error of this name)."""

    @classmethod
    def of(cls, estimator: object) -> NotFittedError:
        name = type(estimator).__name__
        return cls(f"This {name} is not fitted yet. Call fit(...) first.")


class SelectionError(LabelkitError):
    """A batch that cannot be drawn."""


class RoundError(LabelkitError):
    """A labeling round was asked for a step that it cannot take."""


class RoundBusy(RoundError):
    """Another process does this now, or has taken it over; repeat later, nothing is lost."""


class PlatformError(LabelkitError):
    """The annotation platform is unreachable, or refused a call."""


class GoldError(LabelkitError):
    """Gold labels that cannot validate anything."""


class ProjectError(LabelkitError):
    """``labelkit.toml`` or a run directory is not usable."""


class LabelkitWarning(UserWarning):
    """Root of all warnings that labelkit gives on purpose."""


class RowFunctionWarning(LabelkitWarning):
    """A labeling function runs row by row in Python instead of in the engine."""


class PositivityWarning(LabelkitWarning):
    """Inverse propensity weights explode somewhere."""


class ConvergenceWarning(LabelkitWarning):
    """An optimiser stopped before its tolerance."""


class WeakEvidenceWarning(LabelkitWarning):
    """An estimate rests on too little data to be trusted."""
