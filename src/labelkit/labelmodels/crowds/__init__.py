"""People as sources: answers in long form to labels, and to what each person's answers are worth.

What comes in: a table with one row per answer (item, worker, label), of any engine, and gold items
if there are any. What goes out: a fitted `CrowdModel`, with labels, workers' accuracies and the
class balance, each with its doubt. It must never make anything as large as items × workers.

In the order in which data meets them::

    reading     the table, checked and numbered
    answers     the sparse statistic that all models share
    majority    majority vote, plain and weighted
    hierarchy   workers from a population, items easy or hard
    choice      which of them suits these answers
    people      how good each worker is
    balance     the interval of the class balance
    model       CrowdModel
"""

from labelkit.labelmodels.crowds.model import CrowdModel

__all__ = ["CrowdModel"]
