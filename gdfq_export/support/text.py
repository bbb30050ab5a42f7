"""Numbers, shapes and names as text."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

_UNSEEN = (
    "\x00-\x1f\x7f-\x9f\u2028\u2029"  # control characters and line separators
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # the direction of text
    "\xad\u180e\u200b-\u200d\u2060-\u2064\ufeff\ufff9-\ufffb\U000e0000-\U000e007f"  # without any width
    "\ud800-\udfff\ufffe\uffff"  # no characters, as in file names that are not UTF-8
)
_WORD, _LINES = re.compile(f"[{_UNSEEN}]"), re.compile(f"(?![\n\t])[{_UNSEEN}]")


def counted(number: int, one: str, many: str = "") -> str:
    """The number and `one` or `many`, which is `one` with an s unless given.

    >>> counted(1, "node"), counted(2000, "class", "classes")
    ('1 node', '2,000 classes')
    """
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def printable(text: str, *, lines: bool = False) -> str:
    r"""The text with escapes in place of characters that steer a terminal or page, or that nobody sees.

    Names of tensors and files come from strangers. `lines` keeps line feeds and tabs.

    >>> printable("conv\x1b[2J\u202egnp"), printable("two\nlines", lines=True)
    ('conv\\x1b[2J\\u202egnp', 'two\nlines')
    """
    return (_LINES if lines else _WORD).sub(_escape, text)


def to_utf8(text: str) -> bytes:
    r"""The text in UTF-8, with an escape for what is no character, as in file names that are not UTF-8.

    Inside a string of JSON that escape reads as the same name again.

    >>> to_utf8("net\udcff.onnx")
    b'net\\udcff.onnx'
    """
    return text.encode(errors="backslashreplace")


def _escape(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode("ascii")


def shown(value: object, longest: int = 100) -> str:
    """What a file holds, as a message quotes it: of at most `longest` characters.

    >>> shown("a"), shown([1] * 1000, 9)
    ("'a'", '[1, 1, 1…')
    """
    try:
        text = repr(value)
    except (RecursionError, ValueError):  # ValueError: an integer of more than 4,300 digits
        return f"a {type(value).__name__}"
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def shapes_text(shapes: Sequence[int] | Mapping[str, Sequence[int]]) -> str:
    """The shape of one input, or of several by name.

    >>> shapes_text((3, 8, 8)), shapes_text({"left": (3, 8, 8), "age": (1,)})
    ('[3, 8, 8]', 'left [3, 8, 8], age [1]')
    """
    if isinstance(shapes, Mapping):
        return ", ".join(f"{name} {list(shape)}" for name, shape in shapes.items())
    return str(list(shapes))
