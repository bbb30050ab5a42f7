"""Whole jobs: quantize, synthesize, verify, compare; each calls the rooms below in order."""
