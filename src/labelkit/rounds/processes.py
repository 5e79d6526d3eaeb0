"""Telling processes apart, and the dead from the living.

Only what is certain counts: a process is dead if this machine, not restarted since, has no process
of that number and start. Of all others we wait for the lease to run out.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from pathlib import Path

_DEAD_STATES = ("Z", "X")


def here() -> dict[str, str | int | None]:
    """What tells this process apart from every other, on this machine and elsewhere."""
    pid = os.getpid()
    return {
        "host": socket.gethostname(),
        "machine": _machine(),
        "pid": pid,
        "started": _started(pid),
    }


def is_dead(holder: Mapping[str, str | int | None] | None) -> bool:
    """Whether the process that ``here`` described is certain to have ended."""
    machine = _machine()
    if holder is None or machine is None or holder.get("machine") != machine:
        return False
    pid, started = holder.get("pid"), holder.get("started")
    return isinstance(pid, int) and started is not None and _started(pid) != started


def described(holder: Mapping[str, str | int | None] | None) -> str:
    """A process in words."""
    if holder is None:
        return "another process"
    return f"process {holder.get('pid')} on {holder.get('host')}"


def _machine() -> str | None:
    """This boot of this machine, and the space its process numbers live in; None if unknown.

    Containers have process numbers of their own: 17 in one is not 17 in another.
    """
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}/{os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return None


def _started(pid: int) -> str | None:
    """When a process started, in ticks since boot; None if there is none, or only its remains."""
    try:
        said = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    # The name in parentheses may hold anything, even parentheses.
    fields = said.rpartition(")")[2].split()
    state, started = fields[0], fields[19]
    return None if state in _DEAD_STATES else started
