"""Equalization leaves what a network computes, shares the ranges of neighbours out, and moves the statistics along."""

from __future__ import annotations

import math

import numpy as np
import onnx
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gdfq_export.frontend.passes.fold_batch_norm import ChannelStatistics
from gdfq_export.simulator import Simulator
from gdfq_export.tuning.dfq.equalization import equalize
from gdfq_export.tuning.dfq.input_channels import largest_by_input
from gdfq_export.tuning.dfq.layer_pairs import find_pairs
from tests import tiny_graph
from tests.simulator.quantized import images_for
from tests.simulator.random_network import networks
from tests.tuning.chain_network import CHANNELS, chains, computed, normal, simulated

RANDOM = np.random.default_rng(0)


def require_the_same_function(proto: onnx.ModelProto) -> Simulator:
    simulator, statistics = simulated(proto)
    images = torch.from_numpy(images_for(proto, 4))
    wanted = computed(simulator, images)
    equalize(simulator, statistics, "weights")
    found = computed(simulator, images)
    assert float((found - wanted).abs().max()) <= 1e-4 * max(1.0, float(wanted.abs().max()))
    return simulator


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(proto=chains())
def test_a_chain_computes_what_it_did_and_its_ranges_are_shared_out(proto: onnx.ModelProto) -> None:
    simulator = require_the_same_function(proto)
    pairs = find_pairs(simulator)
    assert len(pairs) == len(simulator.layers()) - 1
    for pair in pairs:
        written = pair.first.weight.flatten(1).abs().amax(dim=1)
        read = torch.zeros_like(written)
        read.scatter_reduce_(0, pair.channels, largest_by_input(pair.second.weight, pair.groups), "amax")
        torch.testing.assert_close(written, read, rtol=2e-2, atol=0)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(proto=networks())
def test_any_network_computes_what_it_did(proto: onnx.ModelProto) -> None:
    require_the_same_function(proto)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(proto=chains(), seed=st.integers(0, 2**16))
def test_how_far_values_reach_is_settled_with_the_weights_that_read_them(proto: onnx.ModelProto, seed: int) -> None:
    simulator, _ = simulated(proto)
    random = np.random.default_rng(seed)
    known = {
        pair.output: normal(random.uniform(0.0, 1.0, CHANNELS), random.uniform(0.5, 2.0, CHANNELS))
        for pair in find_pairs(simulator)
    }
    images = torch.from_numpy(images_for(proto, 4))
    wanted = computed(simulator, images)
    scaled = equalize(simulator, known, "activations")
    found = computed(simulator, images)
    assert float((found - wanted).abs().max()) <= 1e-4 * max(1.0, float(wanted.abs().max()))
    for pair in find_pairs(simulator):
        reach = pair.reach(scaled[pair.output])
        read = torch.zeros(CHANNELS)
        read.scatter_reduce_(0, pair.channels, largest_by_input(pair.second.weight, pair.groups), "amax")
        ratio = reach**2 / read
        torch.testing.assert_close(ratio, ratio[:1].expand_as(ratio), rtol=2e-2, atol=0)


def test_channels_that_cannot_be_scaled_set_the_measure_of_the_others() -> None:
    simulator, _ = simulated(relu6_network())
    (pair,) = find_pairs(simulator)
    with torch.no_grad():
        pair.second.weight.copy_(torch.tensor([1.0, 0.5, 0.6, 0.3]).expand(5, 4))
    known = {"c": normal([6.0, 3.0, 3.0, 3.0], [1.0, 0.1, 0.1, 0.1])}
    before = simulator.parameter("w").detach().clone()
    scaled = equalize(simulator, known, "activations")
    assert torch.equal(simulator.parameter("w")[0], before[0]), "its bound is reached"
    ratios = pair.reach(scaled["c"]) ** 2 / largest_by_input(pair.second.weight, 1)
    others = [1, 2]  # channel 3 has no weights
    torch.testing.assert_close(ratios[others], ratios[[0]].expand(2), rtol=1e-4, atol=0)


def weights(*shape: int) -> np.ndarray:
    return RANDOM.normal(size=shape).astype(np.float32)


def relu6_network() -> onnx.ModelProto:
    """Conv, ReLU6, 1x1 Conv; the first one's channel 0 has weights a hundredth of the others', channel 3 none."""
    first = weights(4, 3, 3, 3) / 5
    first[0] /= 100
    first[3] = 0
    arrays = {"w": first, "b": weights(4), "v": weights(5, 4, 1, 1), "l": np.float32(0), "h": np.float32(6)}
    nodes: list[tiny_graph.Node] = [
        ("Conv", ["x", "w", "b"], ["c"], {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}),
        ("Clip", ["c", "l", "h"], ["r"]),
        ("Conv", ["r", "v"], ["d"], {"kernel_shape": [1, 1]}),
        ("GlobalAveragePool", ["d"], ["p"]),
        ("Flatten", ["p"], ["y"]),
    ]
    return tiny_graph.model(nodes=nodes, inputs={"x": ("batch", 3, 9, 9)}, outputs=["y"], initializers=arrays)


def test_statistics_are_scaled_with_their_channel() -> None:
    simulator, _ = simulated(relu6_network())
    known = {"c": normal([0.0, 1.0, -1.0, 0.0], [0.1, 1.0, 1.0, 0.0]), "other": normal([1.0], [2.0])}
    before = simulator.parameter("b").detach().clone()
    scaled = equalize(simulator, known, "weights")
    factors = before / simulator.parameter("b").detach()
    assert float(factors[0]) < 0.5, "a channel of small weights grows"
    np.testing.assert_allclose(scaled["c"].mean, known["c"].mean / factors.numpy(), rtol=1e-5)
    np.testing.assert_allclose(scaled["c"].std, known["c"].std / factors.numpy(), rtol=1e-5)
    assert scaled["other"] is known["other"]


def test_a_channel_without_weights_is_left() -> None:
    simulator, _ = simulated(relu6_network())
    before = simulator.parameter("b")[3].item()
    equalize(simulator, {"c": normal([0.0] * 4, [0.1] * 4)}, "weights")
    assert simulator.parameter("b")[3].item() == before


@pytest.mark.parametrize(
    ("statistics", "moves"),
    [
        ({}, False),
        ({"c": normal([5.0] * 4, [1.0] * 4)}, False),
        ({"c": normal([0.0] * 4, [0.5] * 4)}, True),
    ],
    ids=["nothing known", "the bound is reached", "the bound is out of reach"],
)
def test_channels_pass_a_relu6_only_out_of_its_reach(statistics: dict[str, ChannelStatistics], moves: bool) -> None:
    simulator, _ = simulated(relu6_network())
    before = simulator.parameter("w").detach().clone()
    scaled = equalize(simulator, statistics, "weights")
    after = simulator.parameter("w").detach()
    assert torch.equal(before, after) is not moves
    for known in scaled.values():
        if moves:
            assert float((known.mean + 6 * known.std).max()) <= 6 * (1 + 1e-6)
            grown = before[0].abs().max() / after[0].abs().max()
            assert math.isclose(float(grown), 0.5 * 6 / 6, rel_tol=1e-4), "as large as the bound lets it be"
