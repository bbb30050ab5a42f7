"""Clocks of a run: the time it may take, and the time of its steps."""
