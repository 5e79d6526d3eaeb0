"""The labelmodels room."""
