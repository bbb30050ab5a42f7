"""Average pools in OpenVINO's forms: the numbers stay, in OpenVINO too, and the file is read back."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

import numpy as np
import onnx
import pytest

from gdfq_export.lint import check
from gdfq_export.qdq.read_back import read_back
from gdfq_export.recipe import Bits
from gdfq_export.runtimes.openvino import OpenVino
from gdfq_export.targets import TARGETS
from tests import tiny_graph
from tests.simulator.quantized import images_for, quantize

needs_openvino = pytest.mark.skipif(find_spec("openvino") is None, reason="OpenVINO is not installed")
BATCHES = (1, 7, 16, 64)


def network(pool: Sequence[Any], channels: int, size: Sequence[int], relu: bool = False) -> onnx.ModelProto:
    """Conv, perhaps Relu, the pool, Flatten."""
    random = np.random.default_rng(0)
    weight = (random.normal(size=(channels, 3, *[3] * len(size))) / 3).astype(np.float32)
    at = "a"
    nodes: list[Any] = [("Conv", ["x", "w"], ["a"])]
    if relu:
        nodes.append(("Relu", ["a"], [at := "r"]))
    nodes += [(pool[0], [at], ["p"], *pool[1:]), ("Flatten", ["p"], ["y"])]
    return tiny_graph.model(nodes=nodes, inputs={"x": ("batch", 3, *size)}, outputs=["y"], initializers={"w": weight})


def assert_answers_as_simulated(proto: onnx.ModelProto, bits: Bits) -> onnx.ModelProto:
    quantized = quantize(proto, bits, "openvino")
    session = OpenVino().load(quantized.file.SerializeToString(), 1)
    again = read_back(quantized.file)
    for batch in BATCHES:
        images = images_for(proto, batch, seed=batch)
        simulated = quantized.exact.run(images)["y"]
        step = float(quantized.exact.encodings[quantized.plan.by_tensor["y"].key].scale)
        apart = np.abs(session._execute(images, ["y"])[0] - simulated)
        assert apart.max() <= 1.01 * step
        assert (apart > step / 2).mean() <= 0.02
        np.testing.assert_array_equal(again.run(images)["y"], simulated)
    assert check(quantized.file, TARGETS["openvino"]) == []
    return quantized.file


@needs_openvino
@pytest.mark.parametrize("bits", [Bits(), Bits(weights=4, activations=4)], ids=["W8A8", "W4A4"])
@pytest.mark.parametrize("channels", [4, 16])
def test_the_mean_of_a_signal_is_that_of_an_image(channels: int, bits: Bits) -> None:
    file = assert_answers_as_simulated(network(["GlobalAveragePool"], channels, [20]), bits)
    operators = [node.op_type for node in file.graph.node if "Linear" not in node.op_type and node.op_type != "Clip"]
    assert operators[-4:] == ["Unsqueeze", "GlobalAveragePool", "Squeeze", "Flatten"]


@needs_openvino
@pytest.mark.parametrize("bits", [Bits(), Bits(weights=4, activations=4)], ids=["W8A8", "W4A4"])
@pytest.mark.parametrize("size", [[12], [9, 10], [5, 6, 7]], ids=["signal", "image", "volume"])
def test_padding_that_is_averaged_is_padded_with_the_code_of_zero(size: list[int], bits: Bits) -> None:
    window = {"kernel_shape": [3] * len(size), "pads": [1] * 2 * len(size), "count_include_pad": 1}
    file = assert_answers_as_simulated(network(["AveragePool", window], 4, size), bits)
    assert [node.op_type for node in file.graph.node].count("Pad") == 1


def test_behind_a_relu_the_pool_pads() -> None:
    window = {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1], "count_include_pad": 1}
    file = quantize(network(["AveragePool", window], 4, [9, 10], relu=True), target="openvino").file
    assert "Pad" not in [node.op_type for node in file.graph.node]
