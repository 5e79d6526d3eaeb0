"""Where a run comes from: hashes of what it read, its functions, its settings without secrets."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from labelkit.lfs import BatchFunction
from labelkit.project.config import Config
from labelkit.project.manifest import FileFact, LFFact, plain
from labelkit.project.runs import file_fact

if TYPE_CHECKING:
    from labelkit.lfs import AnyLF


def input_facts(log: Iterable[Path], config: Config, directory: Path) -> tuple[FileFact, ...]:
    """Sizes and hashes of the log's files and of the user's tables."""
    tables = [directory / table.path for table in config.tables.values()]
    there = [path for path in tables if path.is_file()]
    return tuple(file_fact(path, directory) for path in [*log, *there])


def lf_fact(lf: AnyLF) -> LFFact:
    """What the manifest keeps of a labeling function."""
    return LFFact(
        name=lf.name,
        doc=" ".join(lf.doc.split()),
        rule=lf.rule,
        where=lf.where_defined,
        source_sha256=hashlib.sha256(lf.source.encode("utf-8")).hexdigest(),
        source=lf.source,
        version=lf.version if isinstance(lf, BatchFunction) else "",
        told=dict(lf.tell()) if isinstance(lf, BatchFunction) else {},
    )


def settings(config: Config) -> dict[str, object]:
    """The settings without passwords that stand in URLs (``postgresql://user:secret@host``)."""
    text = re.sub(r"(://[^/:@\"]*):[^/@\"]*@", r"\1:***@", json.dumps(plain(config)))
    hidden: dict[str, object] = json.loads(text)
    return hidden
