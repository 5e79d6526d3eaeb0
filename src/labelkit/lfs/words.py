"""Questions about the words of a text, as methods of a value."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, cast

from labelkit.errors import LFError

if TYPE_CHECKING:
    from labelkit.lfs.expression import Value
    from labelkit.lfs.logic import Condition


class OfText:
    """``col("title").has_token("new")`` and its kin; ``tokens`` has the rule of what a word is."""

    def lower(self) -> Value:
        """The text in lower case, by Unicode's full mapping."""
        from labelkit.lfs.tokens import Lower

        return Lower(_value(self))

    def n_tokens(self) -> Value:
        """Number of words in a text."""
        from labelkit.lfs.tokens import Count

        return Count(_value(self))

    def has_token(self, token: str) -> Condition:
        """A text with this word, or words in this order, in whatever case.

        Words are runs of letters, marks and digits of any script; characters of scripts that write
        without spaces (Han, Kana, Thai, Lao, Khmer) are words of their own. So ``"run"`` is not
        found in ``"Running"``, and ``"東京"`` is found in ``"東京タワー"``.

        Examples
        --------
        >>> from labelkit import col
        >>> print(col("title").has_token("Running shoes"))
        title has 'running shoes'
        """
        if not isinstance(token, str):
            raise LFError(f"has_token takes a text; got {token!r}: a list goes to has_any([…]).")
        return self.has_any([token])

    def has_any(self, phrases: Iterable[str]) -> Condition:
        """A text with one of these words or phrases: a gazetteer.

        Parameters
        ----------
        phrases : texts, such as a column of a table of brands; all are looked for in one pass, so
            many thousand cost about what one does
        """
        from labelkit.lfs.tokens import Has, Phrases

        if isinstance(phrases, str):
            raise LFError(f"has_any takes a list of texts; got the text {phrases!r}.")
        return Has(_value(self), Phrases(phrases))

    def token_overlap(self, other: Value) -> Value:
        """Share of this text's distinct words that occur in another text, 0 … 1.

        Unknown where either is missing, or this one has no word. Not symmetric: of the words of
        the query ask how many the title has.
        """
        from labelkit.lfs.expression import as_value
        from labelkit.lfs.tokens import Overlap

        return Overlap(_value(self), as_value(other))


def _value(self: OfText) -> Value:
    return cast("Value", self)
