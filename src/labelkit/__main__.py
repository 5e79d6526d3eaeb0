"""``python -m labelkit``: the command line, where its script is not on the path."""

from labelkit.cli import main

main()
