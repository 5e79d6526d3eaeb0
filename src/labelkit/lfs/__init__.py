"""Labeling functions."""
