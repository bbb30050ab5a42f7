"""Folding of what is constant."""
