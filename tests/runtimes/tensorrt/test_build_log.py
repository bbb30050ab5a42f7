"""How the list of layers in the build log is read: by types, by names, and never to a file's advantage."""

from __future__ import annotations

import numpy as np

from gdfq_export.runtimes.base import ExecutedGraph
from gdfq_export.runtimes.tensorrt.build_log import _layer, logged_graph
from tests import tiny_graph

INTEGER_LAYER = (
    "Name: Conv_c_myl0_2, LayerType: correlation, Inputs: [ { Name: __mye782c_9_myl0, Dimensions: [-1,4,6,6], "
    "Strides: [144,1,24,4], StrideOrder: [3,0,2,1], Datatype: Int8, Format: (NHWC) Channel major format }], "
    "Constants: [ { Name: __mye1018dconst_myl0, Dimensions: [8,4,3,3], Strides: [36,1,12,4], StrideOrder: [3,0,2,1], "
    "Datatype: Int8, Format: (NHWC) Channel major format }], "
    "Outputs: [ { Name: __myln_k_arg__bb1_10_myl0, Dimensions: [-1,8,6,6], Strides: [288,1,48,8], "
    "StrideOrder: [3,0,2,1], Datatype: Float, Format: (NHWC) Channel major format }], "
    "TacticName: __myelin_CASK_STUB, StreamId: 0, Metadata: [ONNX Layer: Conv_c]\x1f[ONNX Layer: DequantizeLinear_x_dq]"
)
NO_LAYER = (
    "Name: __mye385_0_myl0_0, LayerType: shape_call, Inputs: [], Constants: [], Outputs: [], TacticName: , "
    "StreamId: 0, Metadata: "
)


def graph_of(log: str, *layers: str) -> ExecutedGraph:
    """The graph of a build log and a file of Conv `layers` one behind the other."""
    values = ["x", *layers]
    nodes: list[tiny_graph.Node] = [
        ("Conv", [before, "w"], [after]) for before, after in zip(values, layers, strict=False)
    ]
    weight = np.ones((3, 3, 1, 1), np.float32)
    file = tiny_graph.model(nodes=nodes, inputs={"x": (1, 3, 4, 4)}, outputs=[values[-1]], initializers={"w": weight})
    return logged_graph(log, file, "tensorrt_rtx 1.7")


def test_a_line_of_the_log_is_a_layer_with_its_types() -> None:
    node, names = _layer(INTEGER_LAYER)
    assert (node.name, node.op_type, node.kind) == ("Conv_c", "correlation", "integer compute")
    assert (node.inputs, node.outputs) == (("__mye782c_9_myl0",), ("__myln_k_arg__bb1_10_myl0",))
    assert names == ("Conv_c", "DequantizeLinear_x_dq")


def test_a_layer_that_reads_floats_is_float_whatever_its_weights_are() -> None:
    node, _ = _layer(INTEGER_LAYER.replace("Datatype: Int8", "Datatype: Float", 1))
    assert node.kind == "float compute"


def test_a_line_without_tensors_is_no_layer() -> None:
    node, names = _layer(NO_LAYER)
    assert (node.name, node.op_type, node.kind) == ("__mye385_0_myl0_0", "shape_call", "other")
    assert node.inputs == node.outputs == names == ()


def test_a_layer_of_the_file_that_the_log_does_not_name_counts_as_float() -> None:
    graph = graph_of(f"Layers:\n{NO_LAYER}\n{INTEGER_LAYER}\n", "c", "d")
    kinds = {node.name: node.kind for node in graph.nodes if node.kind.endswith("compute")}
    assert kinds == {"Conv_c": "integer compute", "Conv_d": "float compute"}
