"""One file a step; see ``labelkit.rounds.migrations``."""
