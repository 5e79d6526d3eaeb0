"""``round plan``: from a run's labels to the examples that people are asked about."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from labelkit.project.config import Config
from labelkit.project.gold import match_gold
from labelkit.project.runs import Run
from labelkit.project.tables import shown_items
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
    return ledger.open_round(
        batch,
        platform=platform,
        items=shown_items(
            batch.frame, config.tables, directory, examples=run.evidence(), keys=keys
        ),
        label_names=config.labels.names,
        instructions=config.rounds.instructions,
        name=name,
        model_version=run.id,
    )
