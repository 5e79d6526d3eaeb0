"""The bars of position bias, one a file; ``benchmarks/bias.py`` runs them.

``worlds`` draws logs with known truth, ``rivals`` holds the estimators to beat, ``tell`` prints a
figure beside its bar. What comes out of a bar's ``run`` is the list of its bars, met or missed.
"""
