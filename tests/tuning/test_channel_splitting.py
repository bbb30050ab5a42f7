"""Copies of channels take the place of channels that are always 0: the same network in float, finer activations."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor

from gdfq_export.recipe import Bits, Tuning
from gdfq_export.simulator import Mode, Simulator
from gdfq_export.tuning import tune_layers
from gdfq_export.tuning.channel_splitting import split_channels
from tests import tiny_graph
from tests.simulator.quantized import images_for, quantize
from tests.simulator.random_network import networks

DEAD = (2, 5, 6)


def network(*, depthwise: bool, op_type: str = "Relu", dead: tuple[int, ...] = DEAD) -> onnx.ModelProto:
    """Conv, rectifier, perhaps a depthwise Conv and another rectifier, a Conv on all channels; `dead` are always 0.

    A layer before and a layer behind have more bits.
    """
    random = np.random.default_rng(3)

    def weights(*shape: int) -> np.ndarray:
        return (random.normal(size=shape) / np.sqrt(np.prod(shape[1:]))).astype(np.float32)

    arrays = {
        "i": weights(6, 3, 1, 1),
        "w": weights(8, 6, 3, 3),
        "l": weights(4, 5, 1, 1),
        "k": weights(8, 1, 3, 3),
        "v": weights(5, 8, *[1 if depthwise else 3] * 2),
    }
    arrays |= {
        name: (random.normal(size=size) * 0.1).astype(np.float32) for name, size in (("b", 8), ("d", 8), ("e", 5))
    }
    arrays["b"][list(dead)] = -100
    window = {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}
    nodes: list[tiny_graph.Node] = [
        ("Conv", ["x", "i"], ["t"], {}),
        ("Conv", ["t", "w", "b"], ["c"], window),
        (op_type, ["c"], ["r"]),
    ]
    if depthwise:
        nodes += [("Conv", ["r", "k", "d"], ["m"], {**window, "group": 8}), (op_type, ["m"], ["s"])]
    nodes += [
        ("Conv", ["s" if depthwise else "r", "v", "e"], ["o"], {} if depthwise else window),
        ("Conv", ["o", "l"], ["q"], {}),
        ("Flatten", ["q"], ["y"]),
    ]
    used = {name for node in nodes for name in node[1]}
    return tiny_graph.model(
        nodes=nodes,
        inputs={"x": ("batch", 3, 9, 9)},
        outputs=["y"],
        initializers={name: array for name, array in arrays.items() if name in used},
    )


def simulated(proto: onnx.ModelProto) -> tuple[Simulator, Simulator, Tensor]:
    """The network at 4 bits (weights and the ends 8), calibrated; its float copy; 32 images."""
    simulator = quantize(proto, Bits(weights=8, activations=4)).simulator
    return simulator, simulator.float_copy(), torch.from_numpy(images_for(proto, 32))


def outputs(simulator: Simulator, images: Tensor, mode: Mode) -> Tensor:
    with torch.no_grad(), simulator.in_mode(mode):
        found: Tensor = simulator(images)
    return found


@pytest.mark.parametrize("depthwise", [False, True])
def test_dead_channels_become_copies_and_the_float_network_stays(depthwise: bool) -> None:
    simulator, reference, images = simulated(network(depthwise=depthwise))
    wanted = outputs(reference, images, Mode.FLOAT)
    fractions = split_channels(simulator, reference, images)
    for changed in (simulator, reference):
        torch.testing.assert_close(outputs(changed, images, Mode.FLOAT), wanted, rtol=1e-4, atol=1e-5)
    assert len(fractions) == 1 + depthwise, "of every activation of the chain"
    for fraction in fractions.values():
        assert int((fraction != 0).sum()) >= len(DEAD) + 1 - len(DEAD) // 2
        assert float(fraction.abs().max()) < 0.5 and float(fraction.sum()) == pytest.approx(0, abs=1e-6)
    first = simulator.layers()[1].weight.detach()
    for channel in DEAD:
        others = [float((first[channel] - first[other]).abs().max()) for other in range(8) if other != channel]
        assert min(others) == 0, "the copy of another channel"


@pytest.mark.parametrize("depthwise", [False, True])
def test_the_error_that_these_activations_make_falls(depthwise: bool) -> None:
    errors = []
    for split in (False, True):
        simulator, reference, images = simulated(network(depthwise=depthwise))
        wanted = outputs(reference, images, Mode.FLOAT)
        fractions = split_channels(simulator, reference, images[:16])
        if not split:
            simulator, reference, _ = simulated(network(depthwise=depthwise))
        steps = Tuning(rounding=False, bias_correction="none")
        tune_layers(simulator, reference, images[:16], steps, seed=0, fractions=fractions if split else {})
        simulator.set_mode(Mode.FLOAT)
        for key in fractions:
            simulator.quantizers[key].mode = Mode.QUANTIZE
        with torch.no_grad():
            errors.append(float((simulator(images[16:]) - wanted[16:]).square().mean()))
    assert errors[1] < 0.7 * errors[0]


@pytest.mark.parametrize(
    "proto",
    [network(depthwise=True, dead=()), network(depthwise=True, op_type="LeakyRelu")],
    ids=["no channel is dead", "channels go on below 0"],
)
def test_a_network_without_dead_channels_is_left(proto: onnx.ModelProto) -> None:
    simulator, reference, images = simulated(proto)
    before = {name: value.clone() for name, value in simulator.state_dict().items() if isinstance(value, Tensor)}
    assert not split_channels(simulator, reference, images)
    assert all(torch.equal(simulator.state_dict()[name], value) for name, value in before.items())


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(proto=networks(), dead=st.sets(st.integers(0, 3)))
def test_any_network_computes_nearly_what_it_did(proto: onnx.ModelProto, dead: set[int]) -> None:
    proto = onnx.ModelProto.FromString(proto.SerializeToString())
    simulator, reference, images = simulated(proto)
    layers = [(layer, other) for layer, other in zip(simulator.layers(), reference.layers(), strict=True)]
    with torch.no_grad():
        for pair in layers:
            for layer in pair:
                if layer.bias is not None:
                    layer.bias[[channel for channel in dead if channel < len(layer.bias)]] = -100
    wanted = outputs(reference, images, Mode.FLOAT)
    split_channels(simulator, reference, images)
    found = outputs(reference, images, Mode.FLOAT)
    spread = (wanted - wanted.mean(dim=0)).square().mean()
    assert float((found - wanted).square().mean()) <= 0.05 * float(spread) + 1e-6 * float(wanted.square().mean())


@given(value=st.floats(-1, 14), copies=st.integers(2, 5))
def test_copies_that_are_apart_by_a_part_of_a_step_make_a_finer_grid(value: float, copies: int) -> None:
    shifts = (np.arange(copies) - (copies - 1) / 2) / copies
    together = np.clip(np.round(np.maximum(value, 0) + shifts), 0, 15).mean()
    assert abs(together - max(value, 0)) <= 0.5 / copies + 1e-9
