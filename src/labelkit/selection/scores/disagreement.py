"""Where two sources, a committee, or the labeling functions contradict each other."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from labelkit.errors import SelectionError

FloatArray = npt.NDArray[np.float64]


def jensen_shannon(*sources: FloatArray) -> FloatArray:
    """Jensen–Shannon divergence of two or more sources, over its largest value [1]_.

    H(mean of the sources) minus the mean of their H: what the consensus is less sure of than its
    parts. Label model against end model, or label models against each other.

    Parameters
    ----------
    sources : two or more (n, k) arrays of class probabilities of the same examples

    Returns
    -------
    (n,) in [0, 1]: 0 where all agree; 1 where each is certain of a class of its own.

    Raises
    ------
    SelectionError
        Fewer than two sources, or shapes differ.

    References
    ----------
    .. [1] Lin (1991), Divergence measures based on the Shannon entropy, eq. 4.1; as a committee's
       disagreement: McCallum & Nigam (1998), Employing EM and pool-based active learning.
    """
    stack = _stack(sources)
    gap = _entropy(stack.mean(axis=0)) - _entropy(stack).mean(axis=0)
    share: FloatArray = np.clip(gap / np.log(min(len(stack), stack.shape[2])), 0, 1)
    return share


def consensus_divergence(*members: FloatArray) -> FloatArray:
    """Largest Kullback–Leibler divergence of a member from the consensus, in nats.

    One dissenter among many counts in full here, where the mean over members would drown it.

    Parameters
    ----------
    members : two or more (n, k) arrays of class probabilities

    Returns
    -------
    (n,) in [0, log m] for m members.
    """
    stack = _stack(members)
    consensus = stack.mean(axis=0)
    ratio = np.where(stack > 0, stack / np.where(consensus > 0, consensus, 1), 1)
    found: FloatArray = (stack * np.log(ratio)).sum(axis=2).max(axis=0)
    return np.maximum(found, 0)


def vote_entropy(votes: npt.ArrayLike, cardinality: int) -> FloatArray:
    """Entropy of the votes for each class, over log k; abstentions (-1) are no votes [1]_.

    Parameters
    ----------
    votes : (n, m) classes 0 … k-1, or -1
    cardinality : number of classes k

    Returns
    -------
    (n,) in [0, 1]; 0 where nobody voted, or all alike.

    References
    ----------
    .. [1] Dagan & Engelson (1995), Committee-based sampling for training probabilistic classifiers.
    """
    shares, voted = _shares(votes, cardinality)
    return np.where(voted, _entropy(shares) / np.log(cardinality), 0.0)


def vote_conflict(votes: npt.ArrayLike, cardinality: int) -> FloatArray:
    """Share of the votes that are not for the class most voted for.

    Parameters
    ----------
    votes : (n, m) label matrix: classes 0 … k-1, or -1 to abstain
    cardinality : number of classes k

    Returns
    -------
    (n,) in [0, 1 - 1/k]; 0 where nobody voted, or all alike.
    """
    shares, voted = _shares(votes, cardinality)
    return np.where(voted, 1 - shares.max(axis=1), 0.0)


def _shares(votes: npt.ArrayLike, k: int) -> tuple[FloatArray, npt.NDArray[np.bool_]]:
    matrix = np.asarray(votes)
    bad = (matrix < -1) | (matrix >= k)
    if matrix.ndim != 2 or bad.any():
        raise SelectionError(
            f"Votes are a matrix of classes 0 … {k - 1}, or -1; got shape {matrix.shape}"
            + (f" and {int(bad.sum()):,} votes such as {matrix[bad][0]}." if bad.any() else ".")
        )
    counts = np.stack([(matrix == c).sum(axis=1) for c in range(k)], axis=1).astype(np.float64)
    total = counts.sum(axis=1)
    return counts / np.maximum(total, 1)[:, None], total > 0


def _stack(sources: tuple[FloatArray, ...]) -> FloatArray:
    shapes = {np.shape(p) for p in sources}
    if len(sources) < 2 or len(shapes) > 1:
        raise SelectionError(
            f"Disagreement takes two or more arrays of one shape (n, k); got {len(sources)} of "
            f"{' and '.join(map(str, sorted(shapes)))}."
        )
    return np.stack([np.asarray(p, dtype=np.float64) for p in sources])


def _entropy(p: npt.NDArray[Any]) -> FloatArray:
    from scipy.special import entr

    return np.asarray(entr(p).sum(axis=-1), dtype=np.float64)
