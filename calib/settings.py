"""Checks that every frozen dataclass of settings makes of its own numbers."""

from __future__ import annotations

import math


def require_at_least(settings: object, **least: int) -> None:
    """Require each named attribute to be at least the number given.

    Raises:
        ValueError: one is smaller; the sentence names it, what it is, and the least it may be.
    """
    for name, smallest in least.items():
        if getattr(settings, name) < smallest:
            raise ValueError(f"{name} is {getattr(settings, name)}; give at least {smallest}")


def require_finite(settings: object, *names: str) -> None:
    """Require each named attribute to be a finite number, 0 or above.

    Raises:
        ValueError: one is not; the sentence names it and what it is.
    """
    for name in names:
        value = getattr(settings, name)
        if not (math.isfinite(value) and value >= 0):
            raise ValueError(f"{name} is {value}; give a finite number, at least 0")
