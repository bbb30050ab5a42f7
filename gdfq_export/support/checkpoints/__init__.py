"""Checkpoints of a run: a folder with the state of its long steps, from which the same command goes on."""
