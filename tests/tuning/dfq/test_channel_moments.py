"""What is followed through a graph is what a sampled normal input gives; behind the rest nothing is claimed."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gdfq_export.frontend.torch_import import import_graph
from gdfq_export.tuning.dfq.channel_moments import Moments, follow_moments
from tests import tiny_graph
from tests.simulator.random_network import Network
from tests.tuning.chain_network import normal, shuffle

MEAN, STD = [0.5, -1.0, 0.0, 2.0], [1.0, 2.0, 0.1, 1.5]
SAMPLES = 4000


def moments_of(net: Network, **options: Any) -> tuple[Moments, onnx.ModelProto]:
    proto = tiny_graph.model(
        nodes=net.nodes, inputs={"x": ("batch", 4, 4, 4)}, outputs=[net.at], initializers=net.initializers
    )
    return follow_moments(ir.from_proto(proto), {"x": normal(MEAN, STD)}, **options).moments[net.at], proto


def start() -> Network:
    net = Network(0)
    net.shape = (4, 4, 4)
    return net


def activation(net: Network, name: str) -> None:
    if name == "Clip":
        net.add("Clip", [net.at, net.constant(np.float32(-0.5)), net.constant(np.float32(1.5))])
    else:
        net.add(name, [net.at], **({"alpha": 0.2} if name == "LeakyRelu" else {}))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    moves=st.booleans(),
    name=st.sampled_from(["Relu", "LeakyRelu", "Clip", "Identity"]),
    steps=st.lists(
        st.sampled_from(["halves", "concat", "factor", "summand", "pad", "slice", "average"]), max_size=3, unique=True
    ),
)
def test_means_and_deviations_are_those_of_samples(moves: bool, name: str, steps: list[str]) -> None:
    net = start()
    if moves:
        shuffle(net)
    activation(net, name)
    for step in steps:
        channels = net.shape[0]
        if step == "halves" and channels % 2 == 0 and "concat" not in steps:  # summands must be independent
            first, second = f"t{len(net.nodes)}a", f"t{len(net.nodes)}b"
            net.nodes.append(("Split", [net.at], [first, second], {"axis": 1, "num_outputs": 2}))
            net.add("Add", [first, second], (channels // 2, *net.shape[1:]))
        elif step == "concat":
            net.add("Concat", [net.at, net.at], (2 * channels, *net.shape[1:]), axis=1)
        elif step == "factor":
            net.add("Mul", [net.constant(np.array([[[[-2.0]]]], np.float32)), net.at])
        elif step == "summand":
            net.add("Add", [net.at, net.constant(np.ones((channels, 1, 1), np.float32))])
        elif step == "pad":
            net.add("Pad", [net.at, net.constant(np.array([0, 0, 1, 0, 0, 0, 0, 0]))])
        elif step == "slice":
            bounds = [net.constant(np.array(values)) for values in ([0], [2], [3])]
            net.add("Slice", [net.at, *bounds])
        elif step == "average" and steps[-1] == "average":
            net.add("AveragePool", [net.at], kernel_shape=[2, 2])
    found, proto = moments_of(net)
    shape = [1, 4, 1, 1]
    random = torch.Generator().manual_seed(0)
    samples = torch.randn((SAMPLES, 4, 4, 4), generator=random) * torch.tensor(STD).reshape(shape)
    values = import_graph(ir.from_proto(proto))(samples + torch.tensor(MEAN).reshape(shape)).double()
    tolerance = 6 * 4 / math.sqrt(SAMPLES)
    torch.testing.assert_close(found.mean.expand(1, *values.shape[1:])[0], values.mean(dim=0), atol=tolerance, rtol=0)
    if "average" not in steps:
        torch.testing.assert_close(found.std.expand(1, *values.shape[1:])[0], values.std(dim=0), atol=0.5, rtol=0.1)
    assert bool((found.low <= found.mean + 1e-9).all() and (found.mean <= found.high + 1e-9).all())


def test_ranges_go_through_functions_and_sums() -> None:
    net = start()
    net.add("Relu", [net.at])
    relu, _ = moments_of(net, sigmas=2.0)
    assert relu.low[0, :, 0, 0].tolist() == pytest.approx([0, 0, 0, 0])
    assert relu.high[0, :, 0, 0].tolist() == pytest.approx([2.5, 3.0, 0.2, 5.0])
    net.add("Add", [net.at, "x"])
    total, _ = moments_of(net, sigmas=2.0)
    assert bool((total.high <= relu.high + torch.tensor([2.5, 3.0, 0.2, 5.0]).reshape(1, 4, 1, 1) + 1e-6).all())
    assert bool((total.high <= total.mean + 2 * total.std + 1e-9).all())
    wide, _ = moments_of(net, sigmas=6.0)
    assert float(wide.low[0, 0, 0, 0]) == pytest.approx(-5.5), "not below what both can be together"


def test_pooling_keeps_a_channel() -> None:
    net = start()
    net.add("MaxPool", [net.at], (4, 3, 3), kernel_shape=[2, 2])
    net.add("GlobalAveragePool", [net.at], (4, 1, 1))
    found, _ = moments_of(net)
    torch.testing.assert_close(found.mean.flatten().float(), torch.tensor(MEAN))
    torch.testing.assert_close(found.std.flatten().float(), torch.tensor(STD))


def test_what_is_not_followed_is_named_where_it_began() -> None:
    net = start()
    lost = net.add("Sigmoid", [net.at])
    net.add("Relu", [net.at])
    product = net.add("Mul", [net.at, "x"])
    model = ir.from_proto(
        tiny_graph.model(
            nodes=net.nodes, inputs={"x": ("batch", 4, 4, 4)}, outputs=[net.at], initializers=net.initializers
        )
    )
    known = follow_moments(model, {"x": normal(MEAN, STD)})
    assert set(known.moments) == {"x"}
    assert known.unknown[lost] == known.unknown[product] == f"Sigmoid Sigmoid_{lost}"
    assert follow_moments(model, {}).unknown["x"] == "the input x"
    assert follow_moments(model, {product: normal(MEAN, STD)}).moments.keys() == {product}
