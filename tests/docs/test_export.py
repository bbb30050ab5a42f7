"""docs/export.md shows the export that messages print, for images of another size."""

from __future__ import annotations

import ast

import pytest

from gdfq_export.frontend.sources.export_hint import export_lines
from tests.docs.pages import ROOT, blocks

SHOWN = [block.text for block in blocks(ROOT / "docs" / "export.md", "python")]


def exports(code: str) -> list[str]:
    """Every call of `torch.onnx.export`, spelled alike."""
    calls = (node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Call))
    return [ast.unparse(call) for call in calls if ast.unparse(call.func) == "torch.onnx.export"]


@pytest.mark.parametrize("scripted", [False, True])
def test_the_page_and_the_messages_export_alike(scripted: bool) -> None:
    printed = exports(export_lines("network = load()", "net.onnx", scripted=scripted))
    assert len(printed) == 1
    assert printed[0] in [call for code in SHOWN for call in exports(code)]
