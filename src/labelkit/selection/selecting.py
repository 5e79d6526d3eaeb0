"""``select``: a certainty stratum by score, then an audit sample with known probabilities."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import narwhals as nw
import numpy as np
import numpy.typing as npt

from labelkit.engine import NativeFrame, to_native_like
from labelkit.errors import SelectionError
from labelkit.selection.batch import Batch, Design
from labelkit.selection.design import AUDITS
from labelkit.selection.pool import Pool, read_pool
from labelkit.selection.sampling import Sample
from labelkit.selection.scores import SCORES, margin

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

# Fewer audit labels than two have no variance, and so no interval.
_FEWEST_AUDITED = 2


def select(
    labels: NativeFrame,
    n: int,
    *,
    strategy: Literal["margin", "entropy", "random"] = "margin",
    audit_share: float = 0.2,
    audit: Literal["equal", "pps", "poisson", "class", "score"] = "equal",
    max_per_query: int | None = None,
    distinct: Sequence[str] | None = None,
    exclude: NativeFrame | None = None,
    seed: int = 0,
    keys: Sequence[str] = ("query", "item"),
) -> Batch:
    """Draw the ``n`` examples that people should label next, each with its inclusion probability.

    The examples with the highest scores form a certainty stratum (π = 1): they teach. Examples that
    ``labels`` call not ``covered`` by any LF have score 0 and come last. From all the
    others an audit sample of fixed size is drawn with known probability: together with the
    certainty stratum it measures the whole pool without bias, although the pool was not sampled
    evenly [1]_. Among equal scores, chance decides.

    Parameters
    ----------
    labels : weak labels of the pool: ``keys``, ``p_0`` … ``p_{k-1}``; a native frame, no key twice
    n : examples to draw, 1 ≤ n ≤ size of the pool without ``exclude``
    strategy : score of the certainty stratum: "margin", "entropy", or "random" for no such stratum
        (then the whole batch is a probability sample)
    audit_share : share of the batch that audits, in [0, 1]; above 0 it means at least two examples.
        With 0, labels of this batch teach but can measure nothing beyond themselves.
    audit : "equal": every other example is equally likely; "pps": likelier where the weak labels
        see more probability of the rarer classes, which narrows intervals of precision, recall, F1;
        "poisson": as "pps", each example deciding for itself, so that the number audited is random
        around its mean; "class", "score": simple random samples in strata of the weak class, or of
        its score, with fixed sizes that follow the same measure
    max_per_query : most examples of one query (first key) in the certainty stratum. The audit
        sample is not capped, since a cap would change its probabilities.
    distinct : columns of ``labels`` that hold what people will see. Of examples alike in all of
        them at most one enters the certainty stratum, and none that is like an excluded one: the
        second answer would teach nothing. The audit sample may hold them: they are examples of the
        pool like any other, and leaving them out would bias it. A null is like nothing.
    exclude : frame with ``keys`` that must not be drawn, for example those labeled before
    seed : the same seed draws the same batch, whatever the order of rows or the engine
    keys : columns that identify an example

    Returns
    -------
    Batch, whose ``frame`` is of the kind of ``labels``.

    Raises
    ------
    SelectionError
        The pool cannot carry the batch; the message says what is wrong and where.

    References
    ----------
    .. [1] Särndal, Swensson & Wretman (1992), Model Assisted Survey Sampling, §3.7.
    """
    _check_arguments(n, strategy, audit_share, audit, max_per_query, keys)
    pool = read_pool(labels, keys=keys, exclude=exclude, distinct=distinct)
    if n > len(pool):
        already = f" ({pool.n_excluded:,} more are excluded)" if pool.n_excluded else ""
        raise SelectionError(
            f"A batch of {n:,} cannot be drawn from {len(pool):,} examples{already}. "
            f"Ask for at most {len(pool):,}."
        )
    # The number of excluded examples enters the seed: were a second round to reuse the random
    # numbers of the first, those that were not small enough then would be used again now, and π
    # would no longer be the probability of being drawn.
    ties, draw, mix = np.random.default_rng([seed, pool.n_excluded]).spawn(3)

    n_audit = n if strategy == "random" else audit_size(n, audit_share)
    # Where no LF voted, classes tie for want of votes, not because votes disagree: an answer there
    # teaches nothing about any LF, and such examples would fill the stratum. Audit them instead.
    score = np.where(pool.covered, SCORES.get(strategy, margin)(pool.probabilities), 0.0)
    fresh = _fresh(pool, score)
    chosen = top(score[fresh], pool.query[fresh], n - n_audit, max_per_query, ties)
    informative = fresh[chosen]
    rest = np.setdiff1d(np.arange(len(pool)), informative, assume_unique=True)
    sample = _audit(pool, rest, n_audit, audit, draw)
    design = Design(
        n_population=len(pool),
        n_excluded=pool.n_excluded,
        n_informative=len(informative),
        n_audit=len(sample.units),
        strategy=strategy,
        audit=audit,
        audit_share=audit_share,
        max_per_query=max_per_query,
        seed=seed,
        keys=tuple(keys),
        distinct=tuple(distinct or ()),
    )
    return Batch(_frame(pool, labels, informative, rest, sample, score, design, mix), design)


def audit_size(n: int, share: float) -> int:
    """How many of ``n`` labels audit: the share, but at least two unless the share is 0."""
    if share == 0:
        return 0
    return min(n, max(_FEWEST_AUDITED, round(n * share)))


def top(
    score: FloatArray,
    query: IntArray,
    n: int,
    max_per_query: int | None,
    rng: np.random.Generator,
) -> IntArray:
    """The ``n`` highest scores, best first, at most ``max_per_query`` of one query.

    Parameters
    ----------
    score : (N,) acquisition scores
    query : (N,) query numbers
    rng : breaks ties

    Returns
    -------
    (n,) int64 positions.

    Raises
    ------
    SelectionError
        The cap leaves fewer than ``n`` examples.
    """
    tie = rng.random(len(score))
    size = n if max_per_query is None else 4 * n
    while n:
        size = min(size, len(score))
        best = _best(score, tie, size)
        if max_per_query is not None:
            best = best[_place_within(query[best]) < max_per_query]
        if len(best) >= n:
            return np.asarray(best[:n])
        if size == len(score):
            raise SelectionError(
                f"max_per_query = {max_per_query} leaves {len(best):,} examples for a certainty "
                f"stratum of {n:,}. Raise the cap, or ask for fewer."
                if max_per_query is not None
                else f"Only {len(best):,} examples are new and distinct, too few for a certainty "
                f"stratum of {n:,}. Ask for fewer, or leave distinct out."
            )
        size *= 4
    return np.empty(0, dtype=np.int64)


def _best(score: FloatArray, tie: FloatArray, size: int) -> IntArray:
    """The ``size`` highest (score, tie) pairs, best first, without sorting the rest."""
    if size < len(score):
        threshold = np.partition(score, len(score) - size)[len(score) - size]
        candidates = np.flatnonzero(score >= threshold)
    else:
        candidates = np.arange(len(score))
    order: IntArray = np.lexsort((tie[candidates], -score[candidates]))
    best: IntArray = candidates[order[:size]].astype(np.int64)
    return best


def _place_within(group: IntArray) -> IntArray:
    """For each element, how many before it are of the same group."""
    order = np.argsort(group, kind="stable")
    ordered = group[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    place = np.arange(len(group)) - np.repeat(starts, np.diff(np.r_[starts, len(group)]))
    result = np.empty(len(group), dtype=np.int64)
    result[order] = place
    return result


def _fresh(pool: Pool, score: FloatArray) -> IntArray:
    """Positions that may enter the certainty stratum: the best of each payload, if it is new."""
    if pool.payload is None:
        return np.arange(len(pool))
    order = np.argsort(-score, kind="stable")
    _, first = np.unique(pool.payload[order], return_index=True)
    best = np.sort(order[first])
    return np.asarray(best[~pool.seen[best]], dtype=np.int64)


def _audit(pool: Pool, rest: IntArray, size: int, audit: str, rng: np.random.Generator) -> Sample:
    if size == 0:
        return Sample(np.empty(0, dtype=np.int64), np.empty(0))
    try:
        return AUDITS[audit](pool.probabilities[rest], size, rng)
    except ValueError as error:
        raise SelectionError(
            f"audit = {audit!r} with {size} audit labels: {error} Their examples could never be "
            f"drawn. Audit more labels (audit_share), or use audit='equal'."
        ) from None


def _frame(
    pool: Pool,
    labels: NativeFrame,
    informative: IntArray,
    rest: IntArray,
    sample: Sample,
    score: FloatArray,
    design: Design,
    rng: np.random.Generator,
) -> NativeFrame:
    audited = rest[sample.units]
    places = np.zeros(design.n, dtype=bool)
    places[rng.choice(design.n, size=design.n_audit, replace=False)] = True
    drawn = np.empty(design.n, dtype=np.int64)
    drawn[~places], drawn[places] = informative, audited
    pi = np.ones(design.n)
    pi[places] = sample.probability

    rows = pool.frame[pool.rows[drawn].tolist()]
    backend = rows.implementation
    made = {
        "inclusion_probability": pi,
        "stratum": np.where(places, "audit", "informative").tolist(),
        "score": score[drawn],
        "rank": np.arange(1, design.n + 1),
    }
    extra = [nw.new_series(name, values, backend=backend) for name, values in made.items()]
    if backend.is_pandas_like():
        rows = nw.maybe_reset_index(rows)
    carried = [c for c in rows.columns if c not in design.keys]
    frame = rows.with_columns(*extra).select([*design.keys, *made, *carried])
    return to_native_like(frame, labels)


def _check_arguments(
    n: int,
    strategy: str,
    audit_share: float,
    audit: str,
    max_per_query: int | None,
    keys: Sequence[str],
) -> None:
    if strategy not in (*SCORES, "random"):
        raise SelectionError(
            f"strategy = {strategy!r} is not known; choose from "
            f"{', '.join(repr(s) for s in (*SCORES, 'random'))}."
        )
    if audit not in AUDITS:
        raise SelectionError(
            f"audit = {audit!r} is not known; choose from {', '.join(map(repr, AUDITS))}."
        )
    if n < 1:
        raise SelectionError(f"A batch holds at least one example; n = {n}.")
    if not 0 <= audit_share <= 1:
        raise SelectionError(f"audit_share = {audit_share} is not a share between 0 and 1.")
    if max_per_query is not None and max_per_query < 1:
        raise SelectionError(f"max_per_query = {max_per_query} would allow no example at all.")
    if not keys:
        raise SelectionError("keys is empty: examples need at least one key column.")
