"""Label models: what the votes of labeling functions say about the true class.

What comes in: `labelkit.lfs.Votes`, or a plain label matrix, and gold labels if there are any.
What goes out: a fitted model, and from it probabilities, weak labels and engine expressions.
It must never touch a table row by row, nor keep mathematics in a class: every model is fitted to
unique vote rows with counts, or to their moments.

In the order in which data meets them::

    statistics    unique vote rows with counts, gold on them
    base          the contract, and the shell that all models share
    majority      MajorityVote       onecoin  OneCoin       moments  SnorkelMoments
    dawid_skene   DawidSkene         weighted WeightedMajority    triplets Triplets
    snorkel_sgd   Snorkel's own solver, step by step
    rates         VoteRates: silence is evidence, class balance estimated (rate_fit: its EM)
    balance       shares of the classes, with intervals, or why they cannot be told
    diagnostics   what to doubt in a fit, and what to do
    dependencies  LFs that err together
    confusion     EM for confusion matrices   squarem  any EM, faster
    redundancy    LFs that repeat each other share their weight
    posterior     what every fit ends in: scores, calibration, probabilities
    calibration   scale and shift from gold
    gold_assisted GoldAssisted: gold as observed truth
    recalibration temperature, Platt, isotonic, by held-out loss      reliability  are labels honest
    sets          prediction sets       doubt  how much of a label is prior
    judged        these as methods of a fitted model
    prediction    probabilities, ties, the table of weak labels
    in_engine     the same table as a query, where the votes are
    intervals     accuracies and confusions of LFs and their intervals
    onecoin_intervals  the accuracies of a one-coin model, by its likelihood
    scoring       metrics on gold, by Snorkel's names
    saving        models as JSON and NPZ
    auto          which model suits these votes
    marginal      what the labels lose without an LF
    model         LabelModel, the one that most users need
    crowds        CrowdModel: people as sources, answers in long form
"""

from labelkit.labelmodels.base import VoteModel
from labelkit.labelmodels.crowds import CrowdModel
from labelkit.labelmodels.dawid_skene import DawidSkene
from labelkit.labelmodels.gold_assisted import GoldAssisted
from labelkit.labelmodels.majority import MajorityVote
from labelkit.labelmodels.marginal import marginal_value
from labelkit.labelmodels.model import LabelModel
from labelkit.labelmodels.moments import SnorkelMoments
from labelkit.labelmodels.onecoin import OneCoin
from labelkit.labelmodels.posterior import Posterior
from labelkit.labelmodels.rates import VoteRates
from labelkit.labelmodels.recalibration import Recalibration, recalibrate
from labelkit.labelmodels.reliability import Reliability, reliability
from labelkit.labelmodels.sets import PredictionSets, labels_needed, prediction_sets
from labelkit.labelmodels.triplets import Triplets
from labelkit.labelmodels.weighted import WeightedMajority

__all__ = [
    "CrowdModel",
    "DawidSkene",
    "GoldAssisted",
    "LabelModel",
    "MajorityVote",
    "OneCoin",
    "Posterior",
    "PredictionSets",
    "Recalibration",
    "Reliability",
    "SnorkelMoments",
    "Triplets",
    "VoteModel",
    "VoteRates",
    "WeightedMajority",
    "labels_needed",
    "marginal_value",
    "prediction_sets",
    "recalibrate",
    "reliability",
]
