"""The integer simulator against files for QNN: to the bit in ONNX Runtime's CPU provider."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import numpy_helper

from gdfq_export.lint.check import check
from gdfq_export.metrics.parity import parity
from gdfq_export.planning.plan import Role
from gdfq_export.qdq.read_back import read_back
from gdfq_export.recipe import Bits
from gdfq_export.runtimes.qnn import Qnn
from gdfq_export.targets import Kernel
from gdfq_export.targets.qnn import QNN
from tests import tiny_graph
from tests.simulator.quantized import images_for, quantize
from tests.simulator.random_network import CHANNELS, SIDE, Network, networks

SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large]
WIDTHS = [Bits(), Bits(weights=4, first_last=4), Bits(weights=3)]


@settings(max_examples=25, suppress_health_check=SLOW)
@given(proto=networks(), bits=st.sampled_from(WIDTHS))
def test_every_integer_of_a_random_network_is_that_of_onnx_runtime(proto: onnx.ModelProto, bits: Bits) -> None:
    quantized = quantize(proto, bits, "qnn")
    result = parity(quantized.file, quantized.exact.run, images_for(proto, 6, seed=1), 6)
    assert result.exact, f"{result.first_differing}: {result.differing} integers differ, unchecked {result.unchecked}"


@settings(max_examples=15, suppress_health_check=SLOW)
@given(proto=networks())
def test_a_file_is_read_back_as_it_was_simulated(proto: onnx.ModelProto) -> None:
    quantized, images = quantize(proto, Bits(), "qnn"), images_for(proto, 3, seed=1)
    expected, found = quantized.exact.run(images), read_back(quantized.file).run(images)
    for name in found:
        np.testing.assert_array_equal(found[name], expected[name])


@settings(max_examples=4, derandomize=True, suppress_health_check=SLOW)
@given(proto=networks(), bits=st.sampled_from(WIDTHS))
def test_the_processor_takes_every_node_that_is_planned_in_integers(proto: onnx.ModelProto, bits: Bits) -> None:
    pytest.importorskip("onnxruntime_qnn", reason="pip install 'gdfq-export[qnn]'")
    quantized = quantize(proto, bits, "qnn")
    elsewhere = Qnn().load(quantized.file.SerializeToString(), 1).on_cpu
    planned = {node.node for node in quantized.plan.nodes if node.kernel is not None}
    assert elsewhere & planned == set()


def _network(*nodes: tiny_graph.Node, shape: tuple[int | str, ...] = ("batch", 4, 8), **constants: np.ndarray):
    return tiny_graph.model(nodes=nodes, inputs={"x": shape}, outputs=[nodes[-1][2][0]], initializers=constants)


def test_a_constant_factor_of_a_product_has_one_scale() -> None:
    weight = np.random.default_rng(0).normal(size=(6, 4)).astype(np.float32)
    proto = _network(("MatMul", ["w", "x"], ["y"]), w=weight)
    quantized = quantize(proto, Bits(), "qnn")
    (point,) = (point for point in quantized.plan.points if point.role is Role.CONSTANT)
    assert point.axis is None
    assert parity(quantized.file, quantized.exact.run, images_for(proto, 6, seed=1), 6).exact


def test_everything_that_the_processor_computes_has_pairs_around_it() -> None:
    net = Network(0)
    net.conv(CHANNELS)
    for operator in ("Tanh", "Elu", "Abs", "Sqrt", "Softmax"):
        net.add(operator, [net.at])
    net.add("Max", [net.at, net.at])
    proto = tiny_graph.model(
        nodes=net.nodes, inputs={"x": ("batch", 3, SIDE, SIDE)}, outputs=[net.at], initializers=net.initializers
    )
    plan = quantize(proto, Bits(), "qnn").plan
    assert {node.kernel for node in plan.nodes} == {Kernel.CONV, Kernel.SOFTMAX, Kernel.BETWEEN_PAIRS}


def gated() -> onnx.ModelProto:
    """Two convolutions, a Sigmoid that gates the first, a Tanh behind the product."""
    net = Network(0)
    net.conv(CHANNELS)
    entry = net.at
    net.conv(CHANNELS)
    net.add("Sigmoid", [net.at])
    net.add("Mul", [entry, net.at])
    net.add("Tanh", [net.at])
    net.conv(CHANNELS)
    return tiny_graph.model(
        nodes=net.nodes, inputs={"x": ("batch", 3, SIDE, SIDE)}, outputs=[net.at], initializers=net.initializers
    )


WIDE = {"all": ("*",), "functions": ("Sigmoid", "Tanh"), "a convolution": ("Conv_t1",)}


@pytest.mark.parametrize("name", WIDE)
def test_16_bits_are_exact_break_no_rule_and_run_on_the_processor(name: str) -> None:
    proto = gated()
    quantized, images = quantize(proto, Bits(keep_int16=WIDE[name]), "qnn"), images_for(proto, 6, seed=1)
    assert parity(quantized.file, quantized.exact.run, images, 6).exact
    assert parity(quantized.file, read_back(quantized.file).run, images, 6).exact
    assert check(quantized.file, QNN) == []
    pytest.importorskip("onnxruntime_qnn", reason="pip install 'gdfq-export[qnn]'")
    session = Qnn().load(quantized.file.SerializeToString(), 1)
    expected = quantized.exact.run(images)[session.output_names[0]]
    assert session.on_cpu == set()
    assert np.abs(session.run(images) - expected).max() < 0.05 * np.abs(expected).max()


@pytest.mark.parametrize(("operator", "scale", "zero_point"), [("Sigmoid", 1 / 65536, 0), ("Tanh", 1 / 32768, 32768)])
def test_a_16_bit_function_has_the_scale_of_the_processor(operator: str, scale: float, zero_point: int) -> None:
    quantized = quantize(gated(), Bits(keep_int16=("*",)), "qnn")
    (node,) = (node for node in quantized.folded.graph if node.op_type == operator)
    point = quantized.plan.by_tensor[str(node.outputs[0].name)]
    encoding = quantized.exact.encodings[point.key]
    assert (float(encoding.scale), encoding.zero_point) == (scale, zero_point)


def test_a_dead_channel_of_16_bits_is_no_smaller_than_the_processor_computes_with() -> None:
    proto = gated()
    weights = next(tensor for tensor in proto.graph.initializer if list(tensor.dims) == [CHANNELS, CHANNELS, 3, 3])
    array = numpy_helper.to_array(weights).copy()
    array[0] *= 1e-7
    weights.CopyFrom(numpy_helper.from_array(array, weights.name))
    quantized, images = quantize(proto, Bits(keep_int16=("*",)), "qnn"), images_for(proto, 6, seed=1)
    assert check(quantized.file, QNN) == []
    assert parity(quantized.file, quantized.exact.run, images, 6).exact
    pytest.importorskip("onnxruntime_qnn", reason="pip install 'gdfq-export[qnn]'")
    session = Qnn().load(quantized.file.SerializeToString(), 1)
    expected = quantized.exact.run(images)[session.output_names[0]]
    assert np.abs(session.run(images) - expected).max() < 0.02 * np.abs(expected).max()


def test_a_file_takes_one_image() -> None:
    net = Network(0)
    net.conv(CHANNELS)
    proto = tiny_graph.model(
        nodes=net.nodes, inputs={"x": ("batch", 3, SIDE, SIDE)}, outputs=[net.at], initializers=net.initializers
    )
    file = quantize(proto, Bits(), "qnn").file
    assert file.graph.input[0].type.tensor_type.shape.dim[0].dim_value == 1
    assert file.graph.output[0].type.tensor_type.shape.dim[0].dim_value == 1


def test_an_activation_of_nothing_has_the_smallest_range_of_the_runtimes_tools() -> None:
    proto = _network(("Mul", ["x", "c"], ["y"]), ("Tanh", ["y"], ["z"]), c=np.asarray(1e-9, np.float32))
    quantized = quantize(proto, Bits(), "qnn")
    encoding = quantized.exact.encodings["y"]
    assert float(encoding.scale) * 255 == pytest.approx(1e-4, rel=1e-3)


def test_narrow_activations_are_clipped_in_front_of_their_pairs() -> None:
    net = Network(0)
    net.conv(CHANNELS)
    net.conv(CHANNELS)
    proto = tiny_graph.model(
        nodes=net.nodes, inputs={"x": ("batch", 3, SIDE, SIDE)}, outputs=[net.at], initializers=net.initializers
    )
    quantized = quantize(proto, Bits(weights=4, activations=4, first_last=4), "qnn")
    assert not quantized.plan.exact
    clips = [node for node in quantized.file.graph.node if node.op_type in ("Clip", "Relu")]
    assert clips and all(node.output[0].endswith("_clipped") for node in clips)
