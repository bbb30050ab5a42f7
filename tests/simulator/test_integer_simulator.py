"""The integer simulator against ONNX Runtime: every quantized tensor and the logits, to the bit."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gdfq_export.metrics.parity import parity
from gdfq_export.qdq.writer import write_onnx
from gdfq_export.recipe import Bits
from gdfq_export.simulator import IntegerSimulator
from tests import tiny_graph
from tests.simulator.quantized import images_for, quantize
from tests.simulator.random_network import CHANNELS, CLASSES, SIDE, Network, networks

WIDTHS = [Bits(), Bits(weights=4, activations=4), Bits(weights=3, activations=5, first_last=6, residual=7)]
WIDTHS += [Bits(weights=2, first_last=2), Bits(weights=3, first_last=2)]


@settings(max_examples=200, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(proto=networks(), bits=st.sampled_from(WIDTHS), target=st.sampled_from(["ort-cpu", "ort-cpu-avx2"]))
def test_every_integer_of_a_random_network_is_that_of_the_runtime(
    proto: onnx.ModelProto, bits: Bits, target: str
) -> None:
    quantized = quantize(proto, bits, target)
    result = parity(quantized.file, quantized.exact.run, images_for(proto, 6, seed=1), 6)
    assert result.exact, f"{result.first_differing}: {result.differing} integers differ, unchecked {result.unchecked}"


@settings(max_examples=20, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(proto=networks())
def test_the_file_passes_the_full_check_of_onnx(proto: onnx.ModelProto) -> None:
    onnx.checker.check_model(quantize(proto, Bits(weights=4, activations=4)).file, full_check=True)


@settings(max_examples=15, derandomize=True, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(proto=networks())
def test_float_mode_differs_from_integer_mode_by_rounding_only(proto: onnx.ModelProto) -> None:
    quantized = quantize(proto)
    images = images_for(proto, 6, seed=1)
    with torch.no_grad():
        simulated = quantized.simulator(torch.from_numpy(images)).numpy()
    exact = quantized.exact.run(images)[quantized.file.graph.output[0].name]
    spread = float(np.abs(simulated).max()) or 1.0
    assert np.abs(simulated - exact).max() <= 0.1 * spread


def test_a_changed_integer_is_noticed() -> None:
    proto = _fixed_network()
    quantized = quantize(proto)
    scale = next(tensor for tensor in quantized.file.graph.initializer if tensor.name == "x_scale")
    scale.raw_data = (np.frombuffer(scale.raw_data, np.float32) * np.float32(1.01)).tobytes()
    result = parity(quantized.file, quantized.exact.run, images_for(proto, 6), 6)
    assert not result.exact
    assert result.first_differing == "x_q"


def test_a_pool_that_never_gave_anything_but_0_has_a_scale_that_the_runtime_takes() -> None:
    proto = _fixed_network(dead=True)
    quantized = quantize(proto)
    result = parity(quantized.file, quantized.exact.run, images_for(proto, 6, seed=1), 6)
    assert result.exact


@pytest.mark.parametrize("size", [1e-7, 1e-12])
def test_small_numbers_between_two_layers_are_as_exact_as_others(size: float) -> None:
    def answers(size: float) -> np.ndarray:
        net = Network(0)
        net.conv(CHANNELS)
        net.add("Relu", [net.at])
        net.conv(CHANNELS)
        for name, factor in zip(list(net.initializers), (size, size, 1 / size, 1.0), strict=True):
            net.initializers[name] *= np.float32(factor)
        proto = tiny_graph.model(
            nodes=net.nodes, inputs={"x": ("batch", 3, SIDE, SIDE)}, outputs=[net.at], initializers=net.initializers
        )
        quantized, images = quantize(proto), images_for(proto, 6, seed=1)
        assert parity(quantized.file, quantized.exact.run, images, 6).exact
        return quantized.exact.run(images)[net.at]

    usual = answers(1.0)
    np.testing.assert_allclose(answers(size), usual, atol=0.02 * np.abs(usual).max())


def test_a_mean_next_to_nothing_has_a_scale_that_the_runtime_takes() -> None:
    proto = _fixed_network()
    images, quantized = images_for(proto, 6, seed=1), quantize(proto)
    plan, simulator = quantized.plan, quantized.simulator
    mean = next(node for node in quantized.folded.graph if node.op_type == "GlobalAveragePool")
    simulator.quantizers[plan.by_tensor[str(mean.outputs[0].name)].group].set_range(-1e-9, 1e-9)
    encodings, parameters = simulator.freeze(), simulator.tuned_parameters()
    file = write_onnx(quantized.folded, plan, encodings, parameters, {})
    assert parity(file, IntegerSimulator(quantized.folded, plan, encodings, parameters).run, images, 6).exact


def _fixed_network(*, dead: bool = False) -> onnx.ModelProto:
    """`dead`: the pool's input is never above 0, and a Relu follows it."""
    net = Network(0)
    net.conv(CHANNELS)
    net.add("Relu", [net.at])
    if dead:
        net.add("Mul", [net.at, net.constant(np.asarray(-1, np.float32))])
    net.add("GlobalAveragePool", [net.at])
    if dead:
        net.add("Relu", [net.at])
    net.add("Flatten", [net.at])
    net.add("Gemm", [net.at, net.weights(CLASSES, CHANNELS)], transB=1)
    return tiny_graph.model(
        nodes=net.nodes, inputs={"x": ("batch", 3, SIDE, SIDE)}, outputs=[net.at], initializers=net.initializers
    )
