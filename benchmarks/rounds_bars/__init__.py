"""The bars of human labeling rounds, one module a bar; run by `benchmarks/rounds.py`."""
