"""One bar of the rounds a file; ``benchmarks/rounds.py`` is the way in."""
