"""Where a vote was written: for errors that name its line, and caches that lie beside it."""

from __future__ import annotations

import os
import sys
from pathlib import Path

_PACKAGE = str(Path(__file__).parents[2]) + os.sep


def calling_line() -> tuple[str, Path]:
    """``file:line`` of the nearest caller outside labelkit, and the folder that it is in.

    A prompt or a notebook has no file: the folder is then the current directory.
    """
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        frame = frame.f_back
    path = Path(frame.f_code.co_filename)
    folder = path.parent if path.is_file() else Path.cwd()
    return f"{path}:{frame.f_lineno}", folder
