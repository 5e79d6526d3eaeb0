"""A TOML table into a frozen dataclass, or an error that names the file, the line and the cure."""

from __future__ import annotations

import re
import types
import typing
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from difflib import get_close_matches
from pathlib import Path
from typing import Literal, TypeVar

from labelkit.errors import ProjectError

T = TypeVar("T")

_HEADER = re.compile(r"^\s*\[+\s*([^\]]+?)\s*\]+")


@dataclass(frozen=True)
class Source:
    """The text that a table was parsed from, so that an error can say where it is wrong."""

    path: Path
    text: str

    def place(self, section: str, key: str) -> str:
        """``labelkit.toml, line 12``; without a line where the key cannot be found in the text.

        A section itself is the key of that name in the section ``""``.
        """
        line = self._line(section, key)
        return self.path.name if line is None else f"{self.path.name}, line {line}"

    def _line(self, section: str, key: str) -> int | None:
        current, wanted = "", f"{section}.{key}" if section else key
        key_line = re.compile(rf"""^\s*["']?{re.escape(key)}["']?\s*=""")
        for number, text in enumerate(self.text.splitlines(), start=1):
            if header := _HEADER.match(text):
                current = header[1].replace('"', "")
                if current == wanted or current.startswith(f"{wanted}."):
                    return number
            elif current == section and key_line.match(text):
                return number
        return None


def read_table(cls: type[T], table: object, source: Source, section: str) -> T:
    """The TOML table ``[section]`` as an instance of the dataclass ``cls``.

    Field types understood: ``str``, ``int``, ``float``, ``bool``, ``Literal[...]``,
    ``tuple[X, ...]`` from a list, ``Mapping[str, str]`` from a table, and ``X | None``.

    Raises
    ------
    ProjectError
        An unknown key (with the nearest known one), a value of the wrong type, or a required
        key that is missing; each with the file and line.
    """
    if not isinstance(table, Mapping):
        raise ProjectError(f"{source.place('', section)}: [{section}] must be a table of settings.")
    hints = typing.get_type_hints(cls)
    known = [field.name for field in fields(cls)]  # type: ignore[arg-type]
    for key in table:
        refuse_unknown(key, known, source, section)
    missing = [
        field.name
        for field in fields(cls)  # type: ignore[arg-type]
        if field.name not in table and field.default is MISSING and field.default_factory is MISSING
    ]
    if missing:
        raise ProjectError(
            f"{source.place('', section)}: [{section}] lacks {', '.join(map(repr, missing))}."
        )
    values = {
        key: _convert(value, hints[key], source, section, key) for key, value in table.items()
    }
    try:
        return cls(**values)
    except ProjectError as error:
        raise ProjectError(f"{source.place('', section)}: {error}") from None


def refuse_unknown(key: str, known: list[str], source: Source, section: str) -> None:
    """Raise for a key that nobody reads: a typo that is ignored is a setting that is not set."""
    if key in known:
        return
    near = get_close_matches(key, known, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    where = f"setting {key!r} in [{section}]" if section else f"section [{key}]"
    raise ProjectError(
        f"{source.place(section, key)}: unknown {where}.{hint} Known: {', '.join(known)}."
    )


def _convert(value: object, hint: object, source: Source, section: str, key: str) -> object:
    try:
        return _value(value, hint)
    except ValueError as error:
        raise ProjectError(
            f"{source.place(section, key)}: [{section}] {key} must be {error}, not {value!r}."
        ) from None


def _value(value: object, hint: object) -> object:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        (inner,) = (a for a in arguments if a is not type(None))
        return _value(value, inner)
    if origin is Literal:
        if value not in arguments:
            raise ValueError("one of " + ", ".join(repr(a) for a in arguments))
        return value
    if origin is tuple:
        if not isinstance(value, list):
            raise ValueError("a list")
        return tuple(_value(element, arguments[0]) for element in value)
    if origin is not None and issubclass(typing.cast(type, origin), Mapping):
        if not isinstance(value, Mapping) or not all(isinstance(v, str) for v in value.values()):
            raise ValueError("a table of strings")
        return types.MappingProxyType({str(k): str(v) for k, v in value.items()})
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    expected = typing.cast(type, hint)
    # In Python True is a whole number; in a settings file it is a mistake.
    if not isinstance(value, expected) or (isinstance(value, bool) and expected is not bool):
        words = {str: "a string", int: "a whole number", float: "a number", bool: "true or false"}
        raise ValueError(words[expected])
    return value
