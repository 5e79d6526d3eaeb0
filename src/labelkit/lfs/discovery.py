"""Finding the labeling functions of a project directory by module path."""

from __future__ import annotations

import builtins
import importlib
import importlib.util
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

from labelkit.errors import LFError
from labelkit.lfs.function import AnyLF, LabelingFunction, RowFunction, as_lf, is_snorkel_lf


def load_lfs(modules: Sequence[str], root: Path | str) -> list[AnyLF]:
    """The labeling functions of a project's modules, in order of module, then of definition.

    Parameters
    ----------
    modules : module paths from the project directory, such as ``"labeling_functions.search"``
    root : the project directory

    Notes
    -----
    While a module loads, the project directory and the module's own folder come first in the
    import path, so that it may say ``from labels import RELEVANT``. Afterwards ``sys.path`` and
    ``sys.modules`` are as they were, so two projects with modules of one name do not meet, and an
    edited file is read anew. An LF counts where it is defined, not where it is imported.

    Raises
    ------
    LFError
        A module is missing, does not load (with file and line), or has no LF; two LFs share a name.
    """
    base = Path(root).resolve()
    if not modules:
        raise LFError("No module with labeling functions is named.")
    found: list[AnyLF] = []
    places: dict[str, str] = {}
    for module, path in [(module, _file_of(module, base)) for module in modules]:
        loaded = _load(module, path, base)
        lfs = list(_lfs_of(loaded, path))
        if not lfs:
            raise LFError(
                f"{_shown(path, base)} defines no labeling function: put @labeling_function above "
                "a function that returns vote(LABEL, where=…)."
            )
        for lf in lfs:
            place = f"{_shown(path, base)}, {lf.at}"
            if lf.name in places:
                raise LFError(f"Two labeling functions have one name: {places[lf.name]}; {place}.")
            places[lf.name] = place
        found += lfs
    return found


def _file_of(module: str, base: Path) -> Path:
    parts = module.split(".")
    if not all(part.isidentifier() for part in parts):
        raise LFError(
            f"{module!r} is not a module path: write labeling_functions.search for the file "
            "labeling_functions/search.py."
        )
    stem = base.joinpath(*parts)
    for path in (stem.with_suffix(".py"), stem / "__init__.py"):
        if path.is_file():
            return path
    folder = stem.parent
    there = sorted(path.stem for path in folder.glob("*.py") if not path.stem.startswith("_"))
    hint = f"; {folder.name}/ holds {', '.join(there)}" if there else ""
    raise LFError(f"Module {module!r}: there is no {stem.with_suffix('.py')}{hint}.")


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
    path_before, modules_before = list(sys.path), dict(sys.modules)
    local = _local_names(base, folder)
    # A module of another project (or an older text of this one) must not answer for this one's.
    for name in list(sys.modules):
        if name.partition(".")[0] in local:
            del sys.modules[name]
    sys.path[:0] = [str(folder), str(base)]
    importlib.invalidate_caches()
    writes_bytecode, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        yield
    finally:
        sys.dont_write_bytecode = writes_bytecode
        sys.path[:] = path_before
        for name, module in list(sys.modules.items()):
            origin = getattr(getattr(module, "__spec__", None), "origin", None)
            if name not in modules_before and origin and Path(origin).is_relative_to(base):
                del sys.modules[name]
        for name, module in modules_before.items():
            sys.modules.setdefault(name, module)


def _local_names(base: Path, folder: Path) -> set[str]:
    names = set()
    for directory in {base, folder}:
        for path in directory.iterdir():
            if path.suffix == ".py" or (path.is_dir() and any(path.glob("*.py"))):
                names.add(path.stem)
    # The project may be the folder of labelkit itself or of an installed library.
    return names - {"labelkit"} - set(sys.stdlib_module_names) - set(dir(builtins))


def _lfs_of(module: ModuleType, path: Path) -> Iterator[AnyLF]:
    for thing in vars(module).values():
        if isinstance(thing, LabelingFunction | RowFunction) or is_snorkel_lf(thing):
            lf = as_lf(thing)
            if lf.where_defined.partition(":")[0] == path.name:
                yield lf


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
