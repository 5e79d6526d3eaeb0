"""A Label Studio for the benchmarks: one that runs already, or a throw-away one."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import labelkit as lk

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))


@contextmanager
def platform_on(url: str | None) -> Iterator[lk.LabelStudio]:
    """A platform on the server at ``url`` (token from the environment), or on a new one."""
    if url is not None:
        yield lk.LabelStudio(url, timeout_s=300)
        return
    from label_studio_server import find_label_studio, running_label_studio

    program = find_label_studio()
    if program is None:
        raise SystemExit("Label Studio is not installed: run scripts/install_label_studio.sh")
    with running_label_studio(program) as server:
        yield lk.LabelStudio(server.url, server.token, timeout_s=300)
