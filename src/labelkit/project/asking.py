"""``round plan``: from a run's labels to the examples that people are asked about."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from labelkit.project.config import Config
from labelkit.project.gold import match_gold
from labelkit.project.runs import Run
from labelkit.project.tables import shown_items
from labelkit.rounds.privacy import KEY_VARIABLE, PrivacyRule, protect
from labelkit.selection import select

if TYPE_CHECKING:
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
    asked = match_gold(ledger.asked(), labels, keys)
    batch = select(
        labels,
        settings.n,
        strategy=settings.strategy,
        audit_share=settings.audit_share,
        max_per_query=settings.max_per_query,
        exclude=asked if len(asked) else None,
        seed=seed,
        keys=keys,
    )
    shown = shown_items(batch.frame, config.tables, directory, examples=run.evidence(), keys=keys)
    rule = PrivacyRule(config.platform.drop, config.platform.hash)
    if rule:
        # Before the ledger sees them, so that it holds no more than people do.
        shown = protect(shown, rule, keys=keys, secret=os.environ.get(KEY_VARIABLE))
    return ledger.open_round(
        batch,
        platform=platform,
        items=shown,
        label_names=config.labels.names,
        instructions=config.rounds.instructions,
        name=name,
        model_version=run.id,
    )
