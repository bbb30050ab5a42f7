"""The corrected mean of a layer is the float one, on samples of what the statistics describe."""

from __future__ import annotations

import numpy as np
import onnx
import torch
from torch import Tensor, nn

from gdfq_export.simulator import Simulator
from gdfq_export.tuning.calibration import weight_scale
from gdfq_export.tuning.dfq.bias_correction import correct_biases
from tests import tiny_graph
from tests.tuning.chain_network import normal, simulated

STATISTICS = {"x": normal([0.5, -1.0, 0.0, 2.0], [1.0, 2.0, 0.1, 1.5])}


def network() -> onnx.ModelProto:
    """Relu, a grouped Conv, then a Gemm with bias and one without, whose inputs' means are not known."""
    random = np.random.default_rng(0)
    shapes = {"w": (6, 2, 3, 3), "b": (6,), "g": (5, 6), "h": (5,), "k": (3, 5)}
    arrays = {name: random.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
    nodes: list[tiny_graph.Node] = [
        ("Relu", ["x"], ["r"]),
        ("Conv", ["r", "w", "b"], ["c"], {"kernel_shape": [3, 3], "group": 2}),
        ("GlobalAveragePool", ["c"], ["p"]),
        ("Flatten", ["p"], ["f"]),
        ("Gemm", ["f", "g", "h"], ["d"], {"transB": 1}),
        ("Gemm", ["d", "k"], ["y"], {"transB": 1}),
    ]
    return tiny_graph.model(nodes=nodes, inputs={"x": ("batch", 4, 3, 3)}, outputs=["y"], initializers=arrays)


def coarse() -> tuple[Simulator, dict[str, Tensor]]:
    simulator, _ = simulated(network(), bits=3)
    for layer in simulator.layers():
        quantizer = simulator.quantizers[layer.weight_point.key]
        quantizer.set_scale(weight_scale(quantizer, layer.weight, search=False))
    return simulator, {layer.name: layer.weight.clone() for layer in simulator.layers()}


def convolved(simulator: Simulator, weight: Tensor, bias: Tensor) -> Tensor:
    random, shape = torch.Generator().manual_seed(0), (1, 4, 1, 1)
    mean, std = (torch.from_numpy(numbers).reshape(shape) for numbers in (STATISTICS["x"].mean, STATISTICS["x"].std))
    images = torch.randn((20_000, 4, 3, 3), generator=random) * std + mean
    with torch.no_grad():
        return nn.functional.conv2d(images.relu(), weight, bias, groups=2).mean(dim=(0, 2, 3))


def test_the_mean_is_that_of_the_float_layer() -> None:
    simulator, before = coarse()
    layer = simulator.layers()[0]
    assert layer.bias is not None
    wanted = convolved(simulator, before["Conv_c"], layer.bias)
    rounded = simulator.quantizers["w"]
    with torch.no_grad():
        codes = (layer.weight / rounded.scale).round().clamp(rounded.code_min, rounded.code_max) * rounded.scale
    assert float((convolved(simulator, codes, layer.bias) - wanted).abs().max()) > 0.3
    correct_biases(simulator, before, STATISTICS)
    torch.testing.assert_close(convolved(simulator, codes, layer.bias), wanted, atol=0.06, rtol=0)


def test_weights_that_were_rounded_before_count_as_what_they_were() -> None:
    plain, before = coarse()
    correct_biases(plain, before, STATISTICS)
    rounded, before = coarse()
    quantizer = rounded.quantizers["w"]
    with torch.no_grad():
        codes = (rounded.parameter("w") / quantizer.scale).round().clamp(quantizer.code_min, quantizer.code_max)
        rounded.parameter("w").copy_(codes * quantizer.scale)
    correct_biases(rounded, before, STATISTICS)
    torch.testing.assert_close(rounded.parameter("b"), plain.parameter("b"))


def test_other_layers_are_left_with_a_reason() -> None:
    simulator, before = coarse()
    bias = simulator.parameter("h").clone()
    assert correct_biases(simulator, before, STATISTICS) == {
        "Gemm_d": "the mean of its input is not known behind Conv Conv_c",
        "Gemm_y": "it has no bias",
    }
    assert torch.equal(simulator.parameter("h"), bias)
