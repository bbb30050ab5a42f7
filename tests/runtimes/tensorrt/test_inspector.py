"""The engine inspector's JSON, as TensorRT 10 and 11 document it, and what is not told is not guessed."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gdfq_export.errors import BackendUnavailable
from gdfq_export.runtimes.base import ExecutedGraph
from gdfq_export.runtimes.tensorrt.inspector import inspected_graph
from tests.runtimes.tensorrt.fake_tensorrt import layer


def graph(*layers: Any) -> ExecutedGraph:
    return inspected_graph(json.dumps({"Layers": layers}), "tensorrt 11.4", ["x"], ["y"])


def kinds(*layers: Any) -> list[str]:
    return [node.kind for node in graph(*layers).nodes]


@pytest.mark.parametrize(
    "kind", ["CaskConvolution", "CaskDeconvolutionV2", "CaskGemmMatrixMultiply", "CaskJitConv", "correlation", "gemm"]
)
def test_layers_that_multiply_are_integer_where_they_read_integers(kind: str) -> None:
    assert kinds(layer("a", kind), layer("b", kind, "Half")) == ["integer compute", "float compute"]


@pytest.mark.parametrize("kind", ["Reformat", "NoOp", "kgen", "CaskPooling", "Converter"])
def test_all_others_are_none_of_both(kind: str) -> None:
    assert kinds(layer("a"), layer("b", kind)) == ["integer compute", "other"]


def test_types_have_a_key_of_their_own_from_tensorrt_11_on() -> None:
    newer = layer("a") | {"Inputs": [{"Name": "x", "Datatype": "Int8", "Format": "Row major linear"}]}
    assert kinds(newer) == ["integer compute"]


def test_float_weights_are_float_whatever_is_read() -> None:
    assert kinds(layer("a", Weights={"Type": "Float"}), layer("b", Weights={"Type": "Int8"})) == [
        "float compute",
        "integer compute",
    ]


def test_where_shapes_are_open_the_weights_tell() -> None:
    unknown = [{"Name": "x", "Format/Datatype": "N/A due to dynamic shapes"}]
    assert kinds(layer("a", Weights={"Type": "Int8"}) | {"Inputs": unknown}) == ["integer compute"]


@pytest.mark.parametrize("inputs", [[], [{"Name": "x"}], [{"Name": "x", "Format/Datatype": "N/A due to shapes"}]])
def test_a_layer_that_does_not_tell_is_not_guessed(inputs: list[Any]) -> None:
    with pytest.raises(BackendUnavailable, match="does not tell whether its layer a runs on integers"):
        graph(layer("a") | {"Inputs": inputs})


@pytest.mark.parametrize("layers", [[], ["a name alone"], [layer("a"), "a name"], [layer("a", "Reformat")]])
def test_an_engine_without_details_is_not_full_of_integers(layers: list[Any]) -> None:
    with pytest.raises(BackendUnavailable, match="does not tell which of its layers run on integers"):
        graph(*layers)


def test_layers_are_called_as_in_the_file() -> None:
    named = layer("fused", Metadata="[ONNX Layer: /stem/Conv]\x1e[ONNX Layer: /stem/Relu]")
    (node,) = graph(named).nodes
    assert (node.name, node.inputs, node.outputs) == ("/stem/Conv", ("fused_in",), ("fused_out",))
