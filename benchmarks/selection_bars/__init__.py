"""The bars of selection, one a file; ``benchmarks/selection.py`` runs them."""
