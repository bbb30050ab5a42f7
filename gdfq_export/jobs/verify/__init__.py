"""Measures a file, an engine or a bundle that is already there."""
