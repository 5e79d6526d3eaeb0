"""``lfs diff``: what an edit to the labeling functions changed, from two runs."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import narwhals as nw
import numpy as np

from labelkit.errors import ProjectError
from labelkit.lfs import lf_drift, vote_changes
from labelkit.lfs.clusters import paired_shares
from labelkit.project.config import Config
from labelkit.project.functions import LABELS, honest_labels, shown_beside, votes_of, with_labels
from labelkit.project.gold import match_gold
from labelkit.project.runs import Run
from labelkit.project.units import refuse_other_unit

if TYPE_CHECKING:
    import polars as pl

    from labelkit.lfs import Votes
    from labelkit.project.manifest import LFFact, Manifest


# The model that was fitted to the other examples' votes is another.
SAME_VOTES = "the same, weighed otherwise"


@dataclass(frozen=True)
class LFDiff:
    """What two runs of one project differ in, from ``before`` to ``after``.

    ::

        before, after  ids of the runs
        rules     lf, status ("edited", "new", "removed", "rule changed"), before, after, source
                  (a unified diff of the source text); functions that stayed the same are left out
        votes     lf, status, votes_before, votes_after, gained, lost, flipped, unchanged
        labels    before, after (names), examples: labels that are another now
        accuracy  lf (or "(labels)"), before, after, change, change_low, change_high, n; empty
                  without gold
        examples  keys, what people are shown, label before and after, change of the probability,
                  and the functions that vote otherwise: most moved first
        n_common, n_only_before, n_only_after   examples
        notes     what else differs between the runs, and so may have changed votes as well
    """

    before: str
    after: str
    rules: pl.DataFrame
    votes: pl.DataFrame
    labels: pl.DataFrame
    accuracy: pl.DataFrame
    examples: pl.DataFrame
    n_common: int
    n_only_before: int
    n_only_after: int
    notes: tuple[str, ...]

    @property
    def n_flipped(self) -> int:
        """Examples whose label is another now."""
        return int(self.labels["examples"].sum())


def diff_runs(
    before: Run, after: Run, *, gold: pl.DataFrame, config: Config, directory: Path, n: int = 10
) -> LFDiff:
    """Compare two runs; see ``Project.lfs_diff``.

    Raises
    ------
    ProjectError
        The runs have other labels or another unit, or no example in common.
    """
    old, new = before.manifest, after.manifest
    refuse_other_unit(old, new)
    if old.label_names != new.label_names:
        raise ProjectError(
            f"Run {before.id} labels {', '.join(old.label_names)}, run {after.id} "
            f"{', '.join(new.label_names)}: votes for different classes cannot be compared."
        )
    labels = _labels(before, after)
    if labels.is_empty():
        raise ProjectError(f"Runs {before.id} and {after.id} have no example in common.")
    votes = _common(votes_of(before), labels), _common(votes_of(after), labels)
    changes: pl.DataFrame = vote_changes(*votes)
    return LFDiff(
        before=before.id,
        after=after.id,
        rules=_rules(old, new),
        votes=changes,
        labels=_flips(labels, new.label_names),
        accuracy=_accuracy(before, after, gold),
        examples=shown_beside(
            _examples(labels, votes, changes, new.label_names, n),
            config,
            directory,
            examples=after.evidence(),
            keys=after.keys,
        ),
        n_common=len(labels),
        n_only_before=old.counts.n_examples - len(labels),
        n_only_after=new.counts.n_examples - len(labels),
        notes=_notes(old, new),
    )


def _labels(before: Run, after: Run) -> pl.DataFrame:
    """Examples of both runs: keys, ``label_before``, ``label_after``, ``moved`` in [0, 1]."""
    import polars as pl

    names = [f"p_{y}" for y in range(len(after.manifest.label_names))]
    old, new = before.labels(), after.labels()
    old = old.cast({key: new.schema[key] for key in after.keys})
    joined = new.join(old, on=after.keys, how="inner", suffix="_old", maintain_order="left")
    moved = pl.sum_horizontal((pl.col(p) - pl.col(f"{p}_old")).abs() for p in names) / 2
    return joined.select(*after.keys, label_before="label_old", label_after="label", moved=moved)


def _common(votes: Votes, examples: pl.DataFrame) -> Votes:
    table, keys = nw.to_native(votes.frame), list(votes.keys)
    table = table.cast({key: examples.schema[key] for key in keys})
    kept = examples.select(keys).join(table, on=keys, how="left", maintain_order="left")
    frame = nw.from_native(kept)
    return type(votes)(frame, votes.keys, votes.lf_names, votes.cardinality, kept.clear())


def _rules(old: Manifest, new: Manifest) -> pl.DataFrame:
    import polars as pl

    was, is_ = ({fact.name: fact for fact in side.lfs} for side in (old, new))
    rows = []
    for name in [*is_, *(name for name in was if name not in is_)]:
        status = _status(was.get(name), is_.get(name))
        if status:
            sides = [side[name].rule if name in side else "" for side in (was, is_)]
            texts = [side[name].source if name in side else "" for side in (was, is_)]
            first, second = (text.splitlines() for text in texts)
            lines = difflib.unified_diff(first, second, "before", "after", lineterm="", n=1)
            rows.append((name, status, *sides, "\n".join(lines)))
    schema = dict.fromkeys(("lf", "status", "before", "after", "source"), pl.String)
    return pl.DataFrame(rows, schema=schema, orient="row")


def _status(was: LFFact | None, is_: LFFact | None) -> str:
    if was is None or is_ is None:
        return "new" if was is None else "removed"
    if was.source_sha256 != is_.source_sha256:
        return "edited"
    # The same text can mean something else: a constant from a neighbour, another prompt.
    same = was.rule == is_.rule and getattr(was, "version", "") == getattr(is_, "version", "")
    return "" if same else "rule changed"


def _flips(labels: pl.DataFrame, names: tuple[str, ...]) -> pl.DataFrame:
    import polars as pl

    flips = (
        labels.filter(pl.col("label_before") != pl.col("label_after"))
        .group_by("label_before", "label_after")
        .agg(examples=pl.len().cast(pl.Int64))
        .sort("label_before", "label_after")
    )
    return flips.select(
        before=_name("label_before", names), after=_name("label_after", names), examples="examples"
    )


def _name(column: str, names: tuple[str, ...]) -> pl.Expr:
    import polars as pl

    return pl.col(column).replace_strict(
        {-1: "abstained", **dict(enumerate(names))}, return_dtype=pl.String
    )


def _accuracy(before: Run, after: Run, gold: pl.DataFrame) -> pl.DataFrame:
    """Per function, and of the labels, on the gold examples that both runs have."""
    import polars as pl

    figures = ("before", "after", "change", "change_low", "change_high")
    schema = {"lf": pl.String} | dict.fromkeys(figures, pl.Float64) | {"n": pl.Int64}
    known = match_gold(gold, before.labels(), before.keys)
    known = match_gold(known, after.labels(), after.keys)
    if known.is_empty():
        return pl.DataFrame(schema=schema)
    sides = [_common(votes_of(run), known) for run in (before, after)]
    shared = set(sides[0].lf_names) & set(sides[1].lf_names)
    rows = []
    if shared:
        drift: pl.DataFrame = lf_drift(*sides, gold_before=known, gold_after=known)
        for row in drift.filter(pl.col("figure") == "accuracy").to_dicts():
            n = nw.to_native(sides[1].frame).filter(pl.col(row["lf"]) >= 0).height
            rows.append({"lf": row["lf"], **{name: row[name] for name in figures}, "n": n})
    return pl.DataFrame([_labels_on_gold(before, after, known), *rows], schema=schema)


def _labels_on_gold(before: Run, after: Run, known: pl.DataFrame) -> dict[str, object]:
    """Accuracy of the labels, weighted to the pool, from models that did not see the gold."""
    import polars as pl

    right = []
    for run in (before, after):
        table = _common(with_labels(votes_of(run), honest_labels(run)), known)
        labels = nw.to_native(table.frame)[LABELS]
        right.append((labels.cast(pl.Int64) == known["label"].cast(pl.Int64)).to_numpy())
    weight = np.asarray(np.ones(len(known)))
    if "inclusion_probability" in known.columns:
        weight = np.asarray(1 / known["inclusion_probability"].to_numpy().astype(float))
    cluster = known[after.keys[0]].rank("dense").cast(pl.Int64).to_numpy() - 1
    change = right[1].astype(float) - right[0].astype(float)
    estimate, low, high = paired_shares(change, weight, cluster)
    share = [float(weight @ side / weight.sum()) for side in right]
    return {
        "lf": LABELS,
        "before": share[0],
        "after": share[1],
        "change": estimate,
        "change_low": low,
        "change_high": high,
        "n": len(known),
    }


def _examples(
    labels: pl.DataFrame,
    votes: tuple[Votes, Votes],
    changes: pl.DataFrame,
    names: tuple[str, ...],
    n: int,
) -> pl.DataFrame:
    """The n examples that moved most, flipped labels first, with the votes that differ."""
    import polars as pl

    keys = votes[1].keys
    old, new = (nw.to_native(side.frame) for side in votes)
    differs = {}
    for name in changes.filter(pl.col("gained") + pl.col("lost") + pl.col("flipped") > 0)["lf"]:
        nothing = pl.lit(-1, dtype=pl.Int8)
        pair = labels.select(keys).with_columns(
            (side[name] if name in side.columns else nothing).alias(which)
            for which, side in (("a", old), ("b", new))
        )
        text = pl.format("{}: {} → {}", pl.lit(name), _name("a", names), _name("b", names))
        differs[name] = pair.select(
            pl.when(pl.col("a") != pl.col("b")).then(text).alias(name)
        ).to_series()
    votes_text = (
        pl.DataFrame(list(differs.values())).select(
            pl.concat_str(pl.all(), separator="; ", ignore_nulls=True).alias("votes")
        )["votes"]
        if differs
        else pl.Series("votes", [""] * len(labels), dtype=pl.String)
    )
    flipped = pl.col("label_before") != pl.col("label_after")
    return (
        labels.with_columns(votes=votes_text)
        .filter(flipped | (pl.col("votes") != ""))
        .sort(flipped, "moved", *keys, descending=[True, True, *(False for _ in keys)])
        .head(n)
        .with_columns(
            label_before=_name("label_before", names),
            label_after=_name("label_after", names),
            votes=pl.col("votes").replace("", SAME_VOTES),
        )
    )


def _notes(old: Manifest, new: Manifest) -> tuple[str, ...]:
    """What is different beside the functions."""
    notes = []
    files = [{fact.path: fact.sha256 for fact in side.inputs} for side in (old, new)]
    changed = sorted(
        path
        for path in files[0].keys() | files[1].keys()
        if files[0].get(path) != files[1].get(path)
    )
    if changed:
        more = f" and {len(changed) - 1} more" if len(changed) > 1 else ""
        notes.append(f"The runs read other data: {changed[0]}{more}.")
    settings = [
        section
        for section in old.config.keys() | new.config.keys()
        if section not in ("lfs", "selection", "platform", "rounds")
        and old.config.get(section) != new.config.get(section)
    ]
    if settings:
        notes.append(f"labelkit.toml differs in [{'], ['.join(sorted(settings))}].")
    if old.seed != new.seed:
        notes.append(f"The seeds are {old.seed} and {new.seed}.")
    if old.counts.n_gold != new.counts.n_gold:
        notes.append(
            f"The label model learned from {old.counts.n_gold:,} and {new.counts.n_gold:,} gold "
            "labels."
        )
    versions = sorted(
        name
        for name in old.versions.keys() | new.versions.keys()
        if old.versions.get(name) != new.versions.get(name)
    )
    if versions:
        notes.append(f"Versions differ: {', '.join(versions)}.")
    return tuple(notes)
