"""The integer simulator against files for TensorRT as they are written: a code may move, an answer hardly.

TensorRT adds floats in an order of its own, so nothing is promised to the bit; ONNX Runtime, told to fuse nothing,
computes what the file says.
"""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gdfq_export.lint.tensorrt_rules import tensorrt_findings
from gdfq_export.recipe import Bits
from gdfq_export.runtimes.onnxruntime import OnnxRuntime
from tests import tiny_graph
from tests.simulator.quantized import images_for, quantize
from tests.simulator.random_network import CHANNELS, CLASSES, SIDE, Network, networks

NEAR = 1e-6
OF_A_CODE = 0.01  # what codes that are rounded otherwise change in small networks
FEW = 0.03  # of the codes; 2.1 % were seen
TOKENS = 3  # times both behind a float Softmax of products of tokens, which all codes after it follow; 6.3 % were seen
WIDTHS = [Bits(), Bits(weights=4, activations=4)]


def differences(proto: onnx.ModelProto, bits: Bits, target: str) -> tuple[float, float]:
    """Median difference of the logits relative to the largest, and the share of codes that differ."""
    quantized, images = quantize(proto, bits, target), images_for(proto, 6, seed=1)
    simulated = quantized.exact.run(images)
    codes = [name for name in simulated if name.endswith("_q")]
    session = OnnxRuntime(as_written=True).load(quantized.file.SerializeToString(), 1, taps=codes)
    found = session.run_tensors(images, list(simulated))
    logits = session.output_names[0]
    spread = float(np.abs(simulated[logits]).max()) or 1.0
    differing = sum(np.count_nonzero(found[name] != simulated[name]) for name in codes)
    median = float(np.median(np.abs(found[logits] - simulated[logits])))
    return median / spread, differing / sum(simulated[name].size for name in codes)


@settings(max_examples=30, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(proto=networks(), bits=st.sampled_from(WIDTHS), target=st.sampled_from(["tensorrt", "portable"]))
def test_a_random_network_answers_as_simulated(proto: onnx.ModelProto, bits: Bits, target: str) -> None:
    logits, codes = differences(proto, bits, target)
    times = TOKENS if any(node.op_type == "MatMul" for node in proto.graph.node) else 1
    assert logits <= NEAR or (codes and logits <= times * OF_A_CODE)
    assert codes <= times * FEW


@settings(max_examples=10, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(proto=networks(), bits=st.sampled_from(WIDTHS))
def test_a_portable_file_breaks_no_rule_of_tensorrt(proto: onnx.ModelProto, bits: Bits) -> None:
    assert tensorrt_findings(quantize(proto, bits, "portable").file) == []


@pytest.mark.parametrize("target", ["tensorrt", "portable"])
def test_a_constant_is_added_as_the_file_stores_it(target: str) -> None:
    net = Network(0)
    net.conv(CHANNELS)
    net.add("Add", [net.at, net.constant(net.random.normal(size=(1, CHANNELS, 1, 1)).astype(np.float32))])
    net.add("Sigmoid", [net.at])
    logits, codes = differences(_classifier(net), Bits(weights=4, activations=4), target)
    assert logits <= NEAR
    assert codes <= FEW


@pytest.mark.parametrize("bits", [8, 4])
def test_an_edge_that_skips_two_layers_is_added_before_anything_is_rounded(bits: int) -> None:
    net = Network(1)
    net.conv(CHANNELS)
    entry = net.add("Relu", [net.at])
    net.conv(CHANNELS)
    net.add("Relu", [net.at])
    net.conv(CHANNELS)
    net.add("Add", [net.at, entry])
    net.add("Relu", [net.at])
    net.conv(CHANNELS)
    logits, codes = differences(_classifier(net), Bits(weights=bits, activations=bits), "tensorrt")
    assert logits <= NEAR
    assert codes <= FEW


def test_another_files_integers_are_told_apart() -> None:
    net = Network(2)
    for _ in range(2):
        net.conv(CHANNELS)
        net.add("Relu", [net.at])
    proto = _classifier(net)
    eight, four = (quantize(proto, bits, "tensorrt") for bits in WIDTHS)
    images = images_for(proto, 6, seed=1)
    logits = eight.file.graph.output[0].name
    found = OnnxRuntime(as_written=True).load(four.file.SerializeToString(), 1).run(images)
    simulated = eight.exact.run(images)[logits]
    assert np.median(np.abs(found - simulated)) > 100 * NEAR * np.abs(simulated).max()


def _classifier(net: Network) -> onnx.ModelProto:
    """The network with a pooled Gemm behind it."""
    channels = net.shape[0]
    net.add("GlobalAveragePool", [net.at], (channels, 1, 1))
    net.add("Flatten", [net.at])
    net.add("Gemm", [net.at, net.weights(CLASSES, channels)], transB=1)
    return tiny_graph.model(
        nodes=net.nodes, inputs={"x": ("batch", 3, SIDE, SIDE)}, outputs=[net.at], initializers=net.initializers
    )
