"""Integer sums have the same codes in all kernel sets of their target."""

from __future__ import annotations

import math

import numpy as np
import onnx
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gdfq_export.metrics.parity import parity
from gdfq_export.recipe import Bits
from gdfq_export.runtimes.emulation import Emulator
from gdfq_export.runtimes.emulation.session import EmulatedOnnxRuntime
from gdfq_export.simulator import IntegerSimulator, Quantizer, Simulator
from gdfq_export.simulator.kernel_sets import KERNEL_SETS
from gdfq_export.simulator.kernel_sets.equal_sums import all_pairs, equalize_sums
from gdfq_export.support.quant_params import QuantParams
from gdfq_export.targets import Kernel, find_target
from tests import tiny_graph
from tests.simulator.kernel_sets.kernel_model import grid
from tests.simulator.quantized import Quantized, images_for, quantize
from tests.simulator.random_network import CHANNELS, SIDE, Network, networks, residual_networks

TARGETS = ["ort-cpu", "ort-cpu-avx2"]
WIDTHS = [Bits(), Bits(weights=4), Bits(weights=4, activations=4)]


def differing(a: QuantParams, b: QuantParams, result: QuantParams) -> int:
    """Pairs of codes whose sum differs between x86-64 and ARM64."""
    x86, arm = (KERNEL_SETS[name].binary[Kernel.ADD] for name in ("onnxruntime-x86", "onnxruntime-arm64"))
    pairs = all_pairs(a, b)
    return int((x86(*pairs, result) != arm(*pairs, result)).sum())


def codes_of(quantized: Quantized, kernels: str, images: np.ndarray) -> dict[str, np.ndarray]:
    encodings, parameters = quantized.simulator.freeze(), quantized.simulator.tuned_parameters()
    simulator = IntegerSimulator(quantized.folded, quantized.plan, encodings, parameters, kernels=kernels)
    return simulator.run(images)


def residual(*behind: str) -> onnx.ModelProto:
    """A convolution, added to its input's projection; then the operators `behind`, and a convolution."""
    net = Network(0)
    net.conv(CHANNELS)
    first = net.at
    net.conv(CHANNELS)
    net.add("Add", [first, net.at])
    for op_type in behind:
        limits = [net.constant(np.float32(each)) for each in (0, 6)] if op_type == "Clip" else []
        net.add(op_type, [net.at, *limits])
    net.conv(CHANNELS)
    return tiny_graph.model(
        nodes=net.nodes, inputs={"x": ("batch", 3, SIDE, SIDE)}, outputs=[net.at], initializers=net.initializers
    )


def sum_quantizers(simulator: Simulator) -> list[Quantizer]:
    """Those of both summands and of the sum."""
    graph, plan = simulator.folded.graph, simulator.plan
    node = next(node for node in graph if node.op_type == "Add")
    absorbed = plan.by_node[str(node.name)].absorbed
    last = node if absorbed is None else next(each for each in graph if each.name == absorbed)
    values = (*node.inputs, last.outputs[0])
    return [simulator.quantizers[plan.by_tensor[str(value.name)].group] for value in values if value is not None]


def sum_grids(simulator: Simulator) -> list[QuantParams]:
    return [grid(float(each.scale.detach()), each.zero_point) for each in sum_quantizers(simulator)]


def set_scales(simulator: Simulator, *scales: float) -> None:
    for quantizer, scale in zip(sum_quantizers(simulator), scales, strict=True):
        with torch.no_grad():
            quantizer.log_scale.fill_(math.log(scale))


def test_scales_whose_ratio_is_a_power_of_two_differ_in_thousands_of_pairs() -> None:
    assert differing(grid(0.02, 3), grid(0.01, 128), grid(0.04, 100)) > 1000


def test_such_a_sum_gets_another_scale_half_a_percent_away_at_most() -> None:
    simulator = quantize(residual()).simulator
    set_scales(simulator, 0.02, 0.01, 0.04)
    assert differing(*sum_grids(simulator))
    equalize_sums(simulator.folded.graph, simulator.plan, simulator.quantizers)
    a, b, result = sum_grids(simulator)
    assert not differing(a, b, result)
    assert (float(a.scale), float(b.scale)) == pytest.approx((0.02, 0.01))
    assert float(result.scale) == pytest.approx(0.04, rel=5e-3)


def test_a_second_time_nothing_changes() -> None:
    simulator = quantize(residual()).simulator
    set_scales(simulator, 0.02, 0.01, 0.04)
    first, second = simulator.freeze(), simulator.freeze()
    assert all(np.array_equal(each.scale, second[key].scale) for key, each in first.items())


def test_the_limit_of_an_absorbed_clip_holds() -> None:
    simulator = quantize(residual("Clip")).simulator
    for factor in np.linspace(1, 1.5, 8):
        set_scales(simulator, 2 * factor * 6 / 255, 6 / 255, 1.0)
        equalize_sums(simulator.folded.graph, simulator.plan, simulator.quantizers)
        a, b, result = sum_grids(simulator)
        assert not differing(a, b, result) and 0.023 < float(result.scale) <= 6 / 255 + 1e-9


def test_breakpoints_remain_codes() -> None:
    simulator = quantize(residual("HardSwish")).simulator
    a, b, result = sum_grids(simulator)
    set_scales(simulator, float(result.scale), float(result.scale) / 2, float(result.scale))
    equalize_sums(simulator.folded.graph, simulator.plan, simulator.quantizers)
    a, b, result = sum_grids(simulator)
    steps = round(3 / float(result.scale))
    assert not differing(a, b, result)
    assert np.float32(3) / np.float32(steps) == np.float32(result.scale)


def test_a_target_without_equal_kernels_keeps_its_scales() -> None:
    assert not find_target("openvino").equal_kernels
    simulator = quantize(residual(), target="openvino").simulator
    before = {key: float(each.log_scale.detach().mean()) for key, each in simulator.quantizers.items()}
    equalize_sums(simulator.folded.graph, simulator.plan, simulator.quantizers)
    assert before == {key: float(each.log_scale.detach().mean()) for key, each in simulator.quantizers.items()}


@pytest.mark.parametrize("target", TARGETS)
@settings(max_examples=20, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(proto=st.one_of(networks(), residual_networks()), bits=st.sampled_from(WIDTHS))
def test_every_integer_of_a_random_network_is_the_same_in_all_kernel_sets(
    target: str, proto: onnx.ModelProto, bits: Bits
) -> None:
    quantized, images = quantize(proto, bits, target), images_for(proto, 6, seed=1)
    table = find_target(target)
    expected = codes_of(quantized, table.kernels, images)
    for kernels in table.equal_kernels:
        found = codes_of(quantized, kernels, images)
        assert all(np.array_equal(array, found[name]) for name, array in expected.items())


def assert_exact(emulator: Emulator, cpus: tuple[str, ...], quantized: Quantized, images: np.ndarray) -> None:
    for cpu in cpus:
        backend = EmulatedOnnxRuntime(emulator, cpu)
        result = parity(quantized.file, quantized.exact.run, images, len(images), backend=backend)
        assert result.exact, f"{cpu}: {result.first_differing}, {result.differing} differ"


ARM = ("cortex-a53", "cortex-a76")


@settings(max_examples=8, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(proto=st.one_of(networks(), residual_networks()), bits=st.sampled_from(WIDTHS))
def test_random_networks_are_exact_on_arm(emulator: Emulator, proto: onnx.ModelProto, bits: Bits) -> None:
    assert_exact(emulator, ARM, quantize(proto, bits), images_for(proto, 3, seed=1))


@pytest.mark.slow
@settings(max_examples=200, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(proto=networks(), bits=st.sampled_from(WIDTHS))
def test_many_random_networks_are_exact_on_arm(emulator: Emulator, proto: onnx.ModelProto, bits: Bits) -> None:
    assert_exact(emulator, ARM, quantize(proto, bits), images_for(proto, 4, seed=1))


@settings(max_examples=4, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(proto=networks())
def test_weights_of_seven_bits_are_exact_on_every_cpu(emulator: Emulator, proto: onnx.ModelProto) -> None:
    cpus = (*ARM, "haswell", "nehalem")
    assert_exact(emulator, cpus, quantize(proto, target="ort-every-cpu"), images_for(proto, 3, seed=1))
