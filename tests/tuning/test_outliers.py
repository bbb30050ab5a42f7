"""Images that a network answers far more strongly than others are named and left out, and only those."""

from __future__ import annotations

import numpy as np
import torch

from gdfq_export.simulator import Mode
from gdfq_export.tuning.outliers import without_outliers
from tests import tiny_graph
from tests.simulator.quantized import quantize
from tests.tuning.residual_network import images, simulator


def test_images_of_usual_strength_are_all_kept() -> None:
    usual = images(64)
    kept, left_out = without_outliers(simulator(8), usual, 10.0)
    assert kept is usual
    assert left_out is None


def test_an_image_of_many_times_the_strength_is_left_out_and_named() -> None:
    mixed = images(64)
    mixed[7] *= 1000
    mixed[40] *= 5000
    kept, left_out = without_outliers(simulator(8), mixed, 10.0)
    expected = torch.cat([mixed[:7], mixed[8:40], mixed[41:]])
    assert torch.equal(kept, expected)
    assert left_out is not None
    assert "left out: 2 of 64 images (by number 40, 7); image 40 drives layer" in left_out


def test_the_limit_says_how_far_an_image_may_go() -> None:
    mixed = images(64)
    mixed[7] *= 1000
    assert without_outliers(simulator(8), mixed, 1e6)[0] is mixed


def test_where_many_are_strong_all_are_kept() -> None:
    mixed = images(64)
    mixed[::8] *= 1000
    assert without_outliers(simulator(8), mixed, 10.0)[0] is mixed


def test_the_simulator_is_left_in_its_mode() -> None:
    network = simulator(8)
    modes = {quantizer.mode for quantizer in network.quantizers.values()}
    without_outliers(network, images(4), 10.0)
    assert {quantizer.mode for quantizer in network.quantizers.values()} == modes
    assert Mode.FLOAT not in modes


def test_a_layer_with_one_output_for_the_whole_batch_decides_nothing() -> None:
    proto = tiny_graph.model(
        nodes=[
            ("Conv", ["x", "w"], ["c"]),
            ("ReduceMean", ["c", "axes"], ["m"], {"keepdims": 0}),
            ("MatMul", ["m", "v"], ["k"]),
            ("Reshape", ["k", "shape"], ["k4"]),
            ("Mul", ["c", "k4"], ["s"]),
            ("GlobalAveragePool", ["s"], ["p"]),
            ("Flatten", ["p"], ["y"]),
        ],
        inputs={"x": ("batch", 3, 4, 4)},
        outputs=["y"],
        initializers={
            "w": np.ones((4, 3, 1, 1), np.float32),
            "v": np.ones((4, 4), np.float32),
            "axes": np.array([0, 2, 3]),
            "shape": np.array([1, 4, 1, 1]),
        },
    )
    usual = torch.rand(16, 3, 4, 4)
    assert without_outliers(quantize(proto).simulator, usual, 10.0)[0] is usual
