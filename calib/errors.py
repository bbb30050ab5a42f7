"""What calib raises when data that a user brought cannot be used."""

from __future__ import annotations


class DataError(ValueError):
    """A data file is unusable; the message is one sentence: what was found, in which file, and what is accepted."""
