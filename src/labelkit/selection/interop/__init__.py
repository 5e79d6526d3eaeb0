"""Other libraries' strategies here, and ours there.

- ``modal``        modAL's query strategies: its signature, its measures, both directions
- ``skactiveml``   scikit-activeml's ``query``, both directions (needs scikit-activeml)

Neither library is imported unless its module is asked for; ``modal`` needs none.
"""
