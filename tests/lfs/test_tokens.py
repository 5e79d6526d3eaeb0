"""Words: one rule for all languages, the same on every engine."""

from __future__ import annotations

import unicodedata

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from labelkit import apply, col, labeling_function, vote
from labelkit.errors import LFError

UNSPACED = ("CJK UNIFIED", "CJK COMPAT", "HIRAGANA", "KATAKANA LETTER", "THAI", "LAO", "KHMER")
TEXTS = [
    "Running shoes, NEW (42)", "new-born", "renew", "", None, "Straße STRASSE", "ΟΔΟΣ οδός",
    "東京タワー 2024", "नमस्ते दुनिया", "wi-fi 6e", "shoes running", "a\nNew\tline", "東 京", "...",
    "é é",
]  # fmt: skip
CHECKED = settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def tokens(text):
    """Runs of letters, marks and digits; characters of scripts without spaces stand alone."""
    words, run = [], ""
    for char in text.lower():
        alone = unicodedata.name(char, "").startswith(UNSPACED)
        part = unicodedata.category(char)[0] in "LMN"
        if run and (alone or not part):
            words.append(run)
            run = ""
        if alone and part:
            words.append(char)
        elif part:
            run += char
    return [*words, run] if run else words


def has(text, phrase):
    mine, wanted = tokens(text), tokens(phrase)
    starts = range(len(mine) - len(wanted) + 1)
    return any(mine[i : i + len(wanted)] == wanted for i in starts)


def overlap(text, other):
    mine, theirs = set(tokens(text)), set(tokens(other))
    return len(mine & theirs) / len(mine) if mine else None


def told(truth):
    return -1 if truth is None else int(truth)


PIECES = st.sampled_from(
    ["new", "New", " ", "-", "東", "タ", "é", "1", ".", "ß", "Σ", "नि", "\n", "shoe"]
)
SOME = st.one_of(st.sampled_from(TEXTS), st.lists(PIECES, max_size=6).map("".join))


@pytest.mark.parametrize("engine", ["polars", "polars_lazy", "pandas_arrow", "duckdb"])
@CHECKED
@given(rows=st.lists(st.tuples(SOME, SOME), min_size=1, max_size=8))
def test_words_are_found_as_the_rule_reads(engine, in_engine, votes_of, rows):
    frame = pl.DataFrame(
        rows, schema={"t": pl.String, "u": pl.String}, orient="row"
    ).with_row_index("item")
    phrases = ["running shoes", "STRASSE", "東京", "6E", "οδός"]
    conditions = [
        col("t").has_token("new"),
        col("t").has_any(phrases),
        ~col("t").has_any(["New", "é"]),
        col("t").n_tokens() >= 3,
        col("t").token_overlap(col("u")) >= 0.5,
        col("t").lower() == col("u").lower(),
        col("t").lower().starts_with("new"),
    ]
    expected = []
    for t, u in rows:
        shared = None if t is None or u is None else overlap(t, u)
        expected.append(
            [
                told(None if t is None else has(t, "new")),
                told(None if t is None else any(has(t, phrase) for phrase in phrases)),
                told(None if t is None else not (has(t, "new") or has(t, "é"))),
                told(None if t is None else len(tokens(t)) >= 3),
                told(None if shared is None else shared >= 0.5),
                told(None if t is None or u is None else t.lower() == u.lower()),
                told(None if t is None else t.lower().startswith("new")),
            ]
        )
    assert votes_of(conditions, in_engine(frame, engine)) == expected


def test_a_gazetteer_of_many_thousand_phrases_is_one_pass(engine, in_engine, votes_of):
    brands = [f"brand {n}" for n in range(20_000)]
    frame = pl.DataFrame({"item": [0, 1, 2], "t": ["The Brand 19999!", "brand 20000", None]})
    condition = col("t").has_any(pl.Series(brands))
    assert votes_of([condition], in_engine(frame, engine)) == [[1], [0], [-1]]
    assert len(str(condition)) < 120


def applied(make):
    @labeling_function
    def lf():
        return vote(1, where=make())

    return apply(
        [lf], pl.DataFrame(schema={"item": pl.Int64, "t": pl.String, "n": pl.Int64}), keys=("item",)
    )


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: col("n").has_token("a"), "`n has 'a'` asks for text, but n is a whole number"),
        (lambda: col("n").n_tokens() > 1, r"`n_tokens\(n\)` asks for text"),
        (lambda: col("t").token_overlap(col("n")) > 1, "asks for text, but n is a whole number"),
        (lambda: col("n").lower() == "a", "asks for text"),
        (lambda: col("t").has_token("..."), r"'...' has no word to look for"),
        (lambda: col("t").has_token(["a"]), "a list goes to has_any"),
        (lambda: col("t").has_any("abc"), "takes a list of texts; got the text 'abc'"),
        (lambda: col("t").has_any([]), "the list is empty"),
        (lambda: col("t").has_any([None]), "A word to look for is a text; got None"),
    ],
)
def test_what_cannot_be_asked_is_told_with_the_line(make, message):
    with pytest.raises(LFError, match=message) as error:
        applied(make)
    assert "test_tokens.py:" in str(error.value)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (col("t").has_token("New  SHOES!"), "t has 'new shoes'"),
        (col("t").has_any(["a", "B"]), "t has any of ['a', 'b']"),
        (col("t").n_tokens() > 3, "n_tokens(t) > 3"),
        (col("q").token_overlap(col("t")) == 1, "overlap(q, t) == 1"),
        (col("t").lower() == "a", "lower(t) == 'a'"),
    ],
)
def test_it_prints_as_a_person_would_say_it(value, text):
    assert str(value) == text
