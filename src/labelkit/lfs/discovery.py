"""Finding the labeling functions of a project directory by module path."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import os
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import ModuleType

from labelkit.errors import LFError
from labelkit.lfs.batches import BatchFunction
from labelkit.lfs.function import AnyLF, LabelingFunction, RowFunction, as_lf, is_snorkel_lf


def load_lfs(modules: Sequence[str], root: Path | str) -> list[AnyLF]:
    """The labeling functions of a project's modules, in order of module, then of definition.

    Parameters
    ----------
    modules : module paths from the project directory: ``"labeling_functions.search"`` is the file
        ``labeling_functions/search.py``, and ``"labeling_functions"`` all files of that folder in
        alphabetical order
    root : the project directory

    Notes
    -----
    While a module loads, the project directory and the module's own folder come first in the
    import path, so that it may say ``from labels import RELEVANT``. Afterwards ``sys.path`` and
    ``sys.modules`` are as they were, so two projects with modules of one name do not meet, and an
    edited file is read anew. What a module imports is not counted as its own.

    Raises
    ------
    LFError
        A module is missing, does not load (with file and line), or has no LF; two LFs share a name.
    """
    base = Path(root).resolve()
    if not modules:
        raise LFError("No module with labeling functions is named.")
    found: list[AnyLF] = []
    for files in [_files_of(module, base) for module in modules]:
        lfs = [lf for name, path in files for lf in _lfs_of(_load(name, path, base), path, base)]
        if not lfs:
            where = ", ".join(_shown(path, base) for _, path in files)
            raise LFError(
                f"{where} defines no labeling function: put @labeling_function above a function "
                "that returns vote(LABEL, where=…)."
            )
        found += lfs
    by_name: dict[str, AnyLF] = {}
    for lf in found:
        first = by_name.setdefault(lf.name, lf)
        if first is not lf:
            raise LFError(
                f"Two labeling functions have one name: {lf.name!r} "
                f"({first.where_defined} and {lf.where_defined})."
            )
    return found


def _files_of(module: str, base: Path) -> list[tuple[str, Path]]:
    """The files behind a module path, each with its own module path."""
    parts = module.split(".")
    if not all(part.isidentifier() for part in parts):
        raise LFError(
            f"{module!r} is not a module path: write labeling_functions.search for the file "
            "labeling_functions/search.py."
        )
    stem = base.joinpath(*parts)
    if stem.with_suffix(".py").is_file():
        return [(module, stem.with_suffix(".py"))]
    files = sorted(stem.glob("*.py"))
    if files:
        return [(f"{module}.{p.stem}" if p.stem != "__init__" else module, p) for p in files]
    there = sorted(path.stem for path in stem.parent.glob("*.py") if path.stem != "__init__")
    hint = f"; {stem.parent.name}/ holds {', '.join(there)}" if there else ""
    wanted = _shown(stem.with_suffix(".py"), base)
    raise LFError(f"Module {module!r}: the project directory has no {wanted}{hint}.")


def _load(module: str, path: Path, base: Path) -> ModuleType:
    """Run the file under a name that no other module has."""
    with _only_this_project(base, path.parent):
        spec = importlib.util.spec_from_file_location(module, path)
        if spec is None or spec.loader is None:
            raise LFError(f"{_shown(path, base)} cannot be loaded as Python.")
        loaded = importlib.util.module_from_spec(spec)
        sys.modules[module] = loaded
        try:
            spec.loader.exec_module(loaded)
        except SyntaxError as error:
            raise LFError(
                f"{_shown(Path(error.filename or path), base)}:{error.lineno}: {error.msg}: "
                f"{(error.text or '').strip()}"
            ) from error
        except Exception as error:
            raise LFError(
                f"{_shown(path, base)}{_line(error, base)} does not load: "
                f"{type(error).__name__}: {error}"
            ) from error
        return loaded


@contextmanager
def _only_this_project(base: Path, folder: Path) -> Iterator[None]:
    """Import from this project first, and leave the interpreter as it was."""
    path_before, bytecode_before = list(sys.path), sys.dont_write_bytecode
    local = _local_names(base, folder)
    # A module of another project (or an older text of this one) must not answer for this one's.
    aside = {name: sys.modules.pop(name) for name in _loaded(local)}
    sys.path[:0] = [str(folder), str(base)]
    # Bytecode of a file that is edited twice in a second would hide the second edit.
    sys.dont_write_bytecode = True
    importlib.invalidate_caches()
    try:
        yield
    finally:
        sys.path[:] = path_before
        sys.dont_write_bytecode = bytecode_before
        for name in _loaded(local):
            del sys.modules[name]
        sys.modules.update(aside)


def _local_names(base: Path, folder: Path) -> set[str]:
    """Top-level names that this project's own files and folders answer to."""
    names = set()
    for directory in (base, folder):
        for path in directory.iterdir():
            if path.suffix == ".py" or (path.is_dir() and any(path.glob("*.py"))):
                names.add(path.stem)
    return names - {"labelkit"} - set(sys.stdlib_module_names)


def _loaded(names: set[str]) -> list[str]:
    return [module for module in sys.modules if module.partition(".")[0] in names]


def _lfs_of(module: ModuleType, path: Path, base: Path) -> Iterator[AnyLF]:
    imported = {
        alias.asname or alias.name
        for node in ast.parse(path.read_bytes()).body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    for name, thing in vars(module).items():
        ours = isinstance(thing, LabelingFunction | RowFunction | BatchFunction)
        if name not in imported and (ours or is_snorkel_lf(thing)):
            if isinstance(thing, BatchFunction) and not thing.name:
                thing = thing.named(name)
            lf = as_lf(thing)
            yield replace(lf, where_defined=lf.where_defined.removeprefix(f"{base}{os.sep}"))


def _line(error: Exception, base: Path) -> str:
    """The last line of the project's own code in a traceback."""
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if Path(frame.filename).is_relative_to(base)
    ]
    return f":{frames[-1].lineno}" if frames else ""


def _shown(path: Path, base: Path) -> str:
    return str(path.relative_to(base)) if path.is_relative_to(base) else str(path)
