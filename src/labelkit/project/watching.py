"""``lfs --watch``: the labeling functions on a sample of examples, again after every edit."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from threadpoolctl import threadpool_limits

from labelkit.errors import LabelkitError
from labelkit.evidence import available
from labelkit.lfs import analyze, load_lfs, vote_changes
from labelkit.lfs.cache import apply_cached
from labelkit.lfs.fingerprint import fingerprint
from labelkit.project.config import Config
from labelkit.project.examining import open_log
from labelkit.project.functions import shown_beside
from labelkit.project.gold import match_gold
from labelkit.project.labeling import fit_bias, gather, vote_cache
from labelkit.project.manifest import Manifest
from labelkit.project.runs import Progress
from labelkit.project.tables import table_columns

if TYPE_CHECKING:
    import polars as pl

    from labelkit.lfs import AnyLF, Votes

QUARANTINE = ".watch-quarantine.parquet"
SAMPLE = 2_000
# Editors write a file in several steps; what is older than this has settled.
POLL_S = 0.3


@dataclass(frozen=True)
class Look:
    """What the functions do to the sample after one edit, or why they do nothing.

    ::

        edited    names of functions whose text or meaning changed since the last look; on the
                  first look, none
        analysis  as ``labelkit.analyze``, on the sample
        changes   as ``labelkit.lfs.vote_changes`` from the last look that worked; None on the first
        examples  some examples on which an edited function votes otherwise
        error     the message of what is wrong, if anything is: then there is nothing else
    """

    n_examples: int
    seconds: float
    edited: tuple[str, ...] = ()
    analysis: pl.DataFrame | None = None
    changes: pl.DataFrame | None = None
    examples: pl.DataFrame | None = None
    error: str = ""


@dataclass(frozen=True)
class _State:
    lfs: tuple[AnyLF, ...]
    votes: Votes


def watch(
    directory: Path,
    config: Config,
    *,
    gold: pl.DataFrame,
    seed: int,
    asked_of: Sequence[Manifest] = (),
    n: int = SAMPLE,
    progress: Progress | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[Look]:
    """A look at once, and another after every edit in the folders of the functions; without end.

    The log is read once, at the start. Whole queries (values of the unit's first key) are drawn
    until there are about ``n`` examples, with all columns that any function may come to read; with
    gold, its queries come first, so that accuracies are about as sure as in a run. Parameters as of
    ``Project.lfs_watch``, and of ``labeling.Job``.
    """
    with threadpool_limits(1, user_api="blas"):
        examples = _sample(
            directory, config, gold, asked_of=asked_of, seed=seed, n=n, progress=progress
        )
    known = match_gold(gold, examples, config.labels.unit)
    state: _State | None = None
    seen = _stamps(directory, config)
    while True:
        state, look = _look(directory, config, examples, known, state)
        yield look
        while (now := _stamps(directory, config)) == seen:
            sleep(POLL_S)
        # A file that is still being written has another stamp a moment later.
        while now != (settled := _after(sleep, directory, config)):
            now = settled
        seen = now


def _after(
    sleep: Callable[[float], None], directory: Path, config: Config
) -> dict[Path, tuple[int, int]]:
    sleep(POLL_S / 3)
    return _stamps(directory, config)


def _stamps(directory: Path, config: Config) -> dict[Path, tuple[int, int]]:
    """When each file of Python around the functions was written, and its size.

    A module may import its neighbours and whatever lies in the project directory itself.
    """
    stamps = {}
    folders = {directory}
    for module in config.lfs.modules:
        stem = directory.joinpath(*module.split("."))
        folders |= {stem, stem.parent}
    for folder in folders:
        for path in folder.glob("*.py"):
            try:
                fact = path.stat()
            except FileNotFoundError:  # an editor is just replacing it
                continue
            stamps[path] = (fact.st_mtime_ns, fact.st_size)
    return stamps


def _sample(
    directory: Path,
    config: Config,
    gold: pl.DataFrame,
    *,
    asked_of: Sequence[Manifest],
    seed: int,
    n: int,
    progress: Progress | None,
) -> pl.DataFrame:
    import polars as pl

    say = progress or (lambda stage: None)
    aside = directory / QUARANTINE
    try:
        say("reading and checking the log")
        log = open_log(config, directory, aside, numbered_as=asked_of)
        say("estimating position bias")
        bias = fit_bias(log, config, gold, seed=seed)
        say("gathering evidence")
        # Also what takes a pass of its own: the next edit may ask for it.
        tables = (table_columns(table, directory) for table in config.tables.values())
        everything = set(available(log)).union(*tables)
        examples = gather(log, bias, config, directory, everything)
    finally:
        aside.unlink(missing_ok=True)
    if len(examples) <= n:
        return examples
    # Whole queries, users, sessions, …, so that functions can compare what is in them.
    unit = config.labels.unit
    whole = unit[0]
    known = match_gold(gold, examples, unit)
    judged = known[whole] if len(known) else pl.Series([], dtype=pl.String)
    sizes = examples.group_by(whole).agg(n=pl.len()).sort(whole)
    shuffled = sizes.sample(fraction=1.0, shuffle=True, seed=seed)
    shuffled = shuffled.with_columns(first=pl.col(whole).is_in(judged.to_list()))
    ordered = shuffled.sort("first", descending=True, maintain_order=True)
    chosen = ordered.filter(pl.col("n").cum_sum() - pl.col("n") < n)
    return examples.join(chosen.select(whole), on=whole, how="semi", maintain_order="left")


def _look(
    directory: Path,
    config: Config,
    examples: pl.DataFrame,
    gold: pl.DataFrame,
    state: _State | None,
) -> tuple[_State | None, Look]:
    began = time.perf_counter()
    try:
        lfs = tuple(load_lfs(config.lfs.modules, directory))
        votes, _ = apply_cached(
            lfs,
            examples,
            vote_cache(directory, config),
            keys=config.labels.unit,
            cardinality=len(config.labels.names),
            on_missing=config.lfs.on_missing,
        )
        analysis: pl.DataFrame = analyze(votes, gold=gold if len(gold) else None)
        changes, moved = _changes(state, votes, examples, config, directory)
    except LabelkitError as error:
        return state, Look(len(examples), time.perf_counter() - began, error=str(error))
    look = Look(
        n_examples=len(examples),
        seconds=time.perf_counter() - began,
        edited=_edited(state, lfs),
        analysis=analysis,
        changes=changes,
        examples=moved,
    )
    return _State(lfs, votes), look


def _edited(state: _State | None, lfs: tuple[AnyLF, ...]) -> tuple[str, ...]:
    if state is None:
        return ()
    # The text may be the same and mean something else, by a constant of a neighbour.
    was, now = (
        {lf.name: (lf.source, lf.rule, fingerprint(lf)) for lf in side} for side in (state.lfs, lfs)
    )
    names = [name for name, told in now.items() if was.get(name) != told]
    return (*names, *(name for name in was if name not in now))


def _changes(
    state: _State | None, votes: Votes, examples: pl.DataFrame, config: Config, directory: Path
) -> tuple[pl.DataFrame | None, pl.DataFrame | None]:
    import polars as pl

    from labelkit.lfs import changed_examples

    if state is None:
        return None, None
    changes: pl.DataFrame = vote_changes(state.votes, votes)
    moved = changes.filter(pl.col("gained") + pl.col("lost") + pl.col("flipped") > 0)
    if moved.is_empty():
        return changes, None
    parts = []
    for name in moved["lf"]:
        few: pl.DataFrame = changed_examples(state.votes, votes, name)
        parts.append(few.head(3).select(pl.lit(name).alias("lf"), pl.all()))
    return changes, shown_beside(
        pl.concat(parts), config, directory, examples=examples, keys=votes.keys
    )
