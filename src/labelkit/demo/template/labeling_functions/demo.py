"""The demo's labeling functions: two read what people did, three read what items are like.

Nothing here was fitted to relevance grades. The click functions weigh two explanations of what the
log shows of an item: a relevant one, clicked in four of ten examinations, and an irrelevant one,
clicked in one of ten. A click is then four times likelier under the first, and each examination
without one is exp(0.3) times likelier under the second, so that

    log-odds = log(4) · clicks − 0.3 · exposure

where ``exposure`` counts how often the item was examined, not how often it was shown: this is
where position bias is taken out.

The signals are features of the item table, as percentiles. Which features they are was decided by
their agreement with debiased clicks (``labelkit.demo.signals``), on this log, without any grade.
"""

from labels import IRRELEVANT, RELEVANT

from labelkit import col, labeling_function, vote

LOG_ODDS = 1.386 * col("clicks") - 0.3 * col("exposure")


def by_percentile(name):
    """The upper quarter against the lower half; between them nobody knows."""
    return vote(RELEVANT, where=col(name) > 0.75) | vote(IRRELEVANT, where=col(name) < 0.5)


@labeling_function
def clicks_speak_for_it():
    """What was clicked more often than examinations by chance explain is what people wanted."""
    return vote(RELEVANT, where=LOG_ODDS > 1) | vote(IRRELEVANT, where=LOG_ODDS < -1)


@labeling_function
def clicks_speak_clearly():
    """The same at odds beyond seven to one: a graded vote, so that clear cases rank first."""
    return vote(RELEVANT, where=LOG_ODDS > 2) | vote(IRRELEVANT, where=LOG_ODDS < -2)


@labeling_function
def first_signal():
    """Where a feature goes along with debiased clicks, its top quarter is wanted more often."""
    return by_percentile("signal_1")


@labeling_function
def second_signal():
    """A second feature that agrees with clicks and differs from the first is a second witness."""
    return by_percentile("signal_2")


@labeling_function
def third_signal():
    """Three witnesses that can disagree are what a label model learns accuracies from."""
    return by_percentile("signal_3")
