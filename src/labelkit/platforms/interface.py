"""How people see an example: pictures, links, two sides, a box for remarks, worked examples.

What of an item becomes an address that a browser opens is decided here, and nowhere else.
"""

from __future__ import annotations

import html
import ipaddress
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal
from urllib.parse import urlsplit

from labelkit.errors import PlatformError
from labelkit.rounds.platform import DisplayField, ProjectSpec, TaskSpec

FieldKind = Literal["text", "image", "link"]

_LONGEST_URL = 2000


@dataclass(frozen=True)
class WorkedExample:
    """An example whose answer is known, shown with the instructions.

    Parameters
    ----------
    shown : what is seen, by caption
    label : the name of the right label
    because : the reason, in a sentence
    """

    shown: Mapping[str, str]
    label: str
    because: str = ""


@dataclass(frozen=True)
class Interface:
    """What the batch does not say about how its examples are shown.

    Parameters
    ----------
    images, links : columns that hold addresses. Only ``http(s)`` addresses without a password are
        opened; anything else stands there as text
    pair : what the names of the columns begin with that stand on the left and on the right, for a
        question like "which of the two is better?"; the labels are then "left", "right" or the like
    comments : show a box for remarks; they are kept with the answer
    hosts : open addresses of these hosts and what is below them alone; by default those of every
        host outside the annotator's own machine and network
    examples : shown with the instructions
    """

    images: tuple[str, ...] = ()
    links: tuple[str, ...] = ()
    pair: tuple[str, str] | None = None
    comments: bool = False
    hosts: tuple[str, ...] = ()
    examples: tuple[WorkedExample, ...] = field(default=())

    def __post_init__(self) -> None:
        both = [name for name in self.images if name in self.links]
        if both:
            raise PlatformError(f"Column {both[0]!r} cannot be an image and a link at once.")
        if self.pair is not None and (
            len(self.pair) != 2
            or not all(self.pair)
            or self.pair[0].startswith(self.pair[1])
            or self.pair[1].startswith(self.pair[0])
        ):
            raise PlatformError(
                f"pair takes two different beginnings of column names, such as ('left_', "
                f"'right_'); got {self.pair!r}."
            )

    def kind(self, shown: DisplayField) -> FieldKind:
        if shown.caption in self.images:
            return "image"
        return "link" if shown.caption in self.links else "text"

    def side(self, shown: DisplayField) -> int | None:
        """0 for the left side, 1 for the right one, None for what belongs to both."""
        for number, beginning in enumerate(self.pair or ()):
            if shown.caption.startswith(beginning):
                return number
        return None

    def checked(self, spec: ProjectSpec) -> None:
        """Refuse an interface that does not fit what a round shows.

        Raises
        ------
        PlatformError
            A named column is not shown, one side of a pair is empty, or a worked example has a
            label that the round does not offer.
        """
        captions = [shown.caption for shown in spec.fields]
        unknown = [name for name in (*self.images, *self.links) if name not in captions]
        if unknown:
            raise PlatformError(
                f"Column {unknown[0]!r} is to be shown as an image or link, but the round shows "
                f"only {', '.join(captions)}."
            )
        for number, beginning in enumerate(self.pair or ()):
            if not any(self.side(shown) == number for shown in spec.fields):
                raise PlatformError(
                    f"No shown column begins with {beginning!r}, so one side of the pair is empty "
                    f"(the round shows {', '.join(captions)})."
                )
        for example in self.examples:
            if example.label not in spec.label_names:
                raise PlatformError(
                    f"A worked example has the label {example.label!r}; the round offers "
                    f"{', '.join(spec.label_names)}."
                )

    def guidelines(self, instructions: str | None) -> str | None:
        """Instructions and worked examples as HTML in which all that was given is text."""
        parts = [_paragraphs(instructions)] if instructions else []
        for example in self.examples:
            rows = "".join(
                f"<div><i>{html.escape(caption)}</i>: {html.escape(text)}</div>"
                for caption, text in example.shown.items()
            )
            because = f" — {html.escape(example.because)}" if example.because else ""
            parts.append(f"<hr>{rows}<div>→ <b>{html.escape(example.label)}</b>{because}</div>")
        return "\n".join(parts) or None

    def task_data(self, spec: ProjectSpec, task: TaskSpec) -> Mapping[str, str]:
        """What a task must hold beside its texts: HTML of ours for images and links.

        It is one picture or link, or one span with the text where the address is not safe to open.
        """
        drawn = {"image": _picture, "link": _anchor}
        made = {
            made_name(spec, shown): drawn[kind](task.data[shown.name], self.hosts)
            for shown in spec.fields
            if (kind := self.kind(shown)) != "text"
        }
        return MappingProxyType(made)


def made_name(spec: ProjectSpec, shown: DisplayField) -> str:
    """Where the HTML of an image or link stands in a task's data; no field has that name."""
    name, taken = f"{shown.name}_html", {other.name for other in spec.fields}
    while name in taken:
        name += "_"
    return name


def safe_url(text: str, hosts: Collection[str] = ()) -> str | None:
    """``text`` if a browser may open it, else None.

    Absolute ``http`` and ``https`` addresses with a host and without user name or password, of
    printable ASCII without spaces, quotes, brackets of markup or backslashes. Addresses of the
    annotator's own machine and network are refused unless ``hosts`` names them: an item must not
    make a browser call them.

    >>> safe_url("https://example.com/a.png"), safe_url("javascript:alert(1)")
    ('https://example.com/a.png', None)
    """
    if len(text) > _LONGEST_URL or not text.isascii() or not text.isprintable():
        return None
    if any(mark in text for mark in " \"'<>\\`{}|^$"):
        return None
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return None
    if parts.scheme not in ("http", "https") or not host or "@" in parts.netloc:
        return None
    name = host.rstrip(".").lower()
    if hosts:
        below = any(name == host or name.endswith(f".{host}") for host in hosts)
        return text if below else None
    return None if _is_local(name) else text


def _is_local(name: str) -> bool:
    if name == "localhost" or name.endswith((".localhost", ".local", ".internal")):
        return True
    try:
        return not ipaddress.ip_address(name).is_global
    except ValueError:
        # Browsers read 127.1, 2130706433 and 0x7f.1 as addresses too: a name ends in a letter.
        return not any(letter.isalpha() for letter in name.rpartition(".")[2]) or "0x" in name


def _anchor(text: str, hosts: Collection[str]) -> str:
    url, said = safe_url(text, hosts), html.escape(text)
    return f"<span>{said}</span>" if url is None else _linked(url, said)


def _picture(text: str, hosts: Collection[str]) -> str:
    """A picture that leads to itself in full size; its address, if it is not safe to open."""
    url, said = safe_url(text, hosts), html.escape(text)
    if url is None:
        return f"<span>{said}</span>"
    # Of a fixed height: Label Studio measures the page before the picture is there.
    style = "height: 16rem; max-width: 100%; object-fit: contain; object-position: left"
    return _linked(
        url,
        f'<img src="{html.escape(url)}" alt="{said}" referrerpolicy="no-referrer" style="{style}">',
    )


def _linked(url: str, inner: str) -> str:
    return (
        f'<a href="{html.escape(url)}" target="_blank" rel="noopener noreferrer nofollow" '
        f'referrerpolicy="no-referrer">{inner}</a>'
    )


def _paragraphs(text: str) -> str:
    return html.escape(text).replace("\n", "<br>")
