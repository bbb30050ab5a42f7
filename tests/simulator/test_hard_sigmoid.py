"""HardSigmoid as a saturating integer Add, in the simulator and in ONNX Runtime, to the bit."""

from __future__ import annotations

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gdfq_export.backends.onnxruntime import optimized_graph
from gdfq_export.recipe import Bits
from gdfq_export.simulator.hard_sigmoid import sum_form
from gdfq_export.verify.parity import parity
from tests import tiny_graph
from tests.simulator.quantized import images_for, quantize
from tests.simulator.random_network import CHANNELS, CLASSES, SIDE, Network

WIDTHS = [Bits(), Bits(weights=4, activations=4), Bits(weights=4, activations=4, residual=4)]
SLOPES, OFFSETS = st.floats(0.01, 4.0), st.floats(0.01, 2.0)


def gated_network(alpha: float, beta: float, seed: int = 0) -> onnx.ModelProto:
    """Conv, HardSigmoid of its output, their Mul, and a pooled Gemm."""
    net = Network(seed)
    net.conv(CHANNELS)
    entry = net.at
    net.add("HardSigmoid", [net.at], alpha=alpha, beta=beta)
    net.add("Mul", [entry, net.at])
    net.add("GlobalAveragePool", [net.at], (CHANNELS, 1, 1))
    net.add("Flatten", [net.at])
    net.add("Gemm", [net.at, net.weights(CLASSES, CHANNELS)], transB=1)
    return tiny_graph.model(
        nodes=net.nodes, inputs={"x": ("batch", 3, SIDE, SIDE)}, outputs=[net.at], initializers=net.initializers
    )


def executed(file: onnx.ModelProto) -> list[str]:
    return [node.op_type for node in optimized_graph(file.SerializeToString()).graph.node]


@settings(max_examples=30, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(seed=st.integers(0, 2**16), alpha=SLOPES, beta=OFFSETS, bits=st.sampled_from(WIDTHS))
def test_every_integer_is_that_of_the_runtime(seed: int, alpha: float, beta: float, bits: Bits) -> None:
    proto = gated_network(alpha, beta, seed)
    quantized = quantize(proto, bits)
    result = parity(quantized.file, quantized.exact.run, images_for(proto, 6, seed=1), 6)
    assert result.exact, f"{result.first_differing}: {result.differing} integers differ, unchecked {result.unchecked}"
    assert "t1_q" in [tensor.name for tensor in result.tensors]


@pytest.mark.parametrize("bits", [8, 4])
def test_the_runtime_computes_it_on_integers(bits: int) -> None:
    operators = executed(quantize(gated_network(1 / 6, 0.5), Bits(weights=bits, activations=bits)).file)
    assert {"HardSigmoid", "Add", "Mul", "DequantizeLinear"}.isdisjoint(operators)
    assert {"QLinearAdd", "QLinearMul"} <= set(operators)


def test_its_codes_are_those_of_the_function() -> None:
    proto = gated_network(1 / 6, 0.5)
    quantized, images = quantize(proto), images_for(proto, 6, seed=1)
    codes, scales = quantized.exact.run(images), quantized.exact.encodings
    x = (codes["t0_q"].astype(np.float64) - scales["t0"].zero_point) * scales["t0"].scale
    expected = np.clip(x / 6 + 0.5, 0, 1)
    assert scales["t1"].zero_point == 0
    assert np.abs(codes["t1_q"] * float(scales["t1"].scale) - expected).max() <= 0.51 * scales["t1"].scale


@pytest.mark.parametrize(("alpha", "beta"), [(-0.2, 0.5), (0.2, 0.0), (0.2, -0.5)])
def test_one_that_falls_or_has_no_offset_above_0_stays_float_and_exact(alpha: float, beta: float) -> None:
    proto = gated_network(alpha, beta)
    quantized = quantize(proto)
    assert "HardSigmoid" in executed(quantized.file)
    assert parity(quantized.file, quantized.exact.run, images_for(proto, 6, seed=1), 6).exact


def test_the_sum_saturates_at_the_code_of_1() -> None:
    node = ir.node("HardSigmoid", [ir.Value(name="x")], {"alpha": 0.25, "beta": 0.5})
    form = sum_form(node, np.float32(1 / 255))
    assert form.offset == np.float32(2)
    assert form.scale * 255 * np.float32(0.25) == pytest.approx(1.0)


def test_without_attributes_the_numbers_are_onnx_s() -> None:
    form = sum_form(ir.node("HardSigmoid", [ir.Value(name="x")]), np.float32(0.01))
    assert (form.offset, form.scale) == (np.float32(2.5), pytest.approx(0.05))
