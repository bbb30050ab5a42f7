"""A convolution and a product with as many outputs, whose weights read one tensor of zero points, or two."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest

from gdfq_export.lint import check
from gdfq_export.runtimes.openvino import OpenVino
from gdfq_export.support.finding import Consequence
from gdfq_export.targets import find_target
from tests import tiny_graph

OUTPUTS = 4


def network(product: str, zeros: tuple[str, str]) -> onnx.ModelProto:
    """Conv of 1 x 1, its mean over positions, and a Gemm or MatMul; each weight reads the zero points named."""
    random, nodes, at = np.random.default_rng(0), [], "x"
    arrays: dict[str, np.ndarray] = {"step": np.float32(0.02), "middle": np.uint8(128)}

    def pair(source: str) -> str:
        nodes.append(("QuantizeLinear", [source, "step", "middle"], [f"{source}_q"]))
        nodes.append(("DequantizeLinear", [f"{source}_q", "step", "middle"], [f"{source}_dq"]))
        return f"{source}_dq"

    def weight(name: str, shape: tuple[int, ...], axis: int, zero: str) -> str:
        arrays[f"{name}_q"] = random.integers(-100, 101, shape).astype(np.int8)
        arrays[f"{name}_scale"] = np.full(OUTPUTS, 0.01, np.float32)
        arrays[zero] = np.zeros(OUTPUTS, np.int8)
        nodes.append(("DequantizeLinear", [f"{name}_q", f"{name}_scale", zero], [name], {"axis": axis}))
        return name

    at = pair("x")
    nodes.append(("Conv", [at, weight("w", (OUTPUTS, 3, 1, 1), 0, zeros[0])], ["c"]))
    nodes += [("GlobalAveragePool", [pair("c")], ["p"]), ("Flatten", ["p"], ["f"])]
    at = pair("f")
    attributes: dict[str, Any] = {"transB": 1} if product == "Gemm" else {}
    last = weight("v", (OUTPUTS, OUTPUTS), 0 if product == "Gemm" else 1, zeros[1])
    nodes.append((product, [at, last], ["y"], attributes))
    return tiny_graph.model(nodes=nodes, inputs={"x": ("batch", 3, 6, 6)}, outputs=["y"], initializers=arrays)


@pytest.mark.parametrize("product", ["Gemm", "MatMul"])
@pytest.mark.parametrize("shared", [True, False])
def test_layers_that_share_zero_points_are_named_and_run_in_float(product: str, shared: bool) -> None:
    pytest.importorskip("openvino")
    proto = network(product, ("z", "z" if shared else "t"))
    found = [each for each in check(proto, find_target("openvino")) if each.rule == "shared zero points"]
    assert [each.node for each in found] == (["Conv_c", f"{product}_y"] if shared else [])
    assert all(each.consequence is Consequence.FLOAT and "zero points z" in each.message for each in found)
    kinds = {node.kind for node in OpenVino().load(proto.SerializeToString(), 1).describe().nodes}
    assert ("float compute" in kinds) == shared
    assert ("integer compute" in kinds) != shared
