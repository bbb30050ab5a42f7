"""docs/export.md shows the lines that messages print, for images of another size."""

from __future__ import annotations

import pytest

from gdfq_export.frontend.sources.export_hint import export_lines
from tests.docs.pages import ROOT, blocks

LOADED = "from package.module import network\n\nnetwork = network()"
SHOWN = "".join(block.text for block in blocks(ROOT / "docs" / "export.md", "python"))


@pytest.mark.parametrize("scripted", [False, True])
def test_the_page_and_the_messages_export_alike(scripted: bool) -> None:
    printed = export_lines(LOADED, "net.onnx", scripted=scripted).replace("\n# ", "\n")
    lines = [line for line in printed.splitlines() if line.startswith(("torch", "    ", "network.eval"))]
    assert [line for line in lines if line.strip() not in SHOWN] == []
    assert "training=torch.onnx.TrainingMode.PRESERVE" in SHOWN
