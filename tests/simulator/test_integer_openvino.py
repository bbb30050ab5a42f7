"""The integer simulator against OpenVINO, which adds in an order of its own: a code may move, an answer hardly."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from gdfq_export.recipe import Bits
from gdfq_export.runtimes.openvino import OpenVino
from tests.simulator.quantized import images_for, quantize
from tests.simulator.random_network import CLASSES, SIDE, Network, networks, residual_networks
from tests.tiny_graph import model

pytest.importorskip("openvino", reason="OpenVINO is not installed (pip install 'gdfq-export[openvino]')")


WIDE = 16


def answers(proto: onnx.ModelProto, bits: Bits, target: str) -> tuple[np.ndarray, np.ndarray]:
    """Simulated, and by OpenVINO."""
    quantized, images = quantize(proto, bits, target), images_for(proto, 6, seed=1)
    simulated = quantized.exact.run(images)[quantized.file.graph.output[0].name]
    return simulated, OpenVino().load(quantized.file.SerializeToString(), 1).run(images)


@settings(max_examples=40, derandomize=True, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(proto=networks(), bits=st.sampled_from([Bits(), Bits(weights=4, activations=4)]))
def test_a_random_network_answers_as_simulated(proto: onnx.ModelProto, bits: Bits) -> None:
    assume(not any(attribute.name == "count_include_pad" for node in proto.graph.node for attribute in node.attribute))
    # OpenVINO 2026.4 joins small fully connected layers into one kernel that reads memory nobody has written
    assume(sum(node.op_type in ("Gemm", "MatMul") for node in proto.graph.node) < 2)
    simulated, found = answers(proto, bits, "openvino")
    spread = float(np.abs(simulated).max()) or 1.0
    assert np.median(np.abs(found - simulated)) <= 0.05 * spread


@settings(max_examples=40, derandomize=True, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(proto=residual_networks(), bits=st.sampled_from([Bits(), Bits(weights=4), Bits(residual=4)]))
def test_sums_give_the_simulated_codes(proto: onnx.ModelProto, bits: Bits) -> None:
    """Of most images every one: now and then a value lies half-way, and what follows it differs."""
    assume(not any(attribute.name == "count_include_pad" for node in proto.graph.node for attribute in node.attribute))
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
        simulated, found = answers(proto, Bits(), target)
        errors.append(float(np.abs(found - simulated).mean()))
    assert errors[0] < errors[1] / 4
