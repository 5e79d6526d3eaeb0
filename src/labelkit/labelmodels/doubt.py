"""How much of a soft label is prior: in NumPy, and as an engine expression."""

from __future__ import annotations

from functools import reduce
from operator import add

import narwhals as nw
import numpy as np

from labelkit.labelmodels.statistics import FloatArray

# Probabilities below this add nothing to an entropy; it only keeps log 0 away.
_SMALLEST = 1e-300


def prior_share(proba: FloatArray, prior: FloatArray) -> FloatArray:
    """Share of what there was to find out that the votes left to the prior, (n,) in [0, 1].

    H(p) / H(p, π): of the information that names the class to someone who knows the prior π only,
    H(p, π) = -Σ p_y log π_y = KL(p ‖ π) + H(p), the votes gave KL(p ‖ π) and H(p) is still open.
    1 where the votes changed nothing (p = π, so also where nobody voted), 0 where they leave no
    doubt. With a uniform prior it is the entropy in units of log k.

    Parameters
    ----------
    proba : (n, k) soft labels p
    prior : (k,) answer where nobody votes, positive

    Notes
    -----
    Cover & Thomas 2006, *Elements of Information Theory*, section 2.3. A share of the log-odds
    would not do: under a uniform prior it is 0 however little a vote says.
    """
    entropy = -(proba * np.log(np.maximum(proba, _SMALLEST))).sum(axis=1)
    # Not a matrix product: its last bit depends on which rows stand beside.
    cross = -(proba * np.log(np.maximum(prior, _SMALLEST))).sum(axis=1)
    # A prior that is certain leaves nothing to find out: then it is the prior that says so.
    share = np.divide(entropy, cross, out=np.ones(len(proba)), where=cross > 0)
    return np.asarray(np.clip(share, 0.0, 1.0))


def prior_share_expr(prior: FloatArray) -> nw.Expr:
    """``prior_share`` as an expression over the columns ``p_0`` … ``p_{k-1}``."""
    entropy, cross = [], []
    for y, share in enumerate(prior):
        p = nw.col(f"p_{y}")
        # log 0 differs between engines; 0 · log 1e-300 is zero on all of them.
        entropy.append(p * p.clip(_SMALLEST, 1.0).log() * -1.0)
        cross.append(p * float(-np.log(max(share, _SMALLEST))))
    total = reduce(add, cross)
    share_left = reduce(add, entropy) / nw.when(total > 0).then(total).otherwise(nw.lit(1.0))
    chosen = nw.when(total > 0).then(share_left).otherwise(nw.lit(1.0))
    return chosen.clip(0.0, 1.0).alias("prior_share")
