"""What the votes of a Python function depend on, as one hash; or None where nobody can tell.

A row function is more than its text: constants of its module, functions that it calls, values that
it closes over, defaults, and the versions of packages that it uses. All of them are followed. When
something is met whose content cannot be told (an open connection, a generator) or that answers
otherwise from day to day (a clock, a file, the network, chance), there is no fingerprint, and the
votes are made anew. A wrong vote from a cache would cost more than any number of right ones saves.
"""

from __future__ import annotations

import builtins
import copyreg
import dis
import hashlib
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from types import (
    BuiltinFunctionType,
    CodeType,
    FunctionType,
    GetSetDescriptorType,
    MemberDescriptorType,
    MethodType,
    ModuleType,
    WrapperDescriptorType,
)
from typing import Any, cast

from labelkit.lfs.function import AnyLF, LabelingFunction, RowFunction

# Names that lead out of the function: whoever says one of them, even as an attribute, is not
# cached. Too long a list costs time, too short a one costs truth.
# fmt: off
_OUTWARD = frozenset({
    "open", "input", "eval", "exec", "compile", "__import__", "globals", "locals", "vars",
    "import_module", "random", "randint", "randrange", "choice", "shuffle", "uniform",
    "default_rng", "urandom", "uuid1", "uuid4", "secrets", "time", "time_ns", "perf_counter",
    "monotonic", "now", "today", "utcnow", "localtime", "gmtime", "environ", "getenv", "getcwd",
    "listdir", "scandir", "walk", "glob", "iglob", "exists", "is_file", "stat", "read",
    "read_text", "read_bytes", "readline", "readlines", "read_csv", "read_parquet", "read_json",
    "scan_csv", "scan_parquet", "load", "urlopen", "urlretrieve", "request", "requests", "httpx",
    "aiohttp", "socket", "subprocess", "popen", "system", "connect", "execute", "cursor",
})
# fmt: on
_PLAIN = (type(None), bool, int, float, complex, str, type(Ellipsis), type(NotImplemented))
# How C lays out slots and properties of a class: no content of its own.
_LAYOUT = (GetSetDescriptorType, MemberDescriptorType, WrapperDescriptorType)


class _Untold(Exception):
    """Something was met whose content cannot be told."""


def fingerprint(lf: AnyLF) -> str | None:
    """A hash of everything that decides the votes of ``lf`` beside the row; None if unknown.

    Two functions of one fingerprint vote alike. The reverse is not promised: a new docstring, or a
    change in a neighbour that does not matter, gives another one.
    """
    hashed = hashlib.sha256()
    if isinstance(lf, LabelingFunction):
        hashed.update(f"rule\0{lf.name}\0{lf.rule}".encode())
        return hashed.hexdigest()
    if not isinstance(lf, RowFunction):
        # A batch function names its own version: what its votes depend on beside the row.
        told = (lf.name, lf.version, lf.rule, lf.source, sorted(lf.columns), sorted(lf.labels))
        hashed.update(f"batch\0{told!r}".encode())
        return hashed.hexdigest()
    walk = _Walk(hashed)
    walk.text("python", sys.version, lf.name)
    try:
        walk.value(lf.function)
    except (_Untold, RecursionError):
        return None
    return hashed.hexdigest()


class _Walk:
    """Feeds values into a hash, each once: what was met before is told by when it was met."""

    def __init__(self, hashed: Any) -> None:
        self._hash = hashed
        self._met: dict[int, int] = {}
        # Ids are only unique among the living.
        self._alive: list[object] = []

    def text(self, *parts: str) -> None:
        for part in parts:
            raw = part.encode("utf-8", "surrogatepass")
            self._hash.update(f"{len(raw)}:".encode() + raw)

    def value(self, value: object) -> None:
        self.text(type(value).__module__, type(value).__qualname__)
        if isinstance(value, _PLAIN):
            self.text(repr(value))
            return
        if isinstance(value, bytes | bytearray):
            self.text(str(len(value)))
            self._hash.update(value)
            return
        if id(value) in self._met:
            self.text(f"met {self._met[id(value)]}")
            return
        self._met[id(value)] = len(self._met)
        self._alive.append(value)
        if isinstance(value, FunctionType):
            self._function(value)
        elif isinstance(value, MethodType):
            self.value(value.__func__)
            self.value(value.__self__)
        elif isinstance(value, ModuleType):
            self._module(value)
        elif isinstance(value, type):
            self._class(value)
        elif type(value) in (list, tuple):
            elements = cast("list[object]", value)
            self.text(str(len(elements)))
            for element in elements:
                self.value(element)
        elif type(value) is dict:
            table = cast("dict[object, object]", value)
            self.text(str(len(table)))
            for key, element in table.items():
                self.value(key)
                self.value(element)
        elif type(value) in (set, frozenset):
            # Sets have no order of their own, and texts in them another one in every process.
            self.text(*sorted(_alone(element) for element in cast("set[object]", value)))
        elif isinstance(value, BuiltinFunctionType):
            self._builtin(value)
        else:
            self._object(value)

    def _function(self, function: FunctionType) -> None:
        if not _of_a_user(function.__code__.co_filename):
            self.text(function.__module__ or "", function.__qualname__)
            self._package(function.__module__)
            return
        self._code(function.__code__)
        self.value(function.__defaults__)
        self.value(function.__kwdefaults__)
        for cell in function.__closure__ or ():
            try:
                content = cell.cell_contents
            except ValueError:  # a cell that is still empty
                self.text("empty")
            else:
                self.value(content)
        for name in sorted(_names(function.__code__)):
            if name in function.__globals__:
                self.text(name)
                self.value(function.__globals__[name])
        for name, attribute in sorted(vars(function).items()):
            self.text(name)
            self.value(attribute)

    def _code(self, code: CodeType) -> None:
        # Not the line numbers: a comment above a function is no edit of it.
        outward = _OUTWARD & {*code.co_names, *code.co_freevars}
        if outward:
            raise _Untold(sorted(outward)[0])
        self._hash.update(code.co_code)
        self._hash.update(code.co_exceptiontable)
        self.text(*code.co_names, *code.co_varnames, *code.co_freevars, *code.co_cellvars)
        self.text(str(code.co_argcount), str(code.co_flags))
        for instruction in dis.get_instructions(code):
            if instruction.opname == "IMPORT_NAME":
                self._imported(str(instruction.argval))
        for constant in code.co_consts:
            if isinstance(constant, CodeType):
                self._code(constant)
            else:
                self.value(constant)

    def _imported(self, name: str) -> None:
        """A package that is imported when the function runs."""
        top = name.partition(".")[0]
        if top in sys.stdlib_module_names:
            return
        try:
            self.text(top, metadata.version(top))
        except metadata.PackageNotFoundError:
            raise _Untold(name) from None

    def _module(self, module: ModuleType) -> None:
        if not _of_a_user(_file(module)):
            self.text(module.__name__)
            self._package(module.__name__)
            return
        # Any of a neighbour's names may be asked for.
        for name, value in sorted(vars(module).items()):
            if not (name.startswith("__") and name.endswith("__")):
                self.text(name)
                self.value(value)

    def _class(self, cls: type) -> None:
        self.text(cls.__module__, cls.__qualname__)
        module = sys.modules.get(cls.__module__)
        methods = [v for v in vars(cls).values() if isinstance(v, FunctionType)]
        theirs = any(_of_a_user(method.__code__.co_filename) for method in methods)
        if module is not None and not (theirs or _of_a_user(_file(module))):
            self._package(cls.__module__)
            return
        for base in cls.__bases__:
            self.value(base)
        for name, value in sorted(vars(cls).items()):
            hidden = name in ("__dict__", "__weakref__", "__module__", "__doc__")
            if hidden or isinstance(value, _LAYOUT):
                continue
            self.text(name)
            if isinstance(value, property):
                for part in (value.fget, value.fset, value.fdel):
                    self.value(part)
            else:
                self.value(getattr(value, "__func__", value))

    def _builtin(self, function: BuiltinFunctionType) -> None:
        owner = function.__self__
        if owner is None or isinstance(owner, ModuleType):
            self.text(function.__module__ or "", function.__qualname__)
            if function.__module__:
                self._package(function.__module__)
            return
        self.text(function.__name__)
        self.value(owner)

    def _object(self, value: object) -> None:
        """What pickle would write, but with functions followed instead of named."""
        cls = type(value)
        if isinstance(value, Iterator):
            raise _Untold(cls.__qualname__)  # what it gives next depends on what it gave
        self.value(cls)
        wrapped = getattr(value, "__wrapped__", None)
        if wrapped is not None:
            self.value(wrapped)
        try:
            reduce = copyreg.dispatch_table.get(cls)
            parts = reduce(value) if reduce else value.__reduce_ex__(4)
        except Exception as error:  # a lock, a generator, an open file
            raise _Untold(cls.__qualname__) from error
        if isinstance(parts, str):
            self.text(parts)
            return
        for part in parts:
            # Elements of lists and dictionaries come as iterators.
            self.value(list(part) if isinstance(part, Iterator) else part)

    def _package(self, module: str | None) -> None:
        """The version of what a name comes from."""
        top = (module or "").partition(".")[0]
        if not top or top in sys.stdlib_module_names or top == "builtins":
            return
        found = sys.modules.get(top)
        version = getattr(found, "__version__", None)
        if not isinstance(version, str):
            try:
                version = metadata.version(top)
            except metadata.PackageNotFoundError:
                raise _Untold(top) from None
        self.text(top, version)


def _alone(value: object) -> str:
    hashed = hashlib.sha256()
    _Walk(hashed).value(value)
    return hashed.hexdigest()


def _names(code: CodeType) -> set[str]:
    """Names that a function or one inside it may look up in its module."""
    inner = [c for c in code.co_consts if isinstance(c, CodeType)]
    return set(code.co_names).union(*(_names(c) for c in inner)) - set(dir(builtins))


def _of_a_user(file: str) -> bool:
    """Whether a file is neither part of Python nor of an installed package, nor of labelkit."""
    if not file or file.startswith("<frozen"):
        return False
    path = Path(file)
    if {"site-packages", "dist-packages"} & set(path.parts):
        return False
    ours, python = Path(__file__).resolve().parents[1], Path(dis.__file__).resolve().parent
    return not (path.is_relative_to(ours) or path.is_relative_to(python))


def _file(module: ModuleType) -> str:
    return str(getattr(module, "__file__", None) or "")
