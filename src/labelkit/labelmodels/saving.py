"""Fitted models on disk: the plain values of ``to_dict``, as JSON or as NPZ, never a pickle.

An NPZ file holds the same values: lists of numbers become arrays, the rest is one JSON text
beside them. It is smaller, and faster to read, where there are thousands of LFs (or annotators).
Both hold every number to the last bit, and equal models give equal bytes.
"""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from labelkit.errors import LabelModelError
from labelkit.files import atomic, write_text

_TEXT = "json"
_ARRAY = "__array__"


def write_model(path: Path, plain: dict[str, Any]) -> None:
    """Write ``plain`` atomically: as NPZ if ``path`` ends in .npz, else as JSON."""
    if path.suffix != ".npz":
        write_text(path, json.dumps(plain, indent=2) + "\n")
        return
    arrays: dict[str, npt.NDArray[Any]] = {}
    skeleton = _without_arrays(plain, arrays)
    text = np.frombuffer(json.dumps(skeleton).encode("utf-8"), dtype=np.uint8)
    with atomic(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, **{_TEXT: text}, **arrays)


def read_model(path: Path) -> dict[str, Any]:
    """What `write_model` wrote; the kind of file is told by its content.

    Raises
    ------
    LabelModelError
        The file is no saved model, is cut short, or holds pickled objects (which are not opened).
    """
    try:
        plain = _read_npz(path) if zipfile.is_zipfile(path) else _read_json(path)
    except (ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise LabelModelError(f"{path} is not a label model that labelkit saved: {error}") from None
    if not isinstance(plain, dict):
        raise LabelModelError(f"{path} is not a label model that labelkit saved.")
    return plain


def _read_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def _read_npz(path: Path) -> Any:
    with np.load(path, allow_pickle=False) as stored:
        skeleton = json.loads(stored[_TEXT].tobytes().decode("utf-8"))
        return _with_arrays(skeleton, stored)


def _without_arrays(value: Any, arrays: dict[str, npt.NDArray[Any]]) -> Any:
    """``value`` with every list of numbers moved to ``arrays`` and named in its place."""
    if isinstance(value, dict):
        return {key: _without_arrays(item, arrays) for key, item in value.items()}
    if not isinstance(value, list) or not value:
        return value
    numbers = _as_numbers(value)
    if numbers is None:
        return [_without_arrays(item, arrays) for item in value]
    name = f"array_{len(arrays)}"
    arrays[name] = numbers
    return {_ARRAY: name}


def _as_numbers(value: list[Any]) -> npt.NDArray[Any] | None:
    """A rectangular list of floats, or of integers, as an array; None for any other list."""
    kinds = set(map(type, _leaves(value)))
    if kinds not in ({float}, {int}):
        return None
    try:
        array = np.array(value, dtype=np.float64 if kinds == {float} else np.int64)
    except (ValueError, OverflowError):
        return None
    return array


def _leaves(value: Any) -> list[Any]:
    if not isinstance(value, list):
        return [value]
    return [leaf for item in value for leaf in _leaves(item)]


def _with_arrays(value: Any, stored: Any) -> Any:
    if isinstance(value, dict):
        if set(value) == {_ARRAY}:
            return stored[value[_ARRAY]].tolist()
        return {key: _with_arrays(item, stored) for key, item in value.items()}
    if isinstance(value, list):
        return [_with_arrays(item, stored) for item in value]
    return value
