"""Ready labeling functions for interaction logs, with thresholds to choose or to learn from gold.

What comes in: thresholds. What goes out: a `LabelingFunction` like any other; assign it in a module
of ``labeling_functions/`` and it is found there: ``read_for_long = long_dwell(seconds=45)``.
It must never read data, nor look at the clock. Each file is one idea, and its docstring says why
the rule should hold and from where that is known::

    template              @template: write your own
    click_rate            surely above or below what is usual for the query
    examined_but_skipped  looked at often, never clicked
    passed_over           a click further down shows that it was seen
    long_dwell            stayed and read
    bounce                clicked and left at once
    conversion            bought
    last_click            the search of the page ended with it
    reformulation         asked again in other words after seeing it
    popularity            liked everywhere; chosen by several people
    freshness             new, or no longer shown

``labelkit.lfs.suggest.learn_thresholds`` chooses thresholds from gold, with an honest interval.
"""

from labelkit.lfs.templates.bounce import bounce
from labelkit.lfs.templates.click_rate import click_rate
from labelkit.lfs.templates.conversion import conversion
from labelkit.lfs.templates.examined_but_skipped import examined_but_skipped
from labelkit.lfs.templates.freshness import freshness
from labelkit.lfs.templates.last_click import last_click
from labelkit.lfs.templates.long_dwell import long_dwell
from labelkit.lfs.templates.passed_over import passed_over
from labelkit.lfs.templates.popularity import popularity, several_people
from labelkit.lfs.templates.reformulation import reformulation
from labelkit.lfs.templates.template import Template, template

__all__ = [
    "Template",
    "bounce",
    "click_rate",
    "conversion",
    "examined_but_skipped",
    "freshness",
    "last_click",
    "long_dwell",
    "passed_over",
    "popularity",
    "reformulation",
    "several_people",
    "template",
]
