"""``select``: a certainty stratum by score, then an audit sample with known probabilities."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import narwhals as nw
import numpy as np
import numpy.typing as npt

from labelkit.engine import NativeFrame, to_native_like
from labelkit.errors import SelectionError
from labelkit.selection.batch import Batch, Design
from labelkit.selection.batches import BATCHES, DEFAULT, BatchStrategy
from labelkit.selection.design import AUDITS
from labelkit.selection.features import FeatureRows, read_features
from labelkit.selection.informing import informative
from labelkit.selection.pool import Pool, read_pool
from labelkit.selection.sampling import Sample
from labelkit.selection.scores import SCORES
from labelkit.selection.scoring import DISAGREEMENT, scored

if TYPE_CHECKING:
    import polars as pl

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

# Fewer audit labels than two have no variance, and so no interval.
_FEWEST_AUDITED = 2
# Strategies that keep away from what is labeled already.
_AROUND = ("k_center", "typiclust")


def select(
    labels: NativeFrame,
    n: int,
    *,
    strategy: str | BatchStrategy | None = None,
    score: str | npt.ArrayLike | None = None,
    features: Any = None,
    learner: Any = None,
    seconds: npt.ArrayLike | None = None,
    audit_share: float = 0.2,
    audit: Literal["equal", "pps", "poisson", "class", "score"] = "equal",
    max_per_query: int | None = None,
    distinct: Sequence[str] | None = None,
    exclude: NativeFrame | None = None,
    seed: int = 0,
    keys: Sequence[str] = ("query", "item"),
) -> Batch:
    """Draw the ``n`` examples that people should label next, each with its inclusion probability.

    The examples with the highest scores, spread over ``features`` where there are any, form a
    certainty stratum (π = 1): they teach. Examples that ``labels`` call not ``covered`` by any LF
    have score 0, unless a ``learner`` speaks for them, and come last. From all the
    others an audit sample of fixed size is drawn with known probability: together with the
    certainty stratum it measures the whole pool without bias, although the pool was not sampled
    evenly [1]_. Among equal scores, chance decides.

    Parameters
    ----------
    labels : weak labels of the pool: ``keys``, ``p_0`` … ``p_{k-1}``; a native frame, no key twice
    n : examples to draw, 1 ≤ n ≤ size of the pool without ``exclude``
    strategy : how the certainty stratum is chosen. The name of a score ("margin", "entropy",
        "least_confidence", "expected_change", "disagreement") takes the highest; the name of a
        batch strategy ("cluster_power", "cluster_margin", "k_center", "badge", "typiclust",
        "power", "softmax") does not let them all say the same; "random" has no such stratum, and
        the whole batch is a probability sample. Also a function of a
        ``BatchTask`` and n. By default "cluster_power" with ``features``, "margin" without
    score : score that a batch strategy looks at, by name, "margin" unless given; or one number per
        row of ``labels``, in its order, higher is better
    features : what makes two examples alike: an array or sparse matrix with a row per row of
        ``labels``, in its order; or a frame with ``keys``, or `labelkit.endmodels.Features`,
        found by key
    learner : probabilities of an end model, an array in the order of ``labels`` or a table with
        ``keys`` and ``p_0`` …. Scores are then of the mean of weak label and learner (of the
        learner alone where no LF voted), which is open where either is unsure or they contradict
        each other; see `labelkit.selection.scores.combine`
    seconds : what an answer costs, in seconds, a number per row of ``labels``: scores are divided
        by it
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
    if strategy is None:
        strategy = "margin" if features is None else DEFAULT
    strategy, score, name = _choice(strategy, score)
    _check_arguments(n, audit_share, audit, max_per_query, keys)
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

    n_audit = n if name == "random" else audit_size(n, audit_share)
    key_table = pool.frame.select(list(keys)).to_polars()
    rows = _feature_rows(features, pool, key_table)
    result = scored(pool, score, keys=key_table, features=rows, learner=learner, seconds=seconds)
    certain = informative(
        pool, result, n - n_audit, strategy=strategy, features=rows,
        labeled=_labeled(rows, features, pool, key_table) if strategy in _AROUND else None,
        max_per_query=max_per_query, rng=ties,
    )  # fmt: skip
    rest = np.setdiff1d(np.arange(len(pool)), certain, assume_unique=True)
    sample = _audit(pool, rest, n_audit, audit, draw)
    design = Design(
        n_population=len(pool),
        n_excluded=pool.n_excluded,
        n_informative=len(certain),
        n_audit=len(sample.units),
        strategy=name,
        audit=audit,
        audit_share=audit_share,
        max_per_query=max_per_query,
        seed=seed,
        keys=tuple(keys),
        distinct=tuple(distinct or ()),
    )
    return Batch(_frame(pool, labels, certain, rest, sample, result.score, design, mix), design)


def audit_size(n: int, share: float) -> int:
    """How many of ``n`` labels audit: the share, but at least two unless the share is 0."""
    if share == 0:
        return 0
    return min(n, max(_FEWEST_AUDITED, round(n * share)))


def _choice(
    strategy: str | BatchStrategy, score: str | npt.ArrayLike | None
) -> tuple[str | BatchStrategy, str | npt.ArrayLike, str]:
    """Batch strategy, score, and the name under which the design records both."""
    if not isinstance(strategy, str):
        return strategy, "margin" if score is None else score, _name(strategy)
    if strategy in (*SCORES, DISAGREEMENT):
        if score is not None:
            raise SelectionError(
                f"strategy = {strategy!r} is a score already; score= goes with a batch strategy "
                f"({', '.join(map(repr, BATCHES))})."
            )
        return "top", strategy, strategy
    if strategy == "random":
        return "top", "margin" if score is None else score, "random"
    if strategy not in BATCHES:
        known = (*SCORES, DISAGREEMENT, *BATCHES, "random")
        raise SelectionError(
            f"strategy = {strategy!r} is not known; choose from {', '.join(map(repr, known))}."
        )
    if score is None or (isinstance(score, str) and score == "margin"):
        return strategy, "margin", strategy
    return strategy, score, f"{strategy} of {score if isinstance(score, str) else 'own scores'}"


def _name(strategy: BatchStrategy) -> str:
    return getattr(strategy, "__name__", type(strategy).__name__)


def _feature_rows(features: Any, pool: Pool, keys: pl.DataFrame) -> FeatureRows | None:
    if features is None:
        return None
    return read_features(features, pool.rows, keys)


def _labeled(
    rows: FeatureRows | None, features: Any, pool: Pool, keys: pl.DataFrame
) -> FeatureRows | None:
    """Features of the excluded examples: what people have labeled already."""
    if rows is None or not pool.n_excluded:
        return None
    gone = np.ones(len(pool.frame), dtype=bool)
    gone[pool.rows] = False
    at = np.flatnonzero(gone).astype(np.int64)
    return read_features(features, at, keys)


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
    audit_share: float,
    audit: str,
    max_per_query: int | None,
    keys: Sequence[str],
) -> None:
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
