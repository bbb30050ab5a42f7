"""Numbers and shapes as text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence


def counted(number: int, one: str, many: str = "") -> str:
    """The number and `one` or `many`, which is `one` with an s unless given.

    >>> counted(1, "node"), counted(2000, "class", "classes")
    ('1 node', '2,000 classes')
    """
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def shapes_text(shapes: Sequence[int] | Mapping[str, Sequence[int]]) -> str:
    """The shape of one input, or of several by name.

    >>> shapes_text((3, 8, 8)), shapes_text({"left": (3, 8, 8), "age": (1,)})
    ('[3, 8, 8]', 'left [3, 8, 8], age [1]')
    """
    if isinstance(shapes, Mapping):
        return ", ".join(f"{name} {list(shape)}" for name, shape in shapes.items())
    return str(list(shapes))
