"""Ranges from statistics: the widest channel's, cut by the activation, and observed only where nothing is known."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
import torch

from gdfq_export.recipe import Calibration
from gdfq_export.tuning import calibrate
from gdfq_export.tuning.dfq.statistics_ranges import statistics_ranges
from tests import tiny_graph
from tests.simulator.quantized import images_for
from tests.tuning.chain_network import normal, simulated

RANDOM = np.random.default_rng(0)
KNOWN = {"c": normal([1.0, -2.0], [1.0, 0.5]), "d": normal([0.0, 1.0], [2.0, 1.0])}


def network() -> onnx.ModelProto:
    """Conv, Relu, Conv and their sum; a Sigmoid, behind which nothing is known, pooled into a Gemm."""
    arrays = {"w": (2, 3, 1, 1), "b": (2,), "v": (2, 2, 1, 1), "a": (2,), "g": (3, 2)}
    nodes: list[tiny_graph.Node] = [
        ("Conv", ["x", "w", "b"], ["c"], {"kernel_shape": [1, 1]}),
        ("Relu", ["c"], ["r"]),
        ("Conv", ["r", "v", "a"], ["d"], {"kernel_shape": [1, 1]}),
        ("Add", ["r", "d"], ["s"]),
        ("Sigmoid", ["s"], ["m"]),
        ("GlobalAveragePool", ["m"], ["p"]),
        ("Flatten", ["p"], ["f"]),
        ("Gemm", ["f", "g"], ["y"], {"transB": 1}),
    ]
    return tiny_graph.model(
        nodes=nodes,
        inputs={"x": ("batch", 3, 4, 4)},
        outputs=["y"],
        initializers={name: RANDOM.normal(size=shape).astype(np.float32) for name, shape in arrays.items()},
    )


def test_the_widest_channel_decides() -> None:
    ranges, reasons = statistics_ranges(simulated(network())[0], KNOWN, 3.0)
    assert ranges["r"] == pytest.approx((0.0, 4.0))
    assert ranges["d"] == pytest.approx((-6.0, 6.0))
    mean, variance = 1.08332, 4 + 0.75107  # of a normal behind a ReLU, and of the sum
    assert ranges["s"] == pytest.approx((mean - 3 * variance**0.5, mean + 3 * variance**0.5), abs=1e-3)
    assert reasons == dict.fromkeys(("m", "p"), "nothing is known behind Sigmoid Sigmoid_m")
    assert statistics_ranges(simulated(network())[0], KNOWN, 1.0)[0]["d"] == pytest.approx((-2.0, 2.0))


def test_calibration_takes_them_and_observes_the_rest() -> None:
    simulator, _ = simulated(network())
    ranges, _ = statistics_ranges(simulator, KNOWN, 3.0)
    images = torch.from_numpy(images_for(network(), 8))
    calibrate(simulator, [images], Calibration(activations="batchnorm"), ranges)
    spans = {key: float(quantizer.scale.detach().max()) * 255 for key, quantizer in simulator.quantizers.items()}
    assert (spans["r"], spans["d"]) == pytest.approx((4.0, 12.0))
    assert 0 < spans["m"] <= 1.0, "a sigmoid's extremes on these images"


def test_without_statistics_everything_is_observed() -> None:
    simulator, _ = simulated(network())
    ranges, reasons = statistics_ranges(simulator, {}, 6.0)
    assert ranges == {} and reasons["r"] == "nothing is known behind Conv Conv_c"
