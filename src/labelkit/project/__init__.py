"""The project room."""
