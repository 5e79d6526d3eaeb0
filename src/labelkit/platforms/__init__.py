"""Annotation platforms: where people answer the questions of a round.

What comes in: projects and tasks, as ``labelkit.rounds.platform`` words them.
What goes out: the same tasks with what people answered.
What it must never do: let an item's text run as markup, show a guess in the audit sample, or let a
token into an error, a log or the ledger.

``interface`` says what is a picture, a link or one of two sides, ``labeling_config`` draws it, and
``exchange`` is Label Studio's JSON for tasks and answers. ``label_studio`` (with its ``_calls`` and
its ``_listing``, and ``tokens``), ``files`` (with its ``sheet``) and ``offline_page`` are the
platforms, the last two over ``folder``; ``scripted`` answers from held-back truth (a simulation
tool, not a person). ``conformance`` is the suite that a platform must pass, anybody's, and
``hostile`` the texts that it is tried with. A new platform is one file here, one line below, and
one more class in ``tests/platforms/test_conformance.py``.
"""

from __future__ import annotations

from labelkit.platforms.files import FilesPlatform
from labelkit.platforms.interface import Interface, WorkedExample
from labelkit.platforms.label_studio import LabelStudio
from labelkit.platforms.offline_page import OfflinePage
from labelkit.platforms.scripted import ScriptedAnnotator

__all__ = [
    "FilesPlatform",
    "Interface",
    "LabelStudio",
    "OfflinePage",
    "ScriptedAnnotator",
    "WorkedExample",
]
