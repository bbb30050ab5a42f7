from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx

from bench.gpu.file_differences import FileDifferences, file_differences
from tests import tiny_graph


def _file(path: Path, codes: list[int], scale: float, bias: int = 5, operator: str = "Relu") -> Path:
    initializers = {
        "codes": np.asarray(codes, np.int8),
        "scale": np.asarray(scale, np.float32),
        "bias": np.asarray([bias], np.int32),
    }
    nodes: list[tiny_graph.Node] = [(operator, ["x"], ["y"])]
    onnx.save(tiny_graph.model(nodes=nodes, inputs={"x": (1, 4)}, outputs=["y"], initializers=initializers), path)
    return path


def test_codes_and_scales_that_differ_are_counted(tmp_path: Path) -> None:
    one = _file(tmp_path / "one.onnx", [1, 2, 3], 0.5)
    other = _file(tmp_path / "other.onnx", [1, 4, 3], 0.55, bias=90)
    same = file_differences(one, one)
    assert same == FileDifferences(same_bytes=True, same_structure=True, integers=4)
    found = file_differences(one, other)
    assert (found.integers, found.integers_differing, found.largest_code_difference) == (4, 2, 2)
    assert not found.same_bytes and abs(found.largest_scale_difference - 0.1) < 1e-6


def test_another_graph_is_no_matter_of_codes(tmp_path: Path) -> None:
    one = _file(tmp_path / "one.onnx", [1], 0.5)
    found = file_differences(one, _file(tmp_path / "other.onnx", [1], 0.5, operator="Sigmoid"))
    assert not found.same_structure and found.integers == 0
