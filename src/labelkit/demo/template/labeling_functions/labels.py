"""The label set: the class numbers that labeling functions vote for."""

IRRELEVANT = 0
RELEVANT = 1
