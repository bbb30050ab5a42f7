"""How many of a thing, in words: one node, two nodes."""

from __future__ import annotations

__all__ = ["counted"]


def counted(number: int, one: str, many: str = "") -> str:
    """`counted(1, "node")` is "1 node", `counted(2000, "class", "classes")` "2,000 classes"."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"
