"""A small residual classifier, its simulator and images for it, for tests of tuning."""

from __future__ import annotations

import numpy as np
import onnx
import torch
from torch import Tensor

from gdfq_export.recipe import Bits
from gdfq_export.simulator import Simulator
from tests import tiny_graph
from tests.simulator.quantized import images_for, quantize

RANDOM = np.random.default_rng(0)


def _weights(*shape: int) -> np.ndarray:
    spread = RANDOM.uniform(0.3, 2.0, (shape[0], *[1] * (len(shape) - 1)))
    return (RANDOM.normal(size=shape) * spread / np.sqrt(np.prod(shape[1:]))).astype(np.float32)


ARRAYS = {"w": _weights(8, 3, 3, 3), "v": _weights(8, 8, 3, 3), "g": _weights(5, 8)}
ARRAYS |= {name: RANDOM.normal(size=size).astype(np.float32) * 0.1 for name, size in (("b", 8), ("a", 8), ("h", 5))}


def proto() -> onnx.ModelProto:
    """Two convolutions, the second one's input added to its output, and a pooled Gemm; every layer has a bias."""
    window = {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}
    nodes: list[tiny_graph.Node] = [
        ("Conv", ["x", "w", "b"], ["c"], window),
        ("LeakyRelu", ["c"], ["r"], {"alpha": 0.1}),
        ("Conv", ["r", "v", "a"], ["d"], window),
        ("Add", ["r", "d"], ["s"]),
        ("Relu", ["s"], ["t"]),
        ("GlobalAveragePool", ["t"], ["p"]),
        ("Flatten", ["p"], ["f"]),
        ("Gemm", ["f", "g", "h"], ["y"], {"transB": 1}),
    ]
    return tiny_graph.model(nodes=nodes, inputs={"x": ("batch", 3, 9, 9)}, outputs=["y"], initializers=ARRAYS)


def images(count: int, seed: int = 0) -> Tensor:
    return torch.from_numpy(images_for(proto(), count, seed))


def simulator(bits: int = 4) -> Simulator:
    """The network simulated with `bits` everywhere, calibrated by min-max on eight images."""
    return simulator_with(Bits(weights=bits, activations=bits, first_last=bits, residual=bits, input=8))


def simulator_with(bits: Bits) -> Simulator:
    """The same with the bits of a recipe."""
    return quantize(proto(), bits).simulator
