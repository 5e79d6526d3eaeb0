"""Rival click models: is the position-based model a fair description of this log?

What comes in: an ``InteractionLog`` that tells result pages apart. What goes out: held-out
likelihoods and perplexities of six models in one table, and a verdict in words. It must never
judge a model by a page that the model was fitted to, and changes no propensity: it only says how
far the position-based model, which labelkit's labels rest on, is to be believed.

In the order in which data meets them: ``split`` tells pages apart and splits them, ``counts`` is
the statistic to fit on, ``pages`` the rows to judge by; then one model a file.
"""

from labelkit.bias.clickmodels.counts import PageCounts  # isort: skip — in order of use
from labelkit.bias.clickmodels.pages import Pages  # isort: skip
from labelkit.bias.clickmodels.split import SplitLog, split_pages  # isort: skip
from labelkit.bias.clickmodels.base import PageModel  # isort: skip
from labelkit.bias.clickmodels.position_ctr import PositionRate  # isort: skip — the baseline
from labelkit.bias.clickmodels.position_based import PositionBased  # isort: skip — θ by position
from labelkit.bias.clickmodels.cascade import Cascade  # isort: skip — stop at the first click
from labelkit.bias.clickmodels.dcm import DependentClick  # isort: skip — read on by position
from labelkit.bias.clickmodels.dbn import SimplifiedDBN  # isort: skip — read on until satisfied
from labelkit.bias.clickmodels.ubm import UserBrowsing  # isort: skip — θ by distance to a click
from labelkit.bias.clickmodels.compare import (  # isort: skip
    ClickModelComparison,
    compare_click_models,
)

__all__ = [
    "Cascade",
    "ClickModelComparison",
    "DependentClick",
    "PageCounts",
    "PageModel",
    "Pages",
    "PositionBased",
    "PositionRate",
    "SimplifiedDBN",
    "SplitLog",
    "UserBrowsing",
    "compare_click_models",
    "split_pages",
]
