"""The answer sheet: a CSV that a person fills in with any spreadsheet program.

A spreadsheet program calculates what begins like a formula, and a formula can call out. Such texts
get an apostrophe in front, and lose it again when the sheet is read: ``harmless``, ``restored``.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from labelkit.errors import PlatformError
from labelkit.files import write_text
from labelkit.rounds.platform import HumanAnswer, ProjectSpec, TaskSpec

_KEY, _LABEL, _ANNOTATOR = "key", "label", "annotator"

SKIP = "(skip)"
"""What stands for the label where somebody could not answer."""

# What begins a formula somewhere, the wide forms of East Asian keyboards included. It may stand at
# the beginning of a cell, or of what a program that splits at another delimiter takes for one: it
# then takes our quotes for text as well.
_FORMULA = r"'*[=+\-@＝＋－＠]"
_TO_QUOTE = re.compile(rf"^(?={_FORMULA}|'*[\t\r\n])|(?<=[;,\t\r\n\"])(?={_FORMULA})")
_QUOTED = re.compile(rf"^'(?={_FORMULA}|'*[\t\r\n])|(?<=[;,\t\r\n\"])'(?={_FORMULA})")

# No spreadsheet program takes more in a cell.
_LONGEST = 32_000


def extend(path: Path, spec: ProjectSpec, tasks: Sequence[TaskSpec]) -> None:
    """Add rows for ``tasks`` that the sheet lacks; what is filled in stays as it is."""
    there = path.read_bytes().decode("utf-8-sig") if path.exists() else ""
    known = {row[_KEY] for row in _rows(path)} if there else set()
    text = io.StringIO()
    captions = {field.name: _column(field.caption) for field in spec.fields}
    columns = [_KEY, _LABEL, _ANNOTATOR, *captions.values()]
    delimiter = ","
    if there:
        delimiter = _delimiter(there)
        columns = next(csv.reader(io.StringIO(there), delimiter=delimiter))
        there = there if there.endswith("\n") else there + "\n"
    writer = csv.DictWriter(
        text,
        columns,
        restval="",
        extrasaction="ignore",
        delimiter=delimiter,
        lineterminator="\n",
        # A lone carriage return in a text would end the row.
        quoting=csv.QUOTE_ALL,
    )
    if not there:
        writer.writeheader()
    for task in tasks:
        if task.key not in known:
            shown = {captions[name]: _shown(value) for name, value in task.data.items()}
            writer.writerow({_KEY: harmless(task.key), **shown})
    write_text(path, there + text.getvalue())


def read(path: Path) -> Iterator[tuple[str, HumanAnswer | None]]:
    """Task key and answer of each row; None where no label is filled in."""
    for row in _rows(path):
        label, who = (restored((row.get(name) or "").strip()) for name in (_LABEL, _ANNOTATOR))
        if not label:
            yield row[_KEY], None
            continue
        who = who or path.stem.removeprefix("annotations").strip("-_. ") or "unknown"
        identity = f"{path.name}/{who}"
        if label == SKIP:
            yield row[_KEY], HumanAnswer(identity, who, None, "skipped")
        else:
            yield row[_KEY], HumanAnswer(identity, who, label, "answered")


def harmless(text: str) -> str:
    """Text that a spreadsheet program shows instead of calculating.

    >>> harmless("=1+1"), harmless("x;-1"), harmless("'tis"), harmless("a-b")
    ("'=1+1", "x;'-1", "'tis", 'a-b')
    """
    return _TO_QUOTE.sub("'", text)


def restored(text: str) -> str:
    """What ``harmless`` was given.

    >>> restored(harmless("'=1+1")), restored("=1+1")
    ("'=1+1", '=1+1')
    """
    return _QUOTED.sub("", text)


def _rows(path: Path) -> Iterator[dict[str, str]]:
    text = path.read_bytes().decode("utf-8-sig", errors="replace")
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=_delimiter(text))
    missing = {_KEY, _LABEL} - set(reader.fieldnames or ())
    if missing:
        raise PlatformError(
            f"{path} has no column {sorted(missing)[0]!r}: an answer sheet has the columns key, "
            "label and annotator."
        )
    try:
        for row in reader:
            if row[_KEY]:
                yield {**row, _KEY: restored(row[_KEY])}
    except csv.Error as error:
        raise PlatformError(f"{path} cannot be read as CSV: {error}.") from None


def _delimiter(text: str) -> str:
    # Spreadsheet programs in half of the world write semicolons.
    return max(",;\t", key=text.partition("\n")[0].count)


def _column(caption: str) -> str:
    return f"{caption} (shown)" if caption in (_KEY, _LABEL, _ANNOTATOR) else caption


def _shown(text: str) -> str:
    return harmless(text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…")
