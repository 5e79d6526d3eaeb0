"""What the text says: votes on the columns of ``labelkit.lfs.text_evidence``.

Join its table to the evidence (``[tables.text]`` in ``labelkit.toml``, or by hand). Each signal
votes once, for both classes, and abstains between: functions that read the same words again at
another threshold would count as several witnesses and make the labels overconfident.
"""

from labels import IRRELEVANT, RELEVANT

from labelkit import col, labeling_function, vote


@labeling_function
def says_what_was_asked():
    """An item whose title and summary hold most words of the query was likely found for its
    content; one that holds less than half of them was likely found for something else."""
    return vote(RELEVANT, where=col("overlap") >= 0.75) | vote(
        IRRELEVANT, where=col("overlap") < 0.5
    )


@labeling_function
def resembles_the_other_results():
    """Items that answer the same need use the same words (the cluster hypothesis), while an item
    that shares little with everything else found for the query is off its topic."""
    return vote(RELEVANT, where=col("similarity_percentile") > 0.75) | vote(
        IRRELEVANT, where=col("similarity_percentile") < 0.5
    )
