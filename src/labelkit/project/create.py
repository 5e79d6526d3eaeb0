"""``labelkit init``: a project directory that works, from the log's own column names."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from string import Template

from labelkit.errors import LogError, ProjectError
from labelkit.evidence.units import EXAMPLE, checked_unit
from labelkit.project.config import FILE_NAME
from labelkit.project.units import as_toml

_HERE = Path(__file__).resolve().parent
LF_FOLDER = "labeling_functions"

# What logs call these columns, most telling first. A guess is written into labelkit.toml, where
# the user sees it; nothing is guessed when a log is read.
SYNONYMS: Mapping[str, tuple[str, ...]] = {
    "query": ("query_id", "qid", "query_text", "search_query", "search_term", "user_query"),
    "item": ("item_id", "doc_id", "docid", "document_id", "product_id", "sku", "url", "doc"),
    "position": ("rank", "pos", "slot", "rank_position", "ranking_position"),
    "clicked": ("click", "is_click", "is_clicked", "clicks"),
    "page": ("page_id", "serp_id", "request_id", "impression_id"),
    "session": ("session_id", "sid", "visit_id"),
    "user": ("user_id", "uid", "visitor_id", "customer_id"),
    "timestamp": ("time", "ts", "datetime", "event_time", "date_time"),
    "dwell": ("dwell_time", "dwell_s", "dwell_seconds", "time_on_page"),
    "conversion": ("converted", "purchase", "purchased", "bought", "is_conversion"),
    "device": ("device_type", "platform"),
    "layout": ("page_layout",),
    "ranker": ("policy", "ranker_id", "system", "experiment"),
    "randomised": ("randomized", "is_random", "random", "explore"),
    "propensity": ("propensity_score", "pscore", "logged_propensity"),
}


def template_functions() -> Path:
    """The folder of worked labeling functions that a new project starts from.

    An installed wheel carries it beside this file; in a checkout it is the folder at the top.
    """
    for folder in (_HERE / "template" / LF_FOLDER, _HERE.parents[2] / LF_FOLDER):
        if folder.is_dir():
            return folder
    raise ProjectError("The worked labeling functions are missing from this installation.")


def guess_columns(names: Iterable[str]) -> dict[str, str]:
    """labelkit's column name → the log's, for names that are known to mean the same.

    Examples
    --------
    >>> guess_columns(["query", "doc_id", "Rank", "click"])
    {'item': 'doc_id', 'position': 'Rank', 'clicked': 'click'}
    """
    present = {name.lower(): name for name in reversed(list(names))}
    guessed = {}
    for canonical, synonyms in SYNONYMS.items():
        for candidate in (canonical, *synonyms):
            if candidate in present:
                if present[candidate] != canonical:
                    guessed[canonical] = present[candidate]
                break
    return guessed


def log_columns(paths: Sequence[str], directory: Path) -> list[str]:
    """Column names of the log, from the schema of its files; empty if it is not there yet."""
    from labelkit.logs.sources import find_files, scan_files

    existing = [path for path in resolve(paths, directory) if _matches(path)]
    if not existing:
        return []
    return list(scan_files(find_files(existing), "polars").collect_schema())


def log_is_there(paths: Sequence[str], directory: Path) -> bool:
    """Whether any file of the log exists."""
    return any(_matches(path) for path in resolve(paths, directory))


def resolve(paths: Sequence[str], directory: Path) -> list[str]:
    """Log paths relative to ``directory``, whose own name is taken literally, never as a glob."""
    import glob

    found = []
    for path in paths:
        literal = directory / Path(path).expanduser()
        escaped = str(Path(glob.escape(str(directory))) / Path(path).expanduser())
        found.append(str(literal) if literal.exists() else escaped)
    return found


def seen_from(path: str, directory: Path) -> str:
    """A log path as ``labelkit.toml`` in ``directory`` must name it.

    People name files from where they stand; settings name them from where they are kept. A
    relative path that leads to files from here, and to none from ``directory``, is turned round.
    """
    (there,) = resolve([path], directory)
    if Path(path).expanduser().is_absolute() or _matches(there) or not _matches(path):
        return path
    return Path(os.path.relpath(path, directory)).as_posix()


def _matches(path: str) -> bool:
    import glob

    return Path(path).exists() or bool(glob.glob(path, recursive=True))


def create(
    directory: Path,
    *,
    log: Sequence[str] = ("logs/*.parquet",),
    columns: Mapping[str, str] | None = None,
    unit: Sequence[str] = EXAMPLE,
) -> Path:
    """Write ``labelkit.toml`` and ``labeling_functions/`` into ``directory``.

    Parameters
    ----------
    log : files, folders or globs, as seen from here or from ``directory``
    columns : labelkit's column name → the log's own; None guesses them from the log's schema
    unit : what gets a label, as in ``labelkit.evidence``. The worked functions that compare items
        of one query compare those of one value of a pair's first key; of units without pairs they
        find nothing to compare, and a run leaves them out

    Returns
    -------
    The path of the new ``labelkit.toml``.

    Raises
    ------
    ProjectError
        The directory already is a project: nothing of a user's is ever overwritten. Or there is
        no such unit.
    """
    try:
        unit = checked_unit(unit)
    except LogError as error:
        raise ProjectError(str(error)) from None
    config = directory / FILE_NAME
    if config.exists():
        raise ProjectError(f"'{config.name}' is already there; edit it, or choose a new directory.")
    directory.mkdir(parents=True, exist_ok=True)
    log = [seen_from(path, directory) for path in log]
    if columns is None:
        columns = guess_columns(log_columns(log, directory))
    lines = [f"{name} = {_toml(source)}" for name, source in columns.items()]
    text = Template((_HERE / "template" / FILE_NAME).read_text(encoding="utf-8")).substitute(
        paths=_toml(list(log)),
        unit=as_toml(unit),
        columns="\n".join(lines) or '# query = "query_id"\n# item = "doc_id"',
    )
    functions = directory / LF_FOLDER
    if not functions.exists():
        shutil.copytree(
            template_functions(), functions, ignore=shutil.ignore_patterns("__pycache__", "*.pyc")
        )
        if len(unit) == 2 and "query" not in unit:
            _compare_within(unit[0], functions)
    config.write_text(text, encoding="utf-8")
    return config


def _compare_within(key: str, functions: Path) -> None:
    """Let worked functions compare what one user, session, … saw where no query is labeled."""
    for path in functions.glob("*.py"):
        text = path.read_text(encoding="utf-8")
        path.write_text(text.replace('over="query"', f'over="{key}"'), encoding="utf-8")


def _toml(value: object) -> str:
    # JSON strings and lists of strings are TOML as well.
    return json.dumps(value, ensure_ascii=False)
