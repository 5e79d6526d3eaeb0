"""A project on disk: its settings, its runs, and the one place that wires the rooms together.

What comes in: a directory with ``labelkit.toml``. What goes out: runs, rounds and validated labels
on disk. It must never compute anything that belongs to a room, overwrite what a user wrote, leave
half a run behind, or write a secret anywhere.

In the order in which data meets them:

- ``units``     what is labeled: in words, what joins to it, what must not be mixed
- ``strict``    a TOML table into a dataclass, or an error that names the line
- ``config``    ``labelkit.toml``, one dataclass a section
- ``create``    a new project from the template (``template/``, and ``labeling_functions/``)
- ``tables``    the user's own tables: joined onto evidence, shown to people
- ``labeling``  log → … → labels, as one run
- ``sensitivity`` how many labels move as θ moves across its interval
- ``biasing``   how far the propensities are to be believed, as tables and findings
- ``examining`` the same for a project and its run
- ``functions`` what a run's labeling functions do, in pairs and together
- ``diffing``   what an edit to them changed, from two runs
- ``watching``  the functions on a sample, again after every edit
- ``training``  labels with weights and group ids, as a file to train on
- ``suggesting`` rules that labels suggest, and the file in which they are kept
- ``asking``    from a run's labels to the tasks of a round
- ``gold``      fitted on gold, and yet measured on it honestly
- ``measuring`` what a run's labels are worth, also on gold that they learned from
- ``planning``  labels that a target takes; strategies tried out on known truth
- ``provenance`` where a run comes from: hashes, functions, settings without secrets
- ``manifest``  what a run read, what made it, what it wrote
- ``runs``      run directories: built aside, renamed when complete
- ``lf_views``  the verbs that look at labeling functions
- ``project``   ``Project``: all verbs of the command line
"""

from __future__ import annotations

from labelkit.project.biasing import BiasReport
from labelkit.project.config import Config, read_config
from labelkit.project.diffing import LFDiff
from labelkit.project.manifest import Manifest
from labelkit.project.project import Project
from labelkit.project.runs import ResultTable, Run

__all__ = [
    "BiasReport",
    "Config",
    "LFDiff",
    "Manifest",
    "Project",
    "ResultTable",
    "Run",
    "read_config",
]
