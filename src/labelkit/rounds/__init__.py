"""The rounds room."""
