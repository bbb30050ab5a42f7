"""Networks that end in operators without gradient: they are quantized up to there, written, simulated and read back."""

from __future__ import annotations

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper

from calib.input_spec import InputSpec
from gdfq_export.frontend.float_model import FloatModel, build
from gdfq_export.jobs.draft_model import Draft, write_draft
from gdfq_export.metrics.parity import parity
from gdfq_export.qdq.read_back import read_back
from gdfq_export.recipe import Bits
from tests import tiny_graph

SPEC = InputSpec(shape=(3, 8, 8), scale=255.0, mean=(0.5,) * 3, std=(0.25,) * 3)
LAYERS: list[tiny_graph.Node] = [
    ("Conv", ["x", "w1"], ["c"], {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}),
    ("Relu", ["c"], ["r"]),
    ("Conv", ["r", "w2"], ["offsets"], {"kernel_shape": [1, 1]}),
    ("Conv", ["r", "w3"], ["classes"], {"kernel_shape": [1, 1]}),
    ("Reshape", ["offsets", "box_shape"], ["columns"]),
    ("Transpose", ["columns"], ["boxes"], {"perm": [0, 2, 1]}),
    ("Reshape", ["classes", "score_shape"], ["scores"]),
]
NMS: list[tiny_graph.Node] = [
    ("NonMaxSuppression", ["boxes", "scores", "most", "", "least"], ["found"]),
    ("Gather", ["found", "one"], ["kind"], {"axis": 1}),
    ("Gather", ["boxes", "kind"], ["picked"], {"axis": 1}),
]
IF: list[tiny_graph.Node] = [
    ("ReduceMean", ["scores"], ["mean"], {"keepdims": 0}),
    ("Greater", ["mean", "least"], ["many"]),
]


def network(tail: list[tiny_graph.Node], outputs: list[str]) -> onnx.ModelProto:
    random = np.random.default_rng(0)
    return tiny_graph.model(
        nodes=[*LAYERS, *tail],
        inputs={"x": ("batch", 3, 8, 8)},
        outputs=outputs,
        initializers={
            "w1": random.normal(size=(8, 3, 3, 3)).astype(np.float32),
            "w2": random.normal(size=(4, 8, 1, 1)).astype(np.float32),
            "w3": random.normal(size=(5, 8, 1, 1)).astype(np.float32),
            "box_shape": np.array([0, 4, -1]),
            "score_shape": np.array([0, 5, -1]),
            "most": np.int64(3),
            "least": np.float32(0.5),
            "one": np.int64(1),
        },
    )


def with_if() -> onnx.ModelProto:
    """An If behind the layers, one branch of which has a layer that the main graph has too."""

    def branch(name: str, nodes: list[onnx.NodeProto]) -> onnx.GraphProto:
        return helper.make_graph(nodes, name, [], [helper.make_tensor_value_info(f"{name}_y", TensorProto.FLOAT, None)])

    proto = network(IF, ["mean"])
    branches = {
        "then_branch": branch("then", [helper.make_node("Conv", ["r", "w3"], ["then_y"])]),
        "else_branch": branch("else", [helper.make_node("Neg", ["classes"], ["else_y"])]),
    }
    proto.graph.node.append(helper.make_node("If", ["many"], ["y"], name="choice", **branches))
    proto.graph.output[0].CopyFrom(helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 5, 8, 8]))
    return proto


def images_for(count: int) -> np.ndarray:
    return np.clip(np.random.default_rng(1).normal(size=(count, 3, 8, 8)), -2, 2).astype(np.float32)


def quantized(proto: onnx.ModelProto) -> tuple[FloatModel, Draft]:
    model = build(proto, name="net", source="net.onnx", sha256="0", input_spec=SPEC)
    return model, write_draft(model, "ort-cpu", Bits(), torch.from_numpy(images_for(8)))


def require_parity(draft: Draft) -> None:
    for simulation in (draft.exact, read_back(draft.file)):
        result = parity(draft.file, simulation.run, images_for(10), 5)
        assert result.exact and result.outputs_differing == 0


def test_boxes_and_scores_are_compared_where_nms_is_in_the_graph() -> None:
    model, draft = quantized(network(NMS, ["found", "picked"]))
    assert model.task.compared == ("boxes", "scores")
    assert {node.op_type for node in draft.plan.nodes if node.kernel is None} - {"Relu"} == {
        "NonMaxSuppression",
        "Gather",
    }
    assert all(node.reason for node in draft.plan.nodes if node.kernel is None)
    assert [output.name for output in draft.file.graph.output] == ["found", "picked"]
    require_parity(draft)


def test_an_if_is_kept_with_its_branches_and_a_layer_in_them_reads_what_the_file_holds() -> None:
    model, draft = quantized(with_if())
    assert set(model.task.compared) == {"r", "classes", "mean"}
    kept = next(node for node in draft.file.graph.node if node.op_type == "If")
    assert [node.op_type for node in kept.attribute[0].g.node] in (["Conv"], ["Neg"])
    require_parity(draft)
