"""``load_estimator``: a stored model is a program, so it runs only if it is the one you meant."""

from __future__ import annotations

from pathlib import Path

from labelkit import files
from labelkit.errors import LFError
from labelkit.lfs.models.place import calling_line


def load_estimator(path: Path | str, *, sha256: str) -> object:
    """An estimator stored by joblib or pickle, if the file has this hash.

    Unpickling runs whatever code the file holds. So the file is compared with the hash that you
    wrote down when you made or checked it, and is not opened otherwise.

    Parameters
    ----------
    path : the file; relative to the folder of the module that calls this
    sha256 : hex SHA-256 of its content

    Raises
    ------
    LFError
        The file is missing, has another hash, or does not load.
    """
    _, folder = calling_line()
    file = folder / path
    if not file.is_file():
        raise LFError(f"There is no model at {file}.")
    found = files.sha256(file)
    if found != sha256.lower():
        raise LFError(
            f"{file} is not the model that was meant: its SHA-256 is {found}, not {sha256}. "
            "Loading it runs code that it holds; if you trust it, write that hash."
        )
    import joblib

    try:
        return joblib.load(file)
    except Exception as error:
        raise LFError(f"{file} does not load: {type(error).__name__}: {error}") from error
