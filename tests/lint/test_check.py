"""No false alarm: our own files, those of other tools, and what ONNX Runtime really does with them."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gdfq_export.errors import InputError
from gdfq_export.lint import check, inspect_file
from gdfq_export.recipe import Bits
from gdfq_export.runtimes.onnxruntime import OnnxRuntime, optimized_graph
from gdfq_export.support.finding import Consequence
from gdfq_export.targets import TARGETS
from tests.fully_connected import fully_connected
from tests.lint.peer_files import network, static_file
from tests.qdq.qdq_files import file
from tests.simulator.quantized import quantize
from tests.simulator.random_network import networks

SLOW = settings(max_examples=15, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
BITS = {"W8A8": Bits(), "W4A4": Bits(weights=4, activations=4)}


@SLOW
@given(proto=networks(), bits=st.sampled_from(list(BITS)), target=st.sampled_from(list(TARGETS)))
def test_a_file_of_ours_breaks_no_rule_but_has_nodes_without_kernels(
    proto: onnx.ModelProto, bits: str, target: str
) -> None:
    quantized = quantize(proto, BITS[bits], target)
    model, planned = quantized.file, quantized.plan.by_node
    found = check(model, TARGETS[target])
    # OpenVINO multiplies fully connected layers without biases together, so its plan leaves the first in float
    of_float = {"no integer kernel", "half quantized", "float layer"}
    assert [each for each in found if each.rule not in of_float or planned[each.node].kernel is not None] == []
    without = {each.node for each in found if "fully connected layer" not in (planned[each.node].reason or "")}
    kinds = {node.name: node.op_type for node in model.graph.node}
    executed = {node.op_type for node in optimized_graph(model.SerializeToString()).graph.node}
    assert {kinds[name] for name in without} - {"HardSwish"} <= executed


@pytest.mark.parametrize("target", ["ort-cpu", "openvino", "tensorrt"])
def test_weights_in_blocks_break_no_rule(target: str) -> None:
    model = quantize(fully_connected(), Bits(weights=4, blocks=32), target).file
    assert check(model, TARGETS[target]) == []
    assert [(layer.weight_bits, layer.weight_block) for layer in inspect_file(model, 0).layers[1:]] == [
        (4, 32),
        (4, 16),
    ]


@settings(max_examples=12, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(proto=networks())
def test_of_a_file_of_quantize_static_the_float_layers_are_named_and_no_others(
    tmp_path_factory: pytest.TempPathFactory, proto: onnx.ModelProto
) -> None:
    model = static_file(proto, tmp_path_factory.mktemp("static"), recommended=True)
    layers = {layer.name for layer in inspect_file(model, 0).layers}
    found = check(model, TARGETS["ort-cpu"])
    said = {each.node for each in found if each.consequence is Consequence.FLOAT} & layers
    graph = OnnxRuntime().examine(model.SerializeToString())
    assert said == {node.name for node in graph.nodes if node.kind == "float compute"}
    assert {each.consequence for each in found} <= {Consequence.FLOAT, Consequence.SLOWER, Consequence.OTHER_CPU}


@pytest.mark.parametrize("target", ["ort-cpu", "openvino"])
def test_nothing_is_wrong_with_the_recommended_file_of_quantize_static(tmp_path: Path, target: str) -> None:
    found = check(static_file(network(), tmp_path, recommended=True), TARGETS[target])
    assert {each.rule for each in found} <= {"pair before an Add", "weights of -128", "sums differ"}


def test_the_default_file_of_quantize_static_is_slow_in_onnx_runtime(tmp_path: Path) -> None:
    found = check(static_file(network(), tmp_path, recommended=False), TARGETS["ort-cpu"])
    assert "int8 activation" in {each.rule for each in found}


def test_a_file_of_ours_for_one_runtime_is_found_wanting_for_another() -> None:
    model = quantize(network(), target="ort-cpu").file
    assert check(model, TARGETS["ort-cpu"]) == []
    assert Consequence.REFUSED in {each.consequence for each in check(model, TARGETS["tensorrt"])}
    assert {each.rule for each in check(model, TARGETS["openvino"])} == {"pair before an Add"}
    assert {each.rule for each in check(model, TARGETS["ort-cpu-avx2"])} == {"weights saturate"}


@pytest.mark.parametrize("target", TARGETS)
def test_a_float_file_breaks_no_rule(target: str) -> None:
    assert check(network(), TARGETS[target]) == []


def test_a_finding_is_told_once() -> None:
    found = check(file(opset=21), TARGETS["portable"])
    assert len(found) == len(set(found)) > 0


def test_a_graph_that_contradicts_itself_is_an_input_error() -> None:
    model = file()
    model.graph.node[0].output[0] = model.graph.node[1].output[0]
    with pytest.raises(InputError, match="not what ONNX allows"):
        check(model, TARGETS["ort-cpu"])
