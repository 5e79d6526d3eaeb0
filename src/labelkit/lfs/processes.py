"""Row functions in several processes: how they get there, and what comes back.

The workers are started anew (by joblib's loky) rather than forked: Polars, Arrow and BLAS have
threads, and a fork of a process with threads may hang. So functions are sent, and a function made
on the spot (a lambda, a closure, one typed in a notebook or loaded from a project directory) is
sent with its code.
"""

from __future__ import annotations

import hashlib
import importlib.machinery
import inspect
import io
import os
import pickle
import sys
import tempfile
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labelkit.errors import LFError
from labelkit.lfs.function import RowFunction
from labelkit.lfs.rows import OnError, Outcome, rows_of, vote_on_rows

if TYPE_CHECKING:
    import polars as pl

# In a worker: the functions of the last run, so that memoised preprocessors keep their memory.
_LOADED: dict[str, list[RowFunction]] = {}


def n_processes(n_jobs: int) -> int:
    """How many processes ``n_jobs`` asks for; -1 is one per core that this process may use."""
    if n_jobs == -1:
        cores = getattr(os, "sched_getaffinity", None)
        return len(cores(0)) if cores else os.cpu_count() or 1
    if n_jobs < 1:
        raise LFError(f"n_jobs is a number of processes, 1 or more, or -1 for all; got {n_jobs}.")
    return n_jobs


def vote_in_processes(
    lfs: Sequence[RowFunction],
    batches: Iterable[pl.DataFrame],
    *,
    cardinality: int,
    on_error: OnError,
    processes: int,
) -> Iterator[tuple[pl.DataFrame, list[Outcome]]]:
    """Batches in order with the outcome of each function; a few are on their way at a time."""
    from joblib import Parallel, delayed
    from joblib.externals.loky.process_executor import (
        TerminatedWorkerError,
    )

    packed = pack(lfs)
    digest = hashlib.sha256(packed).hexdigest()
    waiting: list[pl.DataFrame] = []

    def tasks(path: str) -> Iterator[Any]:
        for batch in batches:
            waiting.append(batch)
            yield delayed(_work)(digest, path, _to_bytes(batch), cardinality, on_error)

    with tempfile.TemporaryDirectory(prefix="labelkit-") as folder:
        path = Path(folder) / "functions"
        path.write_bytes(packed)
        run = Parallel(n_jobs=processes, return_as="generator", batch_size=1)
        results = run(tasks(str(path)))
        try:
            # joblib takes the tasks from `tasks` in order, so the batch of a result is the first.
            for answers in results:
                outcomes = [_with_error(outcome, error) for outcome, error in answers]
                yield waiting.pop(0), outcomes
        except TerminatedWorkerError as error:
            names = ", ".join(lf.name for lf in lfs)
            raise LFError(
                f"A process that ran {names} died: it may have lacked memory, or a library in it "
                "crashed. n_jobs=1 runs them here, where the crash can be seen."
            ) from error
        finally:
            # Whoever stops at an error has no use for the batches under way: no need to say so.
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", "[0-9]+ tasks", UserWarning)
                results.close()


def pack(lfs: Sequence[object]) -> bytes:
    """Functions as bytes that another process can make functions of.

    Raises
    ------
    LFError
        A function holds what cannot be sent; with its name and the object.
    """
    cloudpickle = _cloudpickle()
    with ExitStack() as stack:
        for name in sorted({name for lf in lfs for name in _modules_of(lf)}):
            module = sys.modules.get(name)
            if module is not None and not _importable(name):
                cloudpickle.register_pickle_by_value(module)
                stack.callback(cloudpickle.unregister_pickle_by_value, module)
        for lf in lfs:
            try:
                cloudpickle.dumps(lf)
            except Exception as error:
                raise LFError(
                    f"{getattr(lf, 'at', lf)} cannot be sent to another process: {error}. It holds "
                    "something that exists in this process only, such as a connection, a lock or "
                    "an open file. Open it inside the function, or run with n_jobs=1."
                ) from error
        packed: bytes = cloudpickle.dumps(list(lfs))
    return packed


def _cloudpickle() -> Any:
    """The one that joblib uses: a dependency of its own since 1.6, and bundled before."""
    try:
        import cloudpickle
    except ImportError:
        from joblib.externals import cloudpickle
    return cloudpickle


def unpack(packed: bytes) -> list[Any]:
    """The functions that `pack` packed."""
    functions: list[Any] = pickle.loads(packed)  # noqa: S301 - what this program has packed
    return functions


def _modules_of(lf: object) -> Iterator[str]:
    """Modules that define a function, what it wraps and its preprocessors."""
    for part in (lf, getattr(lf, "function", None), *_parts(getattr(lf, "function", None))):
        for thing in (part, inspect.unwrap(part) if callable(part) else None, type(part)):
            name = getattr(thing, "__module__", None)
            if isinstance(name, str) and name != "builtins":
                yield name


def _parts(function: object) -> Iterator[object]:
    """What one of Snorkel's functions is made of."""
    yield getattr(function, "_f", None)
    for mapper in [*(getattr(function, "_pre", None) or [])]:
        yield mapper
        yield from _parts(mapper)


def _importable(module: str) -> bool:
    """Whether another process finds the module by its name, rather than this one having it."""
    path: list[str] | None = None
    parts = module.split(".")
    if parts[0] in sys.builtin_module_names or parts[0] in sys.stdlib_module_names:
        return True
    for i in range(len(parts)):
        spec = importlib.machinery.PathFinder.find_spec(".".join(parts[: i + 1]), path)
        if spec is None:
            # Editable installs and other finders that know more than the path does.
            loaded = sys.modules.get(parts[0])
            return i == 0 and _found_elsewhere(parts[0], loaded)
        path = list(spec.submodule_search_locations or [])
    return True


def _found_elsewhere(name: str, loaded: object) -> bool:
    finders = [f for f in sys.meta_path if f is not importlib.machinery.PathFinder]
    return loaded is not None and any(
        getattr(finder, "find_spec", lambda *_: None)(name, None) is not None for finder in finders
    )


def _to_bytes(batch: pl.DataFrame) -> bytes:
    target = io.BytesIO()
    batch.write_ipc_stream(target)
    return target.getvalue()


def _work(
    digest: str, path: str, table: bytes, cardinality: int, on_error: OnError
) -> list[tuple[Outcome, bytes]]:
    """In a worker: each function on each row of one batch."""
    import polars as pl

    if digest not in _LOADED:
        _LOADED.clear()
        _LOADED[digest] = unpack(Path(path).read_bytes())
    rows = rows_of(pl.read_ipc_stream(table))
    answers = []
    for lf in _LOADED[digest]:
        outcome = vote_on_rows(lf, rows, cardinality=cardinality, on_error=on_error)
        answers.append(_without_error(outcome))
        if outcome.fault is not None and (on_error == "raise" or not outcome.fault.raised):
            break
    return answers


def _without_error(outcome: Outcome) -> tuple[Outcome, bytes]:
    """The outcome, and its exception apart as far as it can be sent."""
    fault = outcome.fault
    if fault is None or fault.error is None:
        return outcome, b""
    outcome.fault = replace(fault, error=None)
    try:
        return outcome, _cloudpickle().dumps(fault.error)
    except Exception:
        return outcome, b""


def _with_error(outcome: Outcome, sent: bytes) -> Outcome:
    """The outcome with its exception, if that survived the way."""
    if sent and outcome.fault is not None:
        try:
            error = pickle.loads(sent)  # noqa: S301 - from a worker that this program started
        except Exception:
            return outcome  # its class wants other arguments than it shows; its text is kept
        outcome.fault = replace(outcome.fault, error=error)
    return outcome
