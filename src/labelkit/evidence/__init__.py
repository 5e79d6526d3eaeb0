"""Evidence: one row per (query, item) with what the log says about it.

What comes in: an ``InteractionLog`` and fitted ``Propensities``. What goes out: a lazy table with
debiased click rates and their intervals, dwell, conversions, skips, people and times. It must
never read clicks without their propensities, nor look at a label.
"""

from labelkit.evidence.prior import GammaPrior, fit_gamma_prior  # isort: skip — in order of use
from labelkit.evidence.table import COLUMNS, available, evidence, gamma_prior  # isort: skip

__all__ = ["COLUMNS", "GammaPrior", "available", "evidence", "fit_gamma_prior", "gamma_prior"]
