"""A prompt with places for an example's texts, which stay data whatever they say."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from string import Formatter

from labelkit.errors import LFError

# As in XML: without "<" no text can end the tag that it stands in, and "&" keeps this reversible.
_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})


@dataclass(frozen=True)
class Template:
    """Text in which ``{column}`` is replaced, once, by the column's text between tags.

    Parameters
    ----------
    parts : literal text and column name in turn; the name is None after the last text
    """

    text: str
    parts: tuple[tuple[str, str | None], ...]

    @classmethod
    def parse(cls, text: str, columns: Sequence[str]) -> Template:
        """The template, if its places are exactly these columns.

        Raises
        ------
        LFError
            A place is no column, a column has no place, or a place does more than name a column.
        """
        try:
            pieces = list(Formatter().parse(text))
        except ValueError as error:
            raise LFError(
                f"The template cannot be read: {error}. A brace that stands for itself is doubled."
            ) from None
        parts: list[tuple[str, str | None]] = []
        for literal, name, form, conversion in pieces:
            if name is not None and (name not in columns or form or conversion):
                shown = (
                    name + (f"!{conversion}" if conversion else "") + (f":{form}" if form else "")
                )
                raise LFError(
                    f"The template has the place {{{shown}}}, and its columns are "
                    f"{', '.join(columns)}: a place is the name of a column and nothing more."
                )
            parts.append((literal, name))
        unused = sorted(set(columns) - {name for _, name in parts})
        if unused or not columns:
            raise LFError(
                f"The template has no place for {', '.join(unused) or 'any column'}: write "
                f"{{{unused[0] if unused else 'title'}}} where its text goes."
            )
        return cls(text, tuple(parts))

    def render(self, texts: Mapping[str, str]) -> str:
        """The prompt for one example; what looks like a place or a tag in a text stays text."""
        written = []
        for literal, name in self.parts:
            written.append(literal)
            if name is not None:
                tag = tag_of(name)
                written.append(f"<{tag}>{texts[name].translate(_ESCAPES)}</{tag}>")
        return "".join(written)


def tag_of(column: str) -> str:
    """The tag around the texts of a column."""
    return re.sub(r"[^\w-]", "_", column)
