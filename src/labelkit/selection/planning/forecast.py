"""The interval that validation would print after B more labels, over what the truth may be."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from numpy.random import Generator

from labelkit.selection.design import expected_probability
from labelkit.selection.planning.confusion import table_metric
from labelkit.selection.planning.state import State, mean_by_row
from labelkit.selection.scores import SCORES
from labelkit.selection.selecting import audit_size

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

# Soft labels that have met no gold are believed to about as much as two errors would tell: their
# odds of error may be off by a factor of four either way.
_PSEUDO_ERRORS = 2.0
_N_STRENGTHS = 8
# Errors gather where soft labels are unsure, but less so than over-confident soft labels say: half
# way, on the log scale, between believing them and taking errors to lie anywhere in a row.
_TRUST = 0.5
_INNER = 300  # posterior draws that make one interval
_MOST_NUMBERS = 2_000_000


@dataclass(frozen=True)
class NextDesign:
    """How the further labels would be drawn.

    ::

        strategy     "margin", "entropy" or "random"
        audit_share  share of the labels that audit
        audit        name of the audit design
    """

    strategy: str
    audit_share: float
    audit: str


@dataclass(frozen=True)
class Rows:
    """Sufficient statistics of the pool, row by row of the confusion table.

    ::

        size     (k,) examples in each row of the pool
        certain  (k, k) weighted counts of labels with π = 1, by true class
        w        (k,) Σ w of sampled labels
        w2       (k,) Σ w²
        n        (k,) number of sampled labels
        share    (k, k) weighted shares of true classes among sampled labels (soft where none)
    """

    size: FloatArray
    certain: FloatArray
    w: FloatArray
    w2: FloatArray
    n: FloatArray
    share: FloatArray


def summarise(state: State, *, old_share: float = 1.0) -> Rows:
    """``Rows`` of a state whose rounds get ``old_share`` of the pooled weight.

    Further rounds would take the rest: what was labeled before counts 1 in their own estimates.
    """
    k, row = state.k, state.row
    weight = old_share * state.weight + (1 - old_share)
    at_row, certain = row[state.at], ~state.sampled
    cells = np.zeros((k, k))
    np.add.at(cells, (at_row[certain], state.truth[certain]), weight[certain])
    s = state.sampled
    drawn = np.zeros((k, k))
    np.add.at(drawn, (at_row[s], state.truth[s]), weight[s])
    w = drawn.sum(axis=1)
    share = np.where(w[:, None] > 0, drawn / np.maximum(w, 1e-300)[:, None], state.soft)
    return Rows(
        size=state.size,
        certain=cells,
        w=w,
        w2=np.bincount(at_row[s], weights=weight[s] ** 2, minlength=k).astype(float),
        n=np.bincount(at_row[s], minlength=k).astype(float),
        share=share,
    )


def truths(state: State, n: int, rng: Generator) -> FloatArray:
    """What the unlabeled examples of each row may be: draws of their shares of true classes.

    Dirichlet posteriors: gold counts for its effective size, the soft labels for A further labels.
    A is drawn from a log-spaced grid in proportion to the marginal likelihood of the gold, so soft
    labels that the gold contradicts lose their voice; without gold A is the largest, at which soft
    labels are worth two errors.

    Returns
    -------
    (n, k, k) : draw, row, true class
    """
    from scipy.special import gammaln

    rows = summarise(state)
    k = state.k
    result = np.empty((n, k, k))
    effective = np.divide(rows.w**2, rows.w2, out=np.zeros(k), where=rows.w2 > 0)
    for c in range(k):
        error = max(1 - state.soft[c].max(), 1e-4)
        strongest = min(_PSEUDO_ERRORS / error, max(rows.size[c], 1.0))
        counts = effective[c] * rows.share[c]
        if effective[c] > 0:
            strengths = np.geomspace(min(1.0, strongest), strongest, _N_STRENGTHS)
        else:
            strengths = np.array([strongest])
        alpha = strengths[:, None] * state.soft[c]
        log_evidence = (
            gammaln(strengths) - gammaln(strengths + counts.sum())
            + (gammaln(alpha + counts) - gammaln(alpha)).sum(axis=1)
        )  # fmt: skip
        chance = np.exp(log_evidence - log_evidence.max())
        which = rng.choice(len(strengths), size=n, p=chance / chance.sum())
        gamma = np.maximum(rng.standard_gamma(alpha[which] + counts), 1e-300)
        result[:, c] = gamma / gamma.sum(axis=1, keepdims=True)
    return result


@dataclass(frozen=True)
class Queue:
    """Unlabeled examples in the order in which the certainty stratum would take them.

    ::

        p    (n, k) soft labels
        row  (n,) int64: class that the weak labels give
    """

    p: FloatArray
    row: IntArray


def queue_up(state: State, strategy: str, rng: Generator) -> Queue:
    """The unlabeled examples by ``strategy``, ties broken by chance."""
    left = state.unlabeled
    if strategy != "random":
        score = SCORES[strategy](state.pool.probabilities[left])
        score = np.where(state.pool.covered[left], score, 0.0)
        left = left[np.lexsort((rng.random(len(left)), -score))]
    return Queue(state.pool.probabilities[left], state.row[left])


def forecast(
    state: State,
    n_more: int,
    truth: FloatArray,
    queue: Queue,
    *,
    design: NextDesign,
    metric: str,
    positive: int,
    level: float,
    rng: Generator,
) -> FloatArray:
    """Half-widths of the interval of ``metric`` after ``n_more`` further labels in one round.

    For each truth the further labels are drawn, the rounds are pooled as ``pooled_weights`` does,
    and the interval is that of the validation room: in every row of the confusion table a Dirichlet
    posterior with a prior worth one label, over what is left of the row.

    Parameters
    ----------
    truth : (t, k, k) draws of ``truths``
    queue : of ``queue_up``

    Returns
    -------
    (t,) half-widths; NaN where the metric would be undefined.
    """
    k = state.k
    n_audit = n_more if design.strategy == "random" else audit_size(n_more, design.audit_share)
    n_certain = min(n_more - n_audit, len(queue.row))
    p, at, chosen = queue.p[n_certain:], queue.row[n_certain:], queue.row[:n_certain]
    n_audit = min(n_audit, len(at))
    pi = expected_probability(design.audit, p, n_audit) if n_audit else np.zeros(len(at))
    new_share = _new_share(pi, state.precision)
    rows = summarise(state, old_share=1 - new_share)

    soft_rest = mean_by_row(p, at, state.soft)
    soft_chosen = mean_by_row(queue.p[:n_certain], chosen, state.soft)
    truth_rest, truth_chosen = _tilt(truth, soft_rest / state.soft), _tilt(
        truth, soft_chosen / state.soft
    )  # fmt: skip
    expected = np.bincount(at, weights=pi, minlength=k)
    held = np.bincount(at, minlength=k).astype(float)
    squares = np.bincount(at, weights=1 / np.maximum(pi, 1e-12), minlength=k) * new_share**2
    t = len(truth)
    drawn = np.minimum(_round_randomly(np.broadcast_to(expected, (t, k)), rng), held)
    audited = rng.multinomial(drawn.astype(np.int64), truth_rest)  # (t, k, k)
    counts = np.bincount(chosen, minlength=k)
    learnt = rng.multinomial(np.broadcast_to(counts, (t, k)), truth_chosen)

    # The sampled labels of all rounds, as one weighted sample of each row.
    scale = np.divide(drawn, expected, out=np.zeros((t, k)), where=expected > 0)
    w_new = new_share * held * scale
    share_new = audited / np.maximum(drawn, 1)[:, :, None]
    total = rows.w + w_new
    prior_share = np.where(total[:, :, None] > 0, 0.0, 1 / k)
    share = np.where(
        total[:, :, None] > 0,
        (rows.w[:, None] * rows.share + w_new[:, :, None] * share_new)
        / np.maximum(total, 1e-300)[:, :, None],
        prior_share,
    )
    square = rows.w2 + squares * scale
    effective = np.divide(total**2, square, out=np.zeros((t, k)), where=square > 0)
    n = rows.n + drawn
    certain = rows.certain + new_share * learnt
    remainder = np.maximum(rows.size - certain.sum(axis=2), n)
    return _half_widths(
        certain, share, effective, n, remainder, metric=metric, positive=positive, level=level,
        rng=rng,
    )  # fmt: skip


def _new_share(pi: FloatArray, precision: float) -> float:
    """λ of a further round that samples with ``pi``, beside rounds of that ``precision``."""
    if not pi.any():
        return 0.0
    variance = float(((1 - pi) / np.maximum(pi, 1e-12)).sum())
    return 1 / (1 + precision * variance)


def half_width_now(
    state: State, *, metric: str, positive: int, level: float, rng: Generator
) -> float:
    """Half-width of the interval that the gold so far gives; NaN without sampled gold."""
    if not state.sampled.any():
        return float("nan")
    rows = summarise(state)
    effective = np.divide(rows.w**2, rows.w2, out=np.zeros(state.k), where=rows.w2 > 0)
    share = np.where(rows.w[:, None] > 0, rows.share, 1 / state.k)
    remainder = np.maximum(rows.size - rows.certain.sum(axis=1), rows.n)
    return float(
        np.mean(
            [
                _half_widths(
                    rows.certain[None], share[None], effective[None], rows.n[None],
                    remainder[None], metric=metric, positive=positive, level=level, rng=rng,
                )[0]
                for _ in range(5)
            ]
        )
    )  # fmt: skip


def _half_widths(
    certain: FloatArray,
    share: FloatArray,
    effective: FloatArray,
    n: FloatArray,
    remainder: FloatArray,
    *,
    metric: str,
    positive: int,
    level: float,
    rng: Generator,
) -> FloatArray:
    """Half-widths of intervals as ``validation.replicates.of_pool`` makes them, (t,)."""
    t, k = effective.shape
    unseen = remainder - n
    mass = effective + 1
    with np.errstate(divide="ignore"):
        shrunk = (1 / (1 / (mass + 1) + mass / (mass + 1) / unseen) - 1) / mass
    shrunk = np.where(unseen > 0, np.maximum(shrunk, 0.05), 1.0)
    alpha = shrunk[:, :, None] * (effective[:, :, None] * share + 1 / k)
    known = certain + n[:, :, None] * share
    estimate = table_metric(certain + remainder[:, :, None] * share, metric, positive=positive)
    result = np.empty(t)
    block = max(1, _MOST_NUMBERS // (_INNER * k * k))
    tail = (1 - level) / 2
    for start in range(0, t, block):
        part = slice(start, start + block)
        gamma = np.maximum(rng.standard_gamma(alpha[part], (_INNER, *alpha[part].shape)), 1e-300)
        gamma /= gamma.sum(axis=-1, keepdims=True)
        tables = known[part] + unseen[part][:, :, None] * gamma
        value = table_metric(tables, metric, positive=positive)
        low, high = np.quantile(value, [tail, 1 - tail], axis=0)
        result[part] = (np.fmax(high, estimate[part]) - np.fmin(low, estimate[part])) / 2
    return result


def _tilt(truth: FloatArray, ratio: FloatArray) -> FloatArray:
    """Shares of true classes in a part of each row whose soft labels differ from the row's."""
    tilted = truth * ratio**_TRUST
    return np.asarray(tilted / tilted.sum(axis=-1, keepdims=True))


def _round_randomly(expected: FloatArray, rng: Generator) -> FloatArray:
    return np.asarray(np.floor(expected + rng.random(expected.shape)))
