"""Files that ONNX Runtime's optimiser wrote: the same numbers from operators of ONNX, with the names of the outputs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import helper

from gdfq_export.errors import InputError
from gdfq_export.frontend.passes.accepted_forms.accept import accept
from gdfq_export.frontend.passes.accepted_forms.optimized_by_runtime import without_fused_operators
from gdfq_export.frontend.sources import load_model
from gdfq_export.planning.placement import plan_of
from gdfq_export.recipe import Bits
from tests import tiny_graph

RANDOM = np.random.default_rng(0)
WEIGHTS = {
    "w": RANDOM.normal(size=(4, 4, 3, 3)).astype(np.float32),
    "b": RANDOM.normal(size=4).astype(np.float32),
    "f": RANDOM.normal(size=(5, 4)).astype(np.float32),
    "bf": RANDOM.normal(size=5).astype(np.float32),
    "ones": np.ones(4, np.float32),
}


def run(proto: onnx.ModelProto, feeds: dict[str, np.ndarray]) -> list[np.ndarray]:
    session = onnxruntime.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    found: list[np.ndarray] = session.run(None, feeds)
    return found


def optimised(proto: onnx.ModelProto, path: Path) -> onnx.ModelProto:
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    options.optimized_model_filepath = str(path)
    options.log_severity_level = 3
    onnxruntime.InferenceSession(proto.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return onnx.load(path)


def convolutions() -> onnx.ModelProto:
    """Convolutions with an activation each, one of them behind a sum, and a fully connected layer."""
    pads = {"pads": [1] * 4}
    return tiny_graph.model(
        nodes=[
            ("Conv", ["x", "w", "b"], ["c1"], pads),
            ("Relu", ["c1"], ["r1"]),
            ("Conv", ["r1", "w"], ["c2"], pads),
            ("LeakyRelu", ["c2"], ["r2"], {"alpha": 0.3}),
            ("Conv", ["r2", "w", "b"], ["c3"], pads),
            ("Add", ["c3", "r2"], ["s3"]),
            ("Relu", ["s3"], ["r3"]),
            ("Conv", ["r3", "w"], ["c4"], pads),
            ("Clip", ["c4", "low", "high"], ["r4"]),
            ("GlobalAveragePool", ["r4"], ["p"]),
            ("Flatten", ["p"], ["v"]),
            ("Gemm", ["v", "f", "bf"], ["g"], {"transB": 1}),
            ("Relu", ["g"], ["y"]),
        ],
        inputs={"x": ("n", 4, 6, 6)},
        outputs=["y"],
        initializers={**WEIGHTS, "low": np.float32(-1), "high": np.float32(3)},
        opset=17,
    )


def test_convolutions_and_layers_are_what_they_were(tmp_path: Path) -> None:
    fused = optimised(convolutions(), tmp_path / "net.onnx")
    kinds = {node.op_type for node in fused.graph.node if node.domain == "com.microsoft"}
    assert kinds >= {"FusedConv", "FusedGemm"}
    accepted = accept(fused, "net.onnx")
    assert not [node for node in accepted.proto.graph.node if node.domain]
    kept = {node.name for node in fused.graph.node if node.op_type == "FusedConv"}
    assert kept <= {node.name for node in accepted.proto.graph.node if node.op_type == "Conv"}
    assert "net.onnx was optimised by ONNX Runtime: FusedConv" in accepted.notices[0]
    x = RANDOM.normal(size=(3, 4, 6, 6)).astype(np.float32)
    np.testing.assert_allclose(run(accepted.proto, {"x": x})[0], run(fused, {"x": x})[0], rtol=1e-5, atol=1e-5)


def test_their_layers_become_integer(tmp_path: Path) -> None:
    optimised(convolutions(), tmp_path / "net.onnx")
    plan = plan_of(load_model(tmp_path / "net.onnx"), "ort-cpu", Bits())
    assert all(node.kernel is not None for node in plan.nodes if node.op_type in ("Conv", "Gemm"))


@pytest.mark.parametrize(
    ("op_type", "inputs", "attributes"),
    [
        ("Gelu", ["x"], {}),
        ("BiasGelu", ["x", "b"], {}),
        ("QuickGelu", ["x"], {"alpha": 1.5}),
        ("FusedMatMul", ["x", "f"], {"transB": 1, "alpha": 0.5}),
        ("FusedGemm", ["x", "f", "bf"], {"transB": 1, "activation": "LeakyRelu", "activation_alpha": 0.2}),
        ("SkipLayerNormalization", ["x", "x", "ones", "b", "b"], {"epsilon": 1e-3}),
    ],
)
def test_each_form_computes_what_the_operator_does(op_type: str, inputs: list[str], attributes: dict) -> None:
    proto = tiny_graph.model(
        nodes=[("Relu", ["x"], ["y"])], inputs={"x": ("n", 4)}, outputs=["y"], initializers=WEIGHTS, infer_shapes=False
    )
    del proto.graph.node[:]
    proto.graph.node.append(helper.make_node(op_type, inputs, ["y"], "node", domain="com.microsoft", **attributes))
    proto.graph.output[0].type.tensor_type.elem_type = onnx.TensorProto.FLOAT
    proto.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    apart, taken = without_fused_operators(proto)
    assert taken == (op_type,) and not [node for node in apart.graph.node if node.domain]
    x = RANDOM.normal(size=(3, 4)).astype(np.float32)
    np.testing.assert_allclose(run(apart, {"x": x})[0], run(proto, {"x": x})[0], rtol=1e-5, atol=1e-6)


def test_what_has_no_such_form_is_refused_by_name(tmp_path: Path) -> None:
    proto = convolutions()
    proto.graph.node[1].op_type, proto.graph.node[1].domain = "ReorderInput", "com.microsoft.nchwc"
    assert without_fused_operators(proto)[0] is proto
    onnx.save(proto, tmp_path / "net.onnx")
    with pytest.raises(InputError, match=r"com\.microsoft\.nchwc\.ReorderInput .*without runtime optimisations"):
        load_model(tmp_path / "net.onnx")
