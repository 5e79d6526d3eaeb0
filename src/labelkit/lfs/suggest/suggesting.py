"""``suggest``: one half of the targets proposes rules, the other half judges them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import narwhals as nw
import numpy as np
import numpy.typing as npt

from labelkit.engine import NativeFrame, to_polars_lazy
from labelkit.errors import GoldError, LFError
from labelkit.lfs.applier import apply
from labelkit.lfs.ballot import vote
from labelkit.lfs.function import LabelingFunction
from labelkit.lfs.patterns import ABSTAIN, Int8Array
from labelkit.lfs.suggest.candidate import Basis, Candidate
from labelkit.lfs.suggest.judged import Judged, judged_by_gold, judged_by_labels
from labelkit.lfs.suggest.search import Found, Sample, search
from labelkit.lfs.suggest.share import share_right
from labelkit.lfs.suggest.suggestions import Suggestions
from labelkit.lfs.suggest.terms import Term, Terms, find_terms
from labelkit.lfs.votes import Votes

if TYPE_CHECKING:
    import polars as pl

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

# Each half must propose and judge: with fewer targets, or fewer of a class, neither can be done.
FEWEST_TARGETS, FEWEST_OF_A_CLASS = 40, 8
# A rule that votes on fewer effective rows of the proposing half is not proposed.
_FEWEST_VOTES = 8
# What a vote is worth where the present functions agree, next to one where they do not or abstain.
_SETTLED = 0.25
# A rule that repeats a present function's votes to this extent is that function again.
_COPY = 0.8
# The search looks at no more targets: thresholds need no millions.
_MOST_TARGETS = 20_000
_LONGEST_NAME = 60


def suggest(
    examples: NativeFrame,
    votes: Votes | None,
    gold: NativeFrame | None = None,
    labels: NativeFrame | None = None,
    *,
    n: int = 10,
    columns: Sequence[str] | None = None,
    keys: Sequence[str] = ("query", "item"),
    cardinality: int = 2,
    level: float = 0.95,
    seed: int = 0,
) -> Suggestions:
    """Rules that labels suggest, for a person to accept: conditions and pairs of conditions.

    Conditions are thresholds on numbers (absolute, and relative to the mean of the query),
    categories, flags, and words of texts. Rules are sought where the present functions abstain
    or disagree before anywhere else.

    Parameters
    ----------
    examples : one row per example; the more columns, the more can be suggested
    votes : of the present functions; None if there is none yet
    gold : keys, ``label``, and ``inclusion_probability`` if it was sampled unequally
    labels : what ``LabelModel.label(votes)`` gives; the targets where there is no gold. They are
        the present functions' own opinion: a rule learned from them extends it to examples on which
        these abstain, and its accuracy is unknown until people look
    n : rules to suggest at most; more rules make wider intervals
    columns : columns to look at; default all but keys and times. Leave out what is not known at the
        time of labeling, and what the labels were made from
    keys, cardinality : as of `apply`; taken from the votes where there are any
    level : of the intervals, which hold for all judged rules at once
    seed : of the split into halves

    Returns
    -------
    Suggestions

    Raises
    ------
    GoldError
        Neither gold nor labels are given, or too few of them: 40, and 8 of at least two classes.
    LFError
        The examples have no column to learn from, or lack examples of the votes.

    Notes
    -----
    The queries are dealt into two halves. Each half proposes n/2 rules, and the other half judges
    them, so that no label judges a rule that it proposed. All judged rules are shown, so that
    their estimates are right on average; whoever picks the best of them chooses once more, so the
    intervals hold for all at once (Bonferroni). Cox (1975), "A note on data-splitting for the
    evaluation of significance levels", Biometrika 62:441. On labels without any relation to the
    columns, at most one call in twenty finds something to accept.
    """
    if not n >= 1:
        raise LFError(f"n is the number of rules to suggest, at least 1; got {n!r}.")
    if not 0 < level < 1:
        raise LFError(f"The level of an interval lies between 0 and 1; got {level!r}.")
    if votes is not None:
        keys, cardinality = votes.keys, votes.cardinality
    table = to_polars_lazy(nw.from_native(examples)).collect()
    _refuse_unknown(columns, table)
    grid = _grid(table, keys, cardinality)
    present = _present(votes, grid)
    judged, basis = _targets(grid, gold, labels)
    rng = np.random.default_rng(seed)
    if len(judged) > _MOST_TARGETS:
        kept = np.zeros(len(judged), dtype=bool)
        kept[rng.choice(len(judged), _MOST_TARGETS, replace=False)] = True
        judged = judged.take(kept)
    _refuse_few(judged, basis)
    terms = find_terms(table, judged.row, keys=keys, columns=columns, fewest=_FEWEST_VOTES)
    if not len(terms):
        raise LFError(
            "No column has a condition that some and not all of the labeled examples meet. "
            "Suggestions need numbers, categories, flags or texts besides the keys."
        )
    half = judged.folds(2, seed)
    value = _wanted(present)[judged.row]
    floor = _floor(judged)
    proposals: list[tuple[Found, int]] = []
    for side in (0, 1):
        rows = half == side
        sample = Sample(
            terms.holds[rows], judged.target[rows], judged.weight[rows], value[rows], floor
        )
        found = search(terms, sample, fewest=_FEWEST_VOTES, most=3 * n)
        proposals += [(rule, side) for rule in found]
    made = _make(proposals, terms, set(() if votes is None else votes.lf_names))
    ballots = apply(
        [lf for _, _, lf in made] or [_nothing()], table, keys=keys, cardinality=cardinality
    ).matrix
    kept_rules = _kept(made, ballots, present, n)
    level_of_each = 1 - (1 - level) / max(len(kept_rules), 1)
    names = () if votes is None else votes.lf_names
    candidates = [
        _judge(
            made[j], terms, ballots[:, j], present, names, judged, half, floor, level_of_each,
            basis, len(kept_rules),
        )
        for j in kept_rules
    ]  # fmt: skip
    candidates.sort(key=_usefulness, reverse=True)
    return Suggestions(tuple(candidates), basis, len(judged), len(kept_rules), len(terms), level)


def _grid(table: pl.DataFrame, keys: Sequence[str], cardinality: int) -> Votes:
    """Votes of nobody on the examples: their keys, for gold and labels to be found by."""
    return apply([_nothing()], table, keys=keys, cardinality=cardinality)


def _nothing() -> LabelingFunction:
    return LabelingFunction("__nothing__", vote(0))


def _present(votes: Votes | None, grid: Votes) -> Int8Array:
    """The present votes in the order of the examples, (n, m)."""
    if votes is None:
        return np.empty((len(grid), 0), dtype=np.int8)
    if not votes.keys:
        if len(votes) != len(grid):
            raise LFError(f"{len(votes):,} votes for {len(grid):,} examples without keys.")
        return votes.matrix
    keys = list(votes.keys)
    asked = to_polars_lazy(grid.key_frame).collect()
    voted = to_polars_lazy(votes.key_frame).collect().with_row_index("__row__")
    joined = asked.join(voted, on=keys, how="left", maintain_order="left")["__row__"]
    if joined.null_count():
        first = asked.row(int(joined.is_null().arg_max() or 0), named=True)
        raise LFError(
            f"{joined.null_count():,} of {len(asked):,} examples have no votes (first: {first}). "
            "Give the examples that the votes were made from."
        )
    matched: Int8Array = votes.matrix[joined.to_numpy()]
    return matched


def _targets(
    grid: Votes, gold: NativeFrame | None, labels: NativeFrame | None
) -> tuple[Judged, Basis]:
    if gold is not None:
        return judged_by_gold(grid, gold), "gold"
    if labels is not None:
        return judged_by_labels(grid, labels), "weak labels"
    raise GoldError("Suggestions are learned from gold=, or from labels= (weak labels); give one.")


def _refuse_unknown(columns: Sequence[str] | None, table: pl.DataFrame) -> None:
    unknown = [name for name in columns or () if name not in table.columns]
    if unknown:
        raise LFError(
            f"The examples have no column {unknown[0]!r}; they have {', '.join(table.columns)}."
        )


def _refuse_few(judged: Judged, basis: Basis) -> None:
    per_class = judged.target.sum(axis=0)
    enough = int((per_class >= FEWEST_OF_A_CLASS).sum())
    if len(judged) < FEWEST_TARGETS or enough < 2 or judged.n_clusters < 4:
        raise GoldError(
            f"Too few {'gold' if basis == 'gold' else 'weak'} labels to suggest rules from: "
            f"{len(judged):,} of {judged.n_clusters:,} queries, by class "
            f"{', '.join(f'{x:.0f}' for x in per_class)}. One half proposes and the other judges: "
            f"it takes {FEWEST_TARGETS} labels of 4 queries, and {FEWEST_OF_A_CLASS} of two "
            "classes."
        )


def _wanted(present: Int8Array) -> FloatArray:
    """1 where the present functions abstain or disagree, less where they agree, (n,)."""
    voted = present != ABSTAIN
    lowest = np.where(voted, present, np.int8(127)).min(axis=1, initial=127)
    settled = voted.any(axis=1) & (lowest == present.max(axis=1, initial=ABSTAIN))
    return np.where(settled, _SETTLED, 1.0)


def _floor(judged: Judged) -> FloatArray:
    """Accuracy of a rule that knows nothing, per label: 1/k, or the label's own share if larger."""
    share = np.average(judged.target, axis=0, weights=judged.weight)
    floor: FloatArray = np.clip(np.maximum(share, 1 / len(share)), 1e-6, 1 - 1e-6)
    return floor


def _make(
    proposals: list[tuple[Found, int]], terms: Terms, taken: set[str]
) -> list[tuple[Found, int, LabelingFunction]]:
    """The proposals as functions, each rule once."""
    made, seen = [], set()
    for rule, side in proposals:
        if (rule.label, rule.parts) in seen:
            continue
        seen.add((rule.label, rule.parts))
        parts = [terms.terms[i] for i in rule.parts]
        condition = (
            parts[0].condition if len(parts) == 1 else parts[0].condition & parts[1].condition
        )
        name = _free_name(parts, taken)
        taken.add(name)
        made.append((rule, side, LabelingFunction(name, vote(rule.label, where=condition))))
    return made


def _free_name(parts: Sequence[Term], taken: set[str]) -> str:
    name = "_and_".join(part.name for part in parts)[:_LONGEST_NAME].strip("_")
    if not name.isidentifier():
        name = f"rule_{name}"
    if not name.isidentifier():
        name = "rule"
    number, free = 2, name
    while free in taken:
        free, number = f"{name}_{number}", number + 1
    return free


def _kept(
    made: list[tuple[Found, int, LabelingFunction]],
    ballots: Int8Array,
    present: Int8Array,
    n: int,
) -> list[int]:
    """Up to ``n`` rules, half from each side, that neither present functions nor kept ones repeat.

    No label is looked at: what is kept here is what will be judged.
    """
    kept: list[int] = []
    room = [(n + 1) // 2, n // 2]
    for j, (_, side, _) in enumerate(made):
        if not room[side] or not (ballots[:, j] != ABSTAIN).any():
            continue
        others = np.column_stack([present, ballots[:, kept]])
        if _alike(ballots[:, j], others).max(initial=0.0) < _COPY:
            kept.append(j)
            room[side] -= 1
    return kept


def _alike(ballot: Int8Array, others: Int8Array) -> FloatArray:
    """Jaccard similarity of one function's votes with others': cast alike ÷ cast by either."""
    voted = ballot != ABSTAIN
    alike = (voted[:, None] & (others == ballot[:, None])).sum(axis=0)
    either = (voted[:, None] | (others != ABSTAIN)).sum(axis=0)
    return np.asarray(alike / np.maximum(either, 1))


def _judge(
    made: tuple[Found, int, LabelingFunction],
    terms: Terms,
    ballot: Int8Array,
    present: Int8Array,
    names: Sequence[str],
    judged: Judged,
    half: npt.NDArray[np.int64],
    floor: FloatArray,
    level: float,
    basis: Basis,
    n_judged: int,
) -> Candidate:
    rule, side, lf = made
    voted = ballot != ABSTAIN
    rows = (half != side) & voted[judged.row]
    accuracy = share_right(
        judged.target[rows, rule.label], judged.weight[rows], judged.cluster[rows], level=level
    )
    silent = (present == ABSTAIN).all(axis=1)
    lowest = np.where(present != ABSTAIN, present, np.int8(127)).min(axis=1, initial=127)
    disputed = ~silent & (lowest != present.max(axis=1, initial=ABSTAIN))
    alike = _alike(ballot, present)
    closest = int(alike.argmax()) if alike.size and alike.max() > 0 else None
    size = max(len(ballot), 1)
    what = "gold labels" if basis == "gold" else "weak labels (the label model's own opinion)"
    doc = (
        f"Suggested from {len(judged):,} {what}: right in {accuracy.estimate:.0%} "
        f"({accuracy.low:.0%} to {accuracy.high:.0%}) of {accuracy.n:,} votes judged, where "
        f"{floor[rule.label]:.0%} is guessing. Say here why it should hold."
    )
    conditions = tuple(terms.terms[i].code for i in rule.parts)
    candidate = Candidate(
        lf=replace(lf, doc=doc),
        label=rule.label,
        accuracy=accuracy,
        floor=float(floor[rule.label]),
        coverage=float(voted.sum() / size),
        new_coverage=float((voted & silent).sum() / size),
        conflicts=float((voted & disputed).sum() / size),
        closest=names[closest] if closest is not None else "",
        redundancy=float(alike[closest]) if closest is not None else 0.0,
        basis=basis,
        n_targets=len(judged),
        n_judged=n_judged,
        conditions=conditions,
    )
    return replace(candidate, lf=replace(candidate.lf, source=candidate.code()))


def _usefulness(candidate: Candidate) -> tuple[float, float]:
    """Sure gain over guessing, where votes are wanted; ties by what is merely likely."""
    settled = candidate.coverage - candidate.new_coverage - candidate.conflicts
    wanted = candidate.new_coverage + candidate.conflicts + _SETTLED * settled
    sure = candidate.accuracy.low - candidate.floor
    likely = np.nan_to_num(candidate.accuracy.estimate) - candidate.floor
    return (sure * np.sqrt(wanted) if sure > 0 else sure, likely)
