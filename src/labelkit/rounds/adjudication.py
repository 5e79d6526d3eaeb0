"""Adjudication: what people disagree on is asked once more, and that answer is the last word.

The disputed examples of a round become a follow-up round on the same platform. Its answers are
written down as decisions on the round that it follows, which keeps its inclusion probabilities:
an example is no likelier to be in the sample because people disagreed on it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from labelkit.errors import RoundError
from labelkit.rounds.keys import decode, polars_dtype
from labelkit.rounds.ledger import Ledger
from labelkit.rounds.people.counts import one_answer_each
from labelkit.rounds.round import Round

if TYPE_CHECKING:
    import polars as pl

STRATUM = "adjudication"
SUFFIX = "-adjudication"
"""Of the name of a follow-up round, after that of the round it follows."""


def queue(ledger: Ledger, round: str, *, min_agreement: float = 1.0) -> pl.DataFrame:
    """Examples of a round whose annotators agree too little, the most disputed first.

    Examples with one answer are never disputed, nor are hidden gold questions.

    Parameters
    ----------
    min_agreement : share of the annotators of an example behind its commonest answer, below which
        it is disputed, in (0, 1]; 1 takes every disagreement

    Returns
    -------
    Polars frame: ``example``, ``n_answers``, ``agreement``, ``answers`` (each annotator's class)
    """
    import polars as pl

    if not 0 < min_agreement <= 1:
        raise RoundError(f"min_agreement is above 0 and at most 1; got {min_agreement}.")
    last = one_answer_each(ledger.annotations(round=round)).filter(pl.col("known_label").is_null())
    commonest = pl.col("label").value_counts().struct.field("count").max()
    return (
        last.group_by("example")
        .agg(
            n_answers=pl.len().cast(pl.Int64),
            agreement=commonest / pl.len(),
            answers=pl.col("label").sort(),
        )
        .filter(pl.col("n_answers") > 1, pl.col("agreement") < min_agreement)
        .sort("agreement", "n_answers", "example", descending=[False, True, False])
    )


def open_follow_up(ledger: Ledger, round_: Round, *, min_agreement: float = 1.0) -> Round | None:
    """Open the follow-up round of what is disputed and not decided; None if there is nothing.

    ``round_`` begins to adjudicate: it takes late answers, and sends no more tasks. Repeating the
    call gives the follow-up round that is open. Nothing is sent: push the follow-up round.

    Raises
    ------
    RoundError
        The round was never pushed, is closed, or is a follow-up round itself.
    """
    name = f"{round_.name}{SUFFIX}"
    there = follow_up(ledger, round_)
    if there is not None:
        return there
    disputed = queue(ledger, round_.name, min_agreement=min_agreement)
    if disputed.is_empty():
        return None
    round_.adjudicate()
    batch, items = _tables(ledger, round_, disputed["example"].to_list())
    row = round_._row()
    return ledger.open_round(
        batch,
        platform=round_.platform,
        items=items,
        label_names=row.label_names,
        instructions=row.instructions,
        name=name,
        keys=row._mapping["keys"],
        preannotate=False,
        follows=round_,
    )


def follow_up(ledger: Ledger, round_: Round) -> Round | None:
    """The follow-up round of a round, if there is one."""
    name = f"{round_.name}{SUFFIX}"
    if name not in {status.name for status in ledger.rounds()}:
        return None
    return ledger.round(name, platform=round_.platform)


def settle(ledger: Ledger, round_: Round) -> int:
    """Write what the follow-up round says down as decisions on ``round_``; how many are new.

    Pull the follow-up round first. Of several adjudicators of one example the last counts.
    """
    later = follow_up(ledger, round_)
    if later is None:
        return 0
    n_new = 0
    for person, labels in _answers_of(later).items():
        n_new += round_.decide(
            labels, adjudicator=person, reason="people disagreed", decided_in=later
        )
    return n_new


def _answers_of(round_: Round) -> dict[str, dict[tuple[object, ...], int]]:
    """Adjudicator → example → class, the last answer to each example alone."""
    import sqlalchemy as sa

    from labelkit.rounds.tables import answers, tasks

    row = round_._row()
    at = sa.func.coalesce(answers.c.updated_at, answers.c.created_at)
    query = (
        sa.select(tasks.c.example_key, answers.c.annotator, answers.c.label)
        .select_from(answers.join(tasks, answers.c.task_id == tasks.c.id))
        .where(
            tasks.c.round_id == row.id,
            answers.c.is_current.is_(True),
            answers.c.status == "answered",
        )
        .order_by(at, answers.c.id)
    )
    with round_._database.read() as connection:
        last = {r.example_key: (r.annotator, r.label) for r in connection.execute(query)}
    found: dict[str, dict[tuple[object, ...], int]] = {}
    for example, (person, label) in last.items():
        found.setdefault(person, {})[decode(example, row.dtypes)] = label
    return found


def _tables(
    ledger: Ledger, round_: Round, examples: list[str]
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Batch and items of these examples, as they were first asked."""
    import polars as pl
    import sqlalchemy as sa

    from labelkit.rounds.tables import tasks

    row = round_._row()
    keys, dtypes = row._mapping["keys"], row.dtypes
    query = sa.select(tasks.c.example_key, tasks.c.inclusion_probability, tasks.c.payload).where(
        tasks.c.round_id == row.id
    )
    wanted = {example: place for place, example in enumerate(examples)}
    with round_._database.read() as connection:
        found = [r for r in connection.execute(query) if r.example_key in wanted]
    values = [decode(r.example_key, dtypes) for r in found]
    key_columns = {
        key: pl.Series(key, [v[i] for v in values], dtype=polars_dtype(dtypes[i]))
        for i, key in enumerate(keys)
    }
    batch = pl.DataFrame(
        {
            **key_columns,
            "inclusion_probability": [r.inclusion_probability for r in found],
            "stratum": [STRATUM] * len(found),
            "rank": [wanted[r.example_key] + 1 for r in found],
        }
    )
    shown = [field for field in row.fields if field["caption"] not in keys]
    items = pl.DataFrame(
        {
            **key_columns,
            **{f["caption"]: [r.payload[f["name"]] for r in found] for f in shown},
        }
    )
    return batch, items
