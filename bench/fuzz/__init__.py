"""Damaged and hostile inputs for every reader: mutations, readers, and a run that says what gave way."""
