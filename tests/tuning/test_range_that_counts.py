"""A range ends where the readers of a tensor give the same for everything beyond."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import onnx
import pytest
import torch

from gdfq_export.recipe import Calibration, Tuning
from gdfq_export.simulator import Mode
from gdfq_export.tuning import calibrate, tune_layers
from gdfq_export.tuning.range_that_counts import EVERYTHING, range_that_counts
from tests import tiny_graph
from tests.simulator.quantized import Quantized, images_for, quantize

HARD_SWISH = {"alpha": 1 / 6, "beta": 0.5}


def network(*behind: tiny_graph.Node, outputs: tuple[str, ...] = ("z",)) -> onnx.ModelProto:
    """A convolution c of large outputs, what is given behind it, and a convolution of y."""
    random = np.random.default_rng(0)
    arrays = {"w": random.normal(size=(4, 3, 3, 3)) * 20, "v": random.normal(size=(4, 4, 1, 1))}
    nodes = [("Conv", ["x", "w"], ["c"], {"kernel_shape": [3, 3]}), *behind, ("Conv", ["y", "v"], ["z"])]
    return tiny_graph.model(
        nodes=nodes,
        inputs={"x": ("batch", 3, 9, 9)},
        outputs=list(outputs),
        initializers={name: array.astype(np.float32) for name, array in arrays.items()},
    )


def gate(x: str = "c", y: str = "g", **numbers: Any) -> tiny_graph.Node:
    return ("HardSigmoid", [x], [y], numbers or HARD_SWISH)


def ends(quantized: Quantized) -> tuple[float, float]:
    return range_that_counts(quantized.folded.graph, quantized.plan, quantized.plan.by_tensor["c"])


@pytest.mark.parametrize(
    ("behind", "wanted"),
    [
        ([gate(), ("Mul", ["c", "g"], ["y"])], (-3, math.inf)),
        ([gate(), ("Mul", ["g", "c"], ["y"])], (-3, math.inf)),
        ([gate(y="y", alpha=0.25, beta=0.5)], (-2, 2)),
        ([gate(alpha=0.25, beta=0.5), ("Mul", ["c", "g"], ["y"])], EVERYTHING),
        ([gate(), ("Mul", ["c", "g"], ["p"]), ("Add", ["p", "c"], ["y"])], EVERYTHING),
        ([gate(), ("Mul", ["c", "c"], ["p"]), ("Mul", ["p", "g"], ["y"])], EVERYTHING),
    ],
)
def test_the_range_that_counts_is_what_readers_distinguish(
    behind: list[tiny_graph.Node], wanted: tuple[float, float]
) -> None:
    assert ends(quantize(network(*behind))) == pytest.approx(wanted)


@pytest.mark.parametrize("estimator", ["minmax", "mse"])
def test_codes_of_a_hard_swish_are_not_spent_below_where_it_is_0(estimator: Any) -> None:
    proto = network(gate(), ("Mul", ["c", "g"], ["y"]))
    quantized, seen = quantize(proto), torch.from_numpy(images_for(proto, 8))
    simulator = quantized.simulator
    calibrate(simulator, [seen], Calibration(activations=estimator, weights="minmax"))
    quantizer = simulator.quantizers["c"]
    scale = float(quantizer.scale.detach())
    with torch.no_grad(), simulator.in_mode(Mode.FLOAT):
        values = torch.nn.functional.conv2d(seen, simulator.parameter("w"))
    assert float(values.min()) < -30
    assert -quantizer.zero_point * scale == pytest.approx(-3, abs=scale)
    assert scale <= (3 + float(values.max())) / 255 * 1.25


def test_a_scale_is_not_chosen_for_values_that_do_not_count() -> None:
    proto = network(gate(), ("Mul", ["c", "g"], ["y"]))
    simulator, seen = quantize(proto).simulator, torch.from_numpy(images_for(proto, 8))
    before = float(simulator.quantizers["c"].scale.detach())
    steps = Tuning(activation_scales=True, rounding=False, bias_correction="none")
    tune_layers(simulator, simulator.float_copy(), seen, steps, seed=0)
    assert float(simulator.quantizers["c"].scale.detach()) <= 1.02 * before
