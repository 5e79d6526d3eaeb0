"""The bias room."""
