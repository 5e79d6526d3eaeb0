"""The platforms room."""
