"""Runs that go on where they stopped, with the same bytes: identity, checkpoints, threads."""
