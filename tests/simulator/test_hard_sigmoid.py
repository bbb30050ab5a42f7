"""HardSigmoid as a saturating integer Add or a Clip of codes, in the simulator and in ONNX Runtime, to the bit."""

from __future__ import annotations

import math

import numpy as np
import onnx
import onnx_ir as ir
import pytest
import torch
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from onnx import numpy_helper

from gdfq_export.lint.check import check
from gdfq_export.metrics.parity import parity
from gdfq_export.planning.constraints import Breakpoints
from gdfq_export.planning.plan import QuantPoint, Role
from gdfq_export.qdq.read_back import read_back
from gdfq_export.recipe import Bits
from gdfq_export.runtimes.onnxruntime import optimized_graph
from gdfq_export.simulator import Quantizer
from gdfq_export.simulator.hard_sigmoid import clip_form, sum_form
from gdfq_export.targets import find_target
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


def gained_network(gain: float, seed: int = 0) -> onnx.ModelProto:
    """The gate of a HardSwish, and a convolution whose weights are `gain` times as large."""
    proto = gated_network(1 / 6, 0.5, seed)
    weight = next(each for each in proto.graph.initializer if len(each.dims) == 4)
    weight.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(weight) * np.float32(gain), weight.name))
    return proto


def quantize_point(*, at: float) -> QuantPoint:
    return QuantPoint(
        key="x", tensor="x", consumers=("gate",), role=Role.ACTIVATION, bits=8, signed=False, symmetric=False,
        axis=None, group="x", constraint=Breakpoints(at=at),
    )  # fmt: skip


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
@pytest.mark.parametrize(("alpha", "gate", "other"), [(1 / 6, "Clip", "QLinearAdd"), (1 / 5, "QLinearAdd", "Clip")])
def test_the_runtime_computes_it_on_integers(bits: int, alpha: float, gate: str, other: str) -> None:
    operators = executed(quantize(gated_network(alpha, 0.5), Bits(weights=bits, activations=bits)).file)
    assert {"HardSigmoid", "Add", "Mul", "DequantizeLinear"}.isdisjoint(operators)
    assert {gate, "QLinearMul"} <= set(operators)
    assert other not in operators or (other == "Clip" and bits == 4)  # which activations of 4 bits have of their own


def test_a_range_decides_which_of_the_two_it_is() -> None:
    forms = {gain: "QLinearAdd" in executed(quantize(gained_network(gain)).file) for gain in (0.1, 1.0, 10.0, 2e3)}
    assert forms == {0.1: True, 1.0: False, 10.0: False, 2e3: True}


@settings(max_examples=20, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 2**16), gain=st.floats(0.05, 30.0))
@example(seed=0, gain=0.1)
@example(seed=0, gain=1.0)
def test_as_a_clip_or_as_a_sum_every_integer_is_that_of_the_runtime_and_of_the_file_alone(
    seed: int, gain: float
) -> None:
    """Small ranges do not reach to where HardSwish bends, large ones have few steps before it."""
    proto = gained_network(gain, seed)
    quantized, images = quantize(proto), images_for(proto, 6, seed=1)
    for simulate in (quantized.exact.run, read_back(quantized.file).run):
        result = parity(quantized.file, simulate, images, 6)
        assert result.exact, f"{result.first_differing}: {result.differing} differ, unchecked {result.unchecked}"
    assert not [finding.message for finding in check(quantized.file, find_target("ort-cpu"))]


def test_a_clip_rounds_nothing() -> None:
    quantized, images = quantize(gated_network(1 / 6, 0.5)), images_for(gated_network(1 / 6, 0.5), 6, seed=1)
    codes, numbers = quantized.exact.run(images), quantized.exact.encodings
    x = (codes["t0_q"].astype(np.float64) - numbers["t0"].zero_point) * numbers["t0"].scale
    gate = (codes["t1_q"].astype(np.float64) - numbers["t1"].zero_point) * numbers["t1"].scale
    assert float(np.float32(3) / numbers["t0"].scale) == pytest.approx(round(3 / float(numbers["t0"].scale)), abs=1e-4)
    np.testing.assert_allclose(gate, np.clip(x / 6 + 0.5, 0, 1), atol=1e-6)


def test_a_range_that_breakpoints_would_widen_by_much_keeps_its_steps_and_is_a_sum() -> None:
    quantizer = Quantizer(quantize_point(at=3.0))
    quantizer.set_range(-1.0, 1.0)
    assert not quantizer.has_breakpoints and quantizer.scale.item() == pytest.approx(2 / 255)
    quantizer.set_range(-3.9, 4.2)
    assert quantizer.has_breakpoints and quantizer.scale.item() == pytest.approx(
        3 / 94, rel=1e-6
    )  # 95 steps of 3 / 95 do not reach 8.1
    assert clip_form(quantizer.scale.detach().numpy(), int(quantizer.zero_point)) is not None


@given(low=st.floats(-40, -3), high=st.floats(0, 40), factor=st.floats(0.3, 3))
def test_whatever_a_scale_is_tuned_to_the_breakpoint_stays_a_value_of_a_code(
    low: float, high: float, factor: float
) -> None:
    quantizer = Quantizer(quantize_point(at=3.0))
    quantizer.set_range(low, high)
    assert quantizer.scale.item() >= (high - low) / 255 * (1 - 1e-6)
    if quantizer.has_breakpoints:
        with torch.no_grad():
            quantizer.log_scale += math.log(factor)
        assert clip_form(quantizer.scale.detach().numpy(), int(quantizer.zero_point)) is not None
        quantizer.scale.backward()
        assert quantizer.log_scale.grad is not None and float(quantizer.log_scale.grad) > 0


def test_its_codes_are_those_of_the_function() -> None:
    proto = gated_network(1 / 5, 0.5)
    quantized, images = quantize(proto), images_for(proto, 6, seed=1)
    codes, scales = quantized.exact.run(images), quantized.exact.encodings
    x = (codes["t0_q"].astype(np.float64) - scales["t0"].zero_point) * scales["t0"].scale
    expected = np.clip(x / 5 + 0.5, 0, 1)
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
