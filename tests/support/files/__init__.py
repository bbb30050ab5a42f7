"""Outputs and what is left of them."""
