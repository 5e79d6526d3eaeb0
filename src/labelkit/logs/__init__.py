"""The logs room."""
