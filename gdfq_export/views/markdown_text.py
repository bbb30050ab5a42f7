"""Text and tables in Markdown: nothing in a name marks up, breaks a table, or mentions a person."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Sequence

from gdfq_export.support.text import printable

_ACTIVE = re.compile(r"([\\`*_\[\]|~@#$])")  # HTML's own characters are escaped as HTML
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of GitHub's Markdown; its cells are escaped."""
    lines = [head, ["---"] * len(head), *([escaped(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def escaped(text: str) -> str:
    """The text as it is, on one line: nothing in it marks up, breaks a table, or mentions a person."""
    plain = printable(" ".join(_CONTROL.sub(" ", text).split()))
    return _ACTIVE.sub(r"\\\1", html.escape(plain, quote=False).replace("@", "@\u200b"))
