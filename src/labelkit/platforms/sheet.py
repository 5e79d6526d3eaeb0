"""The answer sheet: a CSV that a person fills in with any spreadsheet program."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from pathlib import Path

from labelkit.errors import PlatformError
from labelkit.files import write_text
from labelkit.rounds.platform import HumanAnswer, ProjectSpec, TaskSpec

_KEY, _LABEL, _ANNOTATOR = "key", "label", "annotator"


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
        text, columns, restval="", extrasaction="ignore", delimiter=delimiter, lineterminator="\n"
    )
    if not there:
        writer.writeheader()
    for task in tasks:
        if task.key not in known:
            shown = {captions[name]: _harmless(value) for name, value in task.data.items()}
            writer.writerow({_KEY: task.key, **shown})
    write_text(path, there + text.getvalue())


def read(path: Path) -> Iterator[tuple[str, HumanAnswer | None]]:
    """Task key and answer of each row; None where no label is filled in."""
    for row in _rows(path):
        label, who = (row.get(_LABEL) or "").strip(), (row.get(_ANNOTATOR) or "").strip()
        if not label:
            yield row[_KEY], None
            continue
        who = who or path.stem.removeprefix("annotations").strip("-_. ") or "unknown"
        identity = f"{path.name}/{who}"
        yield row[_KEY], HumanAnswer(identity, who, label, "answered")


def _rows(path: Path) -> Iterator[dict[str, str]]:
    text = path.read_bytes().decode("utf-8-sig", errors="replace")
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=_delimiter(text))
    missing = {_KEY, _LABEL} - set(reader.fieldnames or ())
    if missing:
        raise PlatformError(
            f"{path} has no column {sorted(missing)[0]!r}: an answer sheet has the columns key, "
            "label and annotator."
        )
    for row in reader:
        if row[_KEY]:
            yield row


def _delimiter(text: str) -> str:
    # Spreadsheet programs in half of the world write semicolons.
    return max(",;\t", key=text.partition("\n")[0].count)


def _column(caption: str) -> str:
    return f"{caption} (shown)" if caption in (_KEY, _LABEL, _ANNOTATOR) else caption


def _harmless(text: str) -> str:
    """Text that a spreadsheet program shows instead of calculating."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text
