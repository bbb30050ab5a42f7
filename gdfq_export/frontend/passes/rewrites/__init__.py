"""Rewrites of operator patterns, one pattern a file."""
