"""A number with its noun, singular or plural."""

from __future__ import annotations


def counted(number: int, one: str, many: str = "") -> str:
    """The number and `one` or `many`, which is `one` with an s unless given.

    >>> counted(1, "node"), counted(2000, "class", "classes")
    ('1 node', '2,000 classes')
    """
    return f"{number:,} {one if number == 1 else many or one + 's'}"
