"""Absorption is exact where channels stay high and nothing is padded; elsewhere its error is the one that is named."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
import torch
from torch import Tensor

from gdfq_export.simulator import Simulator
from gdfq_export.tuning.dfq.bias_absorption import absorb
from tests import tiny_graph
from tests.simulator.quantized import images_for
from tests.tuning.chain_network import computed, normal, simulated

RANDOM = np.random.default_rng(0)
HIGH = normal([20.0, 20.0, -1.0, 0.5], [4.0, 1.0, 1.0, 1.0])  # channel 0 absorbs 8, channel 1 17, the others nothing


def network(*, activation: str = "Relu", padding: int = 0, upper: float | None = None) -> onnx.ModelProto:
    """1x1 Conv with biases of 20 in channels 0 and 1, `activation`, grouped 3x3 Conv."""
    arrays = {
        "w": RANDOM.normal(size=(4, 3, 1, 1)).astype(np.float32) / 4,
        "b": np.array([20, 20, -1, 0.5], np.float32),
        "v": RANDOM.normal(size=(4, 2, 3, 3)).astype(np.float32),
        "a": RANDOM.normal(size=4).astype(np.float32),
    }
    inputs = ["c"]
    if upper is not None:
        arrays |= {"l": np.float32(0), "h": np.float32(upper)}
        inputs += ["l", "h"]
    nodes: list[tiny_graph.Node] = [
        ("Conv", ["x", "w", "b"], ["c"], {"kernel_shape": [1, 1]}),
        (activation, inputs, ["r"]),
        ("MaxPool", ["r"], ["m"], {"kernel_shape": [2, 2]}),
        ("Conv", ["m", "v", "a"], ["d"], {"kernel_shape": [3, 3], "pads": [padding] * 4, "group": 2}),
        ("GlobalAveragePool", ["d"], ["p"]),
        ("Flatten", ["p"], ["y"]),
    ]
    return tiny_graph.model(nodes=nodes, inputs={"x": ("batch", 3, 9, 9)}, outputs=["y"], initializers=arrays)


def change(proto: onnx.ModelProto) -> tuple[Tensor, Simulator]:
    """How far logits move, and the network whose biases moved."""
    simulator, _ = simulated(proto)
    images = torch.from_numpy(images_for(proto, 4))
    before = computed(simulator, images)
    changed = absorb(simulator, {"c": HIGH})
    np.testing.assert_allclose(changed["c"].mean - HIGH.mean, simulator.parameter("b").detach() - biases(), atol=1e-5)
    assert np.array_equal(changed["c"].std, HIGH.std)
    return (computed(simulator, images) - before).abs().max(), simulator


def biases() -> Tensor:
    return torch.tensor([20.0, 20.0, -1.0, 0.5])


def test_it_is_exact_without_padding() -> None:
    moved, simulator = change(network())
    assert float(moved) < 1e-4
    torch.testing.assert_close(simulator.parameter("b").detach(), torch.tensor([12.0, 3.0, -1.0, 0.5]))


def test_padding_is_overlooked_as_in_the_paper() -> None:
    moved, simulator = change(network(padding=1))
    assert float(moved) > 1e-2
    torch.testing.assert_close(simulator.parameter("b").detach(), torch.tensor([12.0, 3.0, -1.0, 0.5]))


def test_nothing_moves_through_a_leaky_relu() -> None:
    moved, simulator = change(network(activation="LeakyRelu"))
    assert float(moved) == 0
    assert torch.equal(simulator.parameter("b").detach(), biases())


@pytest.mark.parametrize(("upper", "absorbed"), [(100.0, [8.0, 17.0]), (30.0, [0.0, 17.0]), (6.0, [0.0, 0.0])])
def test_a_channel_that_a_clip_cuts_keeps_its_bias(upper: float, absorbed: list[float]) -> None:
    _, simulator = change(network(activation="Clip", upper=upper))
    taken = biases() - simulator.parameter("b").detach()
    torch.testing.assert_close(taken[:2], torch.tensor(absorbed))


def test_without_statistics_nothing_moves() -> None:
    simulator, _ = simulated(network())
    assert absorb(simulator, {}) == {}
    assert torch.equal(simulator.parameter("b").detach(), biases())
