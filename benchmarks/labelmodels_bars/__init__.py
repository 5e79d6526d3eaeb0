"""The bars of label models, one a file with a ``main(argv)``; run by ``benchmarks/labelmodels.py``.

``vote_sets`` reads the published votes beside the repository, ``zoo`` draws votes of many kinds
with known truth.
"""
