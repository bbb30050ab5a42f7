from __future__ import annotations

from pathlib import Path

import onnx
import pytest

from gdfq_export.cli.output.time_estimate import time_estimate
from gdfq_export.recipe import load_recipe
from tests import tiny_graph


@pytest.mark.parametrize(
    ("side", "recipe", "expected"),
    [
        (32, "w8a8-ort-cpu", "15 s to 2 minutes"),
        (32, "w4a4-ort-cpu", "2 to 8 minutes"),
        (224, "w8a8-ort-cpu", "20 s to 4 minutes"),
        (224, "w4a8-ort-cpu", "5 to 30 minutes"),
    ],
)
def test_the_file_and_the_recipe_say_how_long(tmp_path: Path, side: int, recipe: str, expected: str) -> None:
    proto = tiny_graph.model(nodes=[("Flatten", ["x"], ["y"])], inputs={"x": ("batch", 3, side, side)}, outputs=["y"])
    onnx.save(proto, tmp_path / "net.onnx")
    assert expected in time_estimate(str(tmp_path / "net.onnx"), load_recipe(recipe), None)


def test_a_budget_and_an_unknown_size_are_said(tmp_path: Path) -> None:
    recipe = load_recipe("w8a8-ort-cpu")
    assert "at most about 90 s" in time_estimate(None, recipe, 90)
    (tmp_path / "net.onnx").write_bytes(b"no model")
    for model in ("pytorchcv:resnet18", str(tmp_path / "net.onnx"), str(tmp_path / "absent.onnx")):
        assert "depends on the image size" in time_estimate(model, recipe, None)
