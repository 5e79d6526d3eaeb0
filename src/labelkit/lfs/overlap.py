"""Text as evidence: does an item say what was asked, and does it resemble its neighbours?

What comes in: the texts that were shown (query words, title, snippet, …), one row per showing or
per example. What goes out: one row per example with numbers that LFs vote on, to be joined with
the evidence table. It must never look at a label, and it knows no language: words are runs of
letters and digits of any script, and characters of scripts that write without spaces stand alone.
"""

from __future__ import annotations

from collections.abc import Sequence

import narwhals as nw
import polars as pl

from labelkit.engine import NativeFrame, collect, lazy, to_native_like
from labelkit.errors import LFError

_UNSPACED = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}"
WORD = rf"[{_UNSPACED}]|[[\p{{L}}\p{{M}}\p{{N}}]--[{_UNSPACED}]]+"


def text_evidence(
    shown: NativeFrame,
    *,
    text: str = "query_text",
    fields: Sequence[str] = ("title", "snippet"),
    keys: Sequence[str] = ("query", "item"),
    weights: NativeFrame | None = None,
    weight: str = "ctr",
) -> NativeFrame:
    """Word overlap with the query, and similarity to the query's other items.

    Parameters
    ----------
    shown : frame with the key columns, the words of the query and the item's text fields; several
        rows per example (the same item under other words) are averaged
    text : column with the words that were searched for
    fields : columns with text of the item
    keys : columns that identify an example; the first is the context whose items are neighbours
    weights : frame with the key columns and ``weight`` ≥ 0, for instance the evidence table; the
        neighbours then count by their debiased click rate. Default: all alike
    weight : column of ``weights``; an example without one counts with the mean of the others

    Returns
    -------
    A frame of the kind of ``shown``, one row per example, with the keys and

    ============================ ==================================================================
    ``<field>_overlap``          share of the query's words that occur in the field, 0 … 1
    ``overlap``                  mean of these over the fields: one signal, so that it votes once
    ``similarity``               mean cosine of TF-IDF vectors with the query's other items, 0 … 1
    ``overlap_percentile``       mid-rank among all examples, 0 … 1
    ``similarity_percentile``    mid-rank among all examples, 0 … 1
    ============================ ==================================================================

    Without query words, or without another item, a value is null and LFs abstain.

    Raises
    ------
    LFError
        A column is missing, a key is null, or a weight is negative.

    Notes
    -----
    Similarity rests on the cluster hypothesis: what is relevant to one need is alike [1]_. With
    click rates as weights it is Rocchio's relevance feedback [2]_ with debiased clicks as the
    judge. Time and memory are linear in the number of words: an item is compared with the sum of
    its neighbours' vectors, less itself.

    References
    ----------
    .. [1] van Rijsbergen (1979), *Information Retrieval*, chapter 3.
    .. [2] Rocchio (1971), *Relevance feedback in information retrieval*.
    """
    names = list(keys)
    table = _columns(shown, [*names, text, *fields], "shown")
    nulls = table.filter(pl.any_horizontal(pl.col(names).is_null())).height
    if nulls:
        raise LFError(f"{nulls:,} rows of the shown texts have a null in {names}.")
    overlaps = _overlaps(table, names, text, list(fields))
    out = overlaps.join(
        _similarity(_with_weight(_vectors(table, names, list(fields)), weights, weight, names)),
        on=names,
        how="left",
        maintain_order="left",
    ).with_columns(
        ((pl.col(name).rank() - 0.5) / pl.col(name).count()).alias(f"{name}_percentile")
        for name in ("overlap", "similarity")
    )
    return to_native_like(nw.from_native(out, eager_only=True), shown)


def _columns(frame: NativeFrame, names: list[str], what: str) -> pl.DataFrame:
    table = lazy(frame)
    have = table.collect_schema().names()
    missing = [name for name in names if name not in have]
    if missing:
        raise LFError(f"The {what} frame lacks {missing}; it has {have}.")
    return collect(table.select(list(dict.fromkeys(names)))).to_polars()


def _words(column: str) -> pl.Expr:
    return pl.col(column).cast(pl.String).str.to_lowercase().str.extract_all(WORD)


def _overlaps(table: pl.DataFrame, keys: list[str], text: str, fields: list[str]) -> pl.DataFrame:
    asked = pl.col("__asked__")
    found = [
        (asked.list.set_intersection(_words(name)).list.len() / asked.list.len())
        .fill_nan(None)
        # A field that is missing says nothing of the query, which is not the same as knowing.
        .alias(f"{name}_overlap")
        for name in fields
    ]
    names = [f"{name}_overlap" for name in fields]
    return (
        table.with_columns(__asked__=_words(text).list.unique())
        .select(*keys, *found)
        .group_by(keys)
        .agg(pl.col(names).mean().round(9))
        .sort(keys)
        .with_columns(overlap=pl.mean_horizontal(names).round(9))
    )


def _vectors(table: pl.DataFrame, keys: list[str], fields: list[str]) -> pl.DataFrame:
    """keys, word, value: unit vectors of sublinear TF times smoothed IDF, one item's text once."""
    # The least of an item's texts, so that the order of rows changes nothing.
    texts = table.group_by(keys).agg(pl.col(fields).cast(pl.String).min())
    n = texts.height
    joined = pl.concat_str(fields, separator=" ", ignore_nulls=True)
    counts = (
        texts.select(*keys, __text__=joined)
        .select(*keys, word=_words("__text__"))
        .explode("word")
        .drop_nulls("word")
        .group_by(*keys, "word")
        .len("tf")
    )
    value = (1 + pl.col("tf").log()) * (1 + ((1 + n) / (1 + pl.col("df"))).log())
    raw = counts.join(counts.group_by("word").len("df"), on="word").select(
        *keys, "word", value=value
    )
    norms = raw.group_by(keys).agg(__norm__=pl.col("value").pow(2).sum().sqrt())
    return raw.join(norms, on=keys).select(
        *keys, "word", value=pl.col("value") / pl.col("__norm__")
    )


def _with_weight(
    vectors: pl.DataFrame, weights: NativeFrame | None, weight: str, keys: list[str]
) -> pl.DataFrame:
    examples = vectors.select(keys).unique()
    if weights is None:
        known = examples.with_columns(__w__=pl.lit(1.0))
    else:
        given = _columns(weights, [*keys, weight], "weights")
        given = given.select(*keys, __w__=pl.col(weight).cast(pl.Float64).fill_nan(None))
        if given.filter(pl.col("__w__") < 0).height:
            raise LFError(f"Column {weight!r} of the weights has negative values.")
        known = examples.join(given, on=keys, how="left").with_columns(
            pl.col("__w__").fill_null(pl.col("__w__").mean()).fill_null(1.0)
        )
    return vectors.join(known, on=keys)


def _similarity(vectors: pl.DataFrame) -> pl.DataFrame:
    """Σ_j w_j x_i·x_j / Σ_j w_j over the other items j of i's context."""
    keys = [name for name in vectors.columns if name not in ("word", "value", "__w__")]
    context = keys[0]
    totals = (
        vectors.select(*keys, "__w__").unique().group_by(context).agg(__all__=pl.col("__w__").sum())
    )
    weighted = pl.col("value") * pl.col("__w__")
    return (
        vectors.with_columns(__sum__=weighted.sum().over(context, "word"))
        .group_by(keys)
        .agg(
            __dot__=((pl.col("__sum__") - weighted) * pl.col("value")).sum(),
            __w__=pl.col("__w__").first(),
        )
        .join(totals, on=context)
        .with_columns(__others__=pl.col("__all__") - pl.col("__w__"))
        .select(
            *keys,
            # Rounded, because sums over threads differ in their last bits and ranks would show it.
            similarity=pl.when(pl.col("__others__") > 1e-12)
            .then(pl.col("__dot__") / pl.col("__others__"))
            .clip(0, 1)
            .round(9),
        )
    )
