"""The form of a Gemm with weights in blocks: the same numbers, and none of the operators that runtimes join."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from gdfq_export.frontend.passes.measured_shapes import run_model
from gdfq_export.frontend.passes.rewrites.gemm_as_product import gemm_as_product
from tests import tiny_graph

RANDOM = np.random.default_rng(0)
X, WEIGHT, BIAS = (RANDOM.normal(size=shape).astype(np.float32) for shape in ((3, 6), (6, 4), (4,)))


def product(*, bias: bool, coded: bool) -> ir.Model:
    scale, zero = np.float32(0.05), np.uint8(128)
    pair: list[tiny_graph.Node] = [
        ("QuantizeLinear", ["x", "s", "z"], ["q"]),
        ("DequantizeLinear", ["q", "s", "z"], ["v"]),
    ]
    read = "v" if coded else "x"
    model = tiny_graph.graph(
        nodes=[*(pair if coded else []), ("Gemm", [read, "w", *(["b"] if bias else [])], ["y"])],
        inputs={"x": ("batch", 6)},
        outputs=["y"],
        initializers={"w": WEIGHT} | ({"b": BIAS} if bias else {}) | ({"s": scale, "z": zero} if coded else {}),
    )
    return model


@pytest.mark.parametrize("bias", [False, True], ids=["bare", "bias"])
@pytest.mark.parametrize("coded", [False, True], ids=["float", "codes"])
def test_the_numbers_stay_and_the_gemm_goes(bias: bool, coded: bool) -> None:
    model = product(bias=bias, coded=coded)
    before = run_model(ir.to_proto(model), {"x": X})["y"]
    gemm = next(node for node in model.graph if node.op_type == "Gemm")
    gemm_as_product(model.graph, gemm)
    ops = [node.op_type for node in model.graph if "Linear" not in node.op_type]
    assert ops == [*(["Flatten"] if coded else []), "MatMul", *(["Sub"] if bias else [])]
    assert next(node.name for node in model.graph if node.op_type == "MatMul") == "Gemm_y"
    assert [value.name for value in model.graph.outputs] == ["y"]
    np.testing.assert_allclose(run_model(ir.to_proto(model), {"x": X})["y"], before, rtol=1e-5, atol=1e-6)
