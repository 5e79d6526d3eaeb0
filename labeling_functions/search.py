"""What people did: votes on the evidence that ``labelkit`` draws from an interaction log.

They serve search and recommendation alike: a "query" is whatever the items were shown for, be it
a query, a user or a page. Where it can be, a threshold is relative to the other items of the same
query, so that it holds in logs with many clicks and in logs with few. A function whose columns a
log lacks (dwell, conversions, users, …) can be left out: ``apply(..., on_missing="skip")``.

Edit these freely. Two pieces of advice: let one signal vote in one function only, since the same
signal at three thresholds looks like three witnesses; and prefer a function that abstains when in
doubt to one that guesses.
"""

from labels import IRRELEVANT, RELEVANT

from labelkit import col, labeling_function, vote


@labeling_function
def bought():
    """A purchase is rare, deliberate and costs money: nobody buys what does not answer the need."""
    return vote(RELEVANT, where=col("conversions") > 0)


@labeling_function
def attractive_or_not():
    """The click rate, freed from position bias, lies surely above or surely below what the items
    of this query get on average: the whole interval does, so luck is an unlikely reason."""
    usual = col("ctr").mean(over="query")
    return vote(RELEVANT, where=col("ctr_low") > usual) | vote(
        IRRELEVANT, where=col("ctr_high") < usual
    )


@labeling_function
def examined_but_never_clicked():
    """Looked at so often that an ordinary item of this query would have had its click by now."""
    usual = col("ctr").mean(over="query")
    return vote(IRRELEVANT, where=(col("clicks") == 0) & (col("exposure") * usual >= 1))


@labeling_function
def read_for_long():
    """Who stays for half a minute is reading: the usual mark of a satisfied click (Fox 2005)."""
    return vote(RELEVANT, where=col("dwell_max") >= 30)


@labeling_function
def left_at_once():
    """Everybody who clicked was back within ten seconds: the title promised what the page lacks.
    Yet a click is a good sign in itself, so this holds only of items clicked less than usual."""
    usual = col("ctr").mean(over="query")
    return vote(
        IRRELEVANT,
        where=(col("clicks") > 0) & (col("dwell_max") < 10) & (col("ctr") < usual),
    )


@labeling_function
def passed_over():
    """A click further down shows that the eye went past this item (Joachims 2002); twice passed
    and never chosen is more than an oversight."""
    return vote(IRRELEVANT, where=(col("skips") >= 2) & (col("clicks") == 0))


@labeling_function
def chosen_by_several_people():
    """One person may click by mistake or by taste, independent people seldom do: and of those who
    looked, more chose this than chose the query's other items."""
    usual = col("users").mean(over="query") / col("exposure").mean(over="query")
    return vote(
        RELEVANT,
        where=(col("users") >= 2) & (col("users") / col("exposure") > 1.5 * usual),
    )


@labeling_function
def chosen_again():
    """Clicks in more sessions than there are people mean that somebody came back for it."""
    return vote(RELEVANT, where=col("sessions") > col("users"))
