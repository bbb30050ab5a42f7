"""Runs that go on where they stopped: what identifies a run, and its checkpoints while it is under way."""
