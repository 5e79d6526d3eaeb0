"""Models as labeling functions: scores, embeddings and prompts vote like any other rule.

What comes in: a model, and the columns that it reads. What goes out: a `BatchFunction`.
It must never load a stored model unasked, fetch anything, or take a model's word for its own
accuracy: that is estimated from votes and gold, like any other LF's.

In the order of their cost::

    scores       model_vote       thresholds  scores and probabilities -> votes
                                  loading     a stored model, if it is the one that was meant
    encoders     texts -> vectors cache       each text once, ever
    similarity   similar_to, texts_alike      neighbours  nearest_vote
    prompt       prompt_vote                  template    an example's texts as data in a question
    asking       many calls at once           limits      so many a minute
    endpoint     one call, retried            spending    never above the cost cap
    replies      what an answer means         answers     each paid for once
    embeddings_endpoint   vectors from a server
"""

from labelkit.lfs.models.answers import spent
from labelkit.lfs.models.cache import cached
from labelkit.lfs.models.embeddings_endpoint import EndpointEncoder
from labelkit.lfs.models.encoders import (
    Encoder,
    HashingEncoder,
    MiniLMEncoder,
    TfidfEncoder,
    as_encoder,
)
from labelkit.lfs.models.endpoint import Endpoint
from labelkit.lfs.models.limits import RateLimit
from labelkit.lfs.models.loading import load_estimator
from labelkit.lfs.models.neighbours import nearest_vote
from labelkit.lfs.models.prompt import prompt_vote
from labelkit.lfs.models.scores import model_vote
from labelkit.lfs.models.similarity import similar_to, texts_alike
from labelkit.lfs.models.spending import Prices

__all__ = [
    "Encoder",
    "Endpoint",
    "EndpointEncoder",
    "HashingEncoder",
    "MiniLMEncoder",
    "Prices",
    "RateLimit",
    "TfidfEncoder",
    "as_encoder",
    "cached",
    "load_estimator",
    "model_vote",
    "nearest_vote",
    "prompt_vote",
    "similar_to",
    "spent",
    "texts_alike",
]
