"""The integer simulator against OpenVINO, which adds in an order of its own: a code may move, an answer hardly."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from gdfq_export.recipe import Bits
from gdfq_export.runtimes.openvino import OpenVino
from tests.simulator.quantized import Quantized, images_for, quantize
from tests.simulator.random_network import CHANNELS, CLASSES, SIDE, Network, networks, residual_networks
from tests.tiny_graph import model

pytest.importorskip("openvino", reason="OpenVINO is not installed (pip install 'gdfq-export[openvino]')")


WIDE = 16


def answers(quantized: Quantized, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Simulated, and by OpenVINO."""
    simulated = quantized.exact.run(images)[quantized.file.graph.output[0].name]
    return simulated, OpenVino().load(quantized.file.SerializeToString(), 1).run(images)


@settings(max_examples=40, derandomize=True, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(proto=networks(), bits=st.sampled_from([Bits(), Bits(weights=4, activations=4)]))
def test_a_random_network_answers_as_simulated(proto: onnx.ModelProto, bits: Bits) -> None:
    quantized = quantize(proto, bits, "openvino")
    # products of two activations are float there, and so is the Softmax of numbers that they make large: where one code
    # moves, a random network of two such answers otherwise (5 of 420)
    assume("MatMul" not in [node.op_type for node in quantized.file.graph.node])
    simulated, found = answers(quantized, images_for(proto, 6, seed=1))
    spread = float(np.abs(simulated).max()) or 1.0
    assert np.median(np.abs(found - simulated)) <= 0.05 * spread


@settings(max_examples=40, derandomize=True, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(proto=residual_networks(), bits=st.sampled_from([Bits(), Bits(weights=4), Bits(residual=4)]))
def test_sums_give_the_simulated_codes(proto: onnx.ModelProto, bits: Bits) -> None:
    """Of most images every one: now and then a value lies half-way, and what follows it differs."""
    quantized, images = quantize(proto, bits, "openvino"), images_for(proto, 8, seed=1)
    output = quantized.file.graph.output[0].name
    found = OpenVino().load(quantized.file.SerializeToString(), 1).run(images)
    step = float(quantized.exact.encodings[quantized.plan.by_tensor[output].key].scale)
    apart = np.abs(found - quantized.exact.run(images)[output]) > step / 2
    assert np.median(apart.reshape(len(images), -1).mean(axis=1)) <= 0.01


@pytest.mark.parametrize("seed", range(5))
def test_the_edge_that_openvino_does_not_round_is_not_rounded(seed: int) -> None:
    net = Network(seed)
    net.conv(WIDE)
    net.add("Relu", [net.at])
    entry = net.at
    net.conv(WIDE)
    first, net.at = net.at, entry
    net.conv(WIDE)
    net.add("Add", [first, net.at])
    net.add("Relu", [net.at])
    net.conv(WIDE)
    net.add("GlobalAveragePool", [net.at], (WIDE, 1, 1))
    net.add("Flatten", [net.at])
    net.add("Gemm", [net.at, net.weights(CLASSES, WIDE)], transB=1)
    proto = model(
        nodes=net.nodes, inputs={"x": ("batch", 3, SIDE, SIDE)}, outputs=[net.at], initializers=net.initializers
    )
    errors = []
    for target in ("openvino", "ort-cpu"):
        simulated, found = answers(quantize(proto, Bits(), target), images_for(proto, 6, seed=1))
        errors.append(float(np.abs(found - simulated).mean()))
    assert errors[0] < errors[1] / 4


@pytest.mark.parametrize("between", [None, "Clip", "Concat"])
@pytest.mark.parametrize("read_twice", [False, True])
def test_blocks_behind_a_concat_have_the_simulated_codes(between: str | None, read_twice: bool) -> None:
    """OpenVINO 2026.4 does not load DequantizeLinear -> DepthToSpace there."""
    net = Network(seed=0)
    net.conv(WIDE)
    for _ in range(2 if between == "Concat" else 1):
        entry, channels = net.at, net.shape[0]
        net.conv(WIDE, 1)
        net.add("Concat", [entry, net.at], (channels + WIDE, SIDE, SIDE), axis=1)
    if between == "Clip":
        net.add("Clip", [net.at, net.constant(np.float32(-1)), net.constant(np.float32(1))])
    joined, channels = net.at, net.shape[0]
    net.add("DepthToSpace", [joined], (channels // 4, 2 * SIDE, 2 * SIDE), blocksize=2, mode="CRD")
    net.conv(WIDE, stride=2)
    if read_twice:
        small, net.at, net.shape = net.at, joined, (channels, SIDE, SIDE)
        net.conv(WIDE)
        net.add("Add", [small, net.at])
    net.conv(CLASSES)
    proto = model(
        nodes=net.nodes, inputs={"x": ("batch", 3, SIDE, SIDE)}, outputs=[net.at], initializers=net.initializers
    )
    simulated, found = answers(quantize(proto, Bits(), "openvino"), images_for(proto, 6, seed=1))
    assert np.median(np.abs(found - simulated)) <= 1e-5


def test_a_text_detector_answers_as_simulated() -> None:
    """Two branches of two ConvTranspose each, which are written as Conv and DepthToSpace, behind joined features."""
    net = Network(seed=0)
    net.conv(WIDE, stride=2)
    net.add("Relu", [net.at])
    entry, shape = net.at, net.shape
    net.conv(WIDE)
    net.add("Concat", [entry, net.at], (2 * WIDE, *shape[1:]), axis=1)
    features, shape, maps = net.at, net.shape, []
    for _ in range(2):
        net.at, net.shape = features, shape
        for channels, activation in ((WIDE, "Relu"), (1, "Sigmoid")):
            weight = net.constant(net.random.normal(size=(net.shape[0], channels, 2, 2)).astype(np.float32) / 4)
            net.add("ConvTranspose", [net.at, weight], (channels, 2 * net.shape[1], 2 * net.shape[2]), strides=[2, 2])
            net.add(activation, [net.at])
        maps.append(net.at)
    net.add("Sub", maps)
    proto = model(
        nodes=net.nodes, inputs={"x": ("batch", 3, SIDE, SIDE)}, outputs=[net.at], initializers=net.initializers
    )
    quantized = quantize(proto, Bits(), "openvino")
    assert [node.op_type for node in quantized.file.graph.node].count("DepthToSpace") == 4
    simulated, found = answers(quantized, images_for(proto, 6, seed=1))
    assert np.median(np.abs(found - simulated)) <= 1e-5


@pytest.mark.parametrize("target", ["openvino", "portable"])
@pytest.mark.parametrize(("sizes", "bias"), [((8, 5), None), ((16, 64), None), ((8, 5), 0.1), ((8, 5), "random")])
def test_fully_connected_layers_without_biases_answer_as_simulated(
    sizes: tuple[int, int], bias: float | str | None, target: str
) -> None:
    """OpenVINO 2026.4 joins them into one kernel, whose answers are wrong if the first has no biases."""
    net = Network(seed=0)
    net.conv(CHANNELS)
    net.add("GlobalAveragePool", [net.at], (CHANNELS, 1, 1))
    net.add("Flatten", [net.at])
    inputs = CHANNELS
    for outputs in sizes:
        values = net.random.normal(size=outputs) if bias == "random" else np.full(outputs, bias or 0.0)
        biases = [] if bias is None else [net.constant(values.astype(np.float32))]
        net.add("Gemm", [net.at, net.weights(outputs, inputs), *biases], (outputs, 1, 1), transB=1)
        inputs = outputs
    proto = model(
        nodes=net.nodes, inputs={"x": ("batch", 3, SIDE, SIDE)}, outputs=[net.at], initializers=net.initializers
    )
    quantized = quantize(proto, Bits(), target)
    kernels = [node.kernel for node in quantized.plan.nodes if node.op_type == "Gemm"]
    assert [kernel is None for kernel in kernels] == [bias != "random", False]
    simulated, found = answers(quantized, images_for(proto, 6, seed=1))
    assert np.median(np.abs(found - simulated)) <= 0.05 * np.abs(simulated).max()
