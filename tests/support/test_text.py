from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from gdfq_export.support.text import counted

ROOT = Path(__file__).parents[2]
MANY = re.compile(r" (?:more |real |labelled |quantized |published |interleaved )?(\w+)(?!/)\b")
THINGS = {"nodes", "images", "layers", "tensors", "gates", "rounds", "cells", "threads", "cores", "findings"}
NEVER_ONE = {"BATCHES[0]", "model.source"}


@pytest.mark.parametrize(
    ("number", "names", "words"),
    [
        (0, ("node",), "0 nodes"),
        (1, ("node",), "1 node"),
        (2, ("node",), "2 nodes"),
        (1, ("class", "classes"), "1 class"),
        (2000, ("class", "classes"), "2,000 classes"),
    ],
)
def test_words(number: int, names: tuple[str, ...], words: str) -> None:
    assert counted(number, *names) == words


def test_no_message_counts_things_without_it() -> None:
    """A number in an f-string is not followed by a plural that holds whatever the number is."""
    found = []
    for path in sorted((ROOT / "gdfq_export").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.JoinedStr):
                continue
            for number, text in zip(node.values, node.values[1:], strict=False):
                if isinstance(number, ast.FormattedValue) and isinstance(text, ast.Constant):
                    word = MANY.match(str(text.value))
                    if word and word[1] in THINGS and ast.unparse(number.value) not in NEVER_ONE:
                        found.append(
                            f"{path.relative_to(ROOT)}:{node.lineno}: {{{ast.unparse(number.value)}}}{word[0]}"
                        )
    assert "\n".join(found) == ""
