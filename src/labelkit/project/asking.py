"""``round plan``: from a run's labels to the examples that people are asked about."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from labelkit.endmodels import Features, features
from labelkit.errors import ProjectError
from labelkit.project.config import Config
from labelkit.project.gold import match_gold
from labelkit.project.runs import Run
from labelkit.project.tables import join_tables, shown_items
from labelkit.rounds.people import mix_gold, overlap_plan
from labelkit.rounds.privacy import KEY_VARIABLE, PrivacyRule, protect
from labelkit.selection import select

if TYPE_CHECKING:
    import polars as pl

    from labelkit.rounds import AnnotationPlatform, Ledger, Round


def open_round(
    ledger: Ledger,
    run: Run,
    config: Config,
    directory: Path,
    *,
    platform: AnnotationPlatform,
    name: str | None,
    seed: int,
) -> Round:
    """Draw a batch as ``[selection]`` says, and note it in the ledger as a round.

    Parameters
    ----------
    run : whose labels are drawn from; what any round asked about before is left out
    name : of the round; numbered unless given

    Raises
    ------
    ProjectError
        The ledger's rounds ask about another unit than the run labels.
    RoundError
        ``[platform] drop`` or ``hash`` names a column that is not shown or is a key, or the key of
        the hashes is not in the environment.
    """
    keys, labels, settings = run.manifest.unit, run.labels(), config.selection
    alike = features_of(run, config, directory)
    asked = match_gold(ledger.asked(), labels, keys)
    batch = select(
        labels,
        settings.n,
        strategy=settings.strategy,
        features=alike,
        audit_share=settings.audit_share,
        audit=settings.audit,
        max_per_query=settings.max_per_query,
        exclude=asked if len(asked) else None,
        seed=seed,
        keys=keys,
    )
    peopled = replace(batch, frame=_for_people(batch.frame, ledger, labels, config, seed=seed))
    shown = shown_items(peopled.frame, config.tables, directory, examples=run.evidence(), keys=keys)
    rule = PrivacyRule(config.platform.drop, config.platform.hash)
    if rule:
        # Before the ledger sees them, so that it holds no more than people do.
        shown = protect(shown, rule, keys=keys, secret=os.environ.get(KEY_VARIABLE))
    return ledger.open_round(
        peopled,
        platform=platform,
        items=shown,
        label_names=config.labels.names,
        instructions=config.rounds.instructions,
        name=name,
        model_version=run.id,
    )


def features_of(run: Run, config: Config, directory: Path) -> Features | None:
    """What makes two examples alike, as ``[selection] numeric`` and ``text`` say; None if neither.

    Raises
    ------
    ProjectError
        A column is neither in the run's evidence nor in a table.
    """
    settings = config.selection
    named = [*settings.numeric, *settings.text]
    if not named:
        return None
    examples = run.evidence()
    elsewhere = {name for name in named if name not in examples.columns}
    joined = join_tables(examples, config.tables, directory, columns=elsewhere)
    missing = [name for name in named if name not in joined.columns]
    if missing:
        there = [name for name in examples.columns if name not in run.keys]
        raise ProjectError(
            f"[selection] names a column {missing[0]!r} that neither the evidence of run {run.id} "
            f"nor a table has. The evidence holds what labeling functions read: {', '.join(there)}."
        )
    return features(joined, numeric=settings.numeric, text=settings.text, keys=run.keys)


def _for_people(
    batch: pl.DataFrame, ledger: Ledger, labels: pl.DataFrame, config: Config, *, seed: int
) -> pl.DataFrame:
    """The batch with overlap and hidden gold questions, as ``[rounds]`` says."""
    import polars as pl

    settings, keys = config.rounds, config.labels.unit
    if settings.overlap_share:
        wanted = overlap_plan(
            len(batch), share=settings.overlap_share, k=settings.overlap, seed=seed
        )
        batch = batch.with_columns(n_wanted=pl.Series(wanted))
    if settings.hidden_gold:
        gold = match_gold(ledger.gold(), labels, keys)
        # One answer is an opinion: whoever is judged by it may be right and the gold wrong.
        sure = (pl.col("annotators") > 1) & (pl.col("agreement") == 1)
        known = gold.filter(sure | pl.col("adjudicated"))
        n = round(len(batch) * settings.hidden_gold / (1 - settings.hidden_gold))
        # Early rounds have little that is known; they go without rather than not at all.
        if len(known) >= max(n, 1):
            batch = mix_gold(batch, known, keys=keys, share=settings.hidden_gold, seed=seed)
    return batch
