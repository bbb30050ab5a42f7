"""Every message that docs/troubleshooting.md is sorted by is one that the sources hold."""

from __future__ import annotations

import ast
import re
from functools import cache

import pytest

from tests.docs.pages import ROOT

PAGE = ROOT / "docs" / "troubleshooting.md"
MESSAGES = [
    message.strip() for _, message in re.findall(r"^### (`+)(.*)\1$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
]


@cache
def texts() -> str:
    """All strings of the sources; what is put in at run time is left out."""
    found = []
    for folder in ("gdfq_export", "calib"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.JoinedStr):
                    parts = (part.value if isinstance(part, ast.Constant) else "\0" for part in node.values)
                    found.append("".join(map(str, parts)))
                elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                    found.append(node.value)
    return "\1".join(found)


@pytest.mark.parametrize("message", MESSAGES, ids=range(len(MESSAGES)))
def test_message_is_real(message: str) -> None:
    missing = [part for part in re.split(r"\s*\.\.\.\s*", message) if part and part not in texts()]
    assert missing == []


def test_there_are_enough() -> None:
    assert len(set(MESSAGES)) == len(MESSAGES) >= 20
