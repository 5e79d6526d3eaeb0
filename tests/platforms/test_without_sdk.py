"""What a user sees who did not install the extra."""

from __future__ import annotations

import subprocess
import sys

CODE = """
import sys
sys.modules["label_studio_sdk"] = None  # as if it were not installed
import labelkit as lk
from labelkit.errors import PlatformError
from labelkit.rounds import DisplayField, ProjectSpec

spec = ProjectSpec("uid", "title", ("no", "yes"), (DisplayField("query", "query", True),))
try:
    lk.LabelStudio("http://127.0.0.1:1", "token").ensure_project(spec)
except PlatformError as error:
    print(error)
"""


def test_a_missing_sdk_is_told_with_the_command_that_installs_it():
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True)
    assert "pip install 'labelkit[label-studio]'" in done.stdout, done.stderr
