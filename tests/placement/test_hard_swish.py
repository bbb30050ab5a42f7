"""Activation functions as operators of the file: what stays in float is what runtimes have kernels for."""

from __future__ import annotations

import numpy as np

from gdfq_export.backends.onnxruntime import OnnxRuntime
from tests import tiny_graph
from tests.placement.planned import conv, head, weights
from tests.simulator.quantized import Quantized, images_for, quantize


def file_of(target: str) -> Quantized:
    model = tiny_graph.model(
        nodes=[conv("x", "w", "c"), ("HardSwish", ["c"], ["r"]), conv("r", "v", "d"), *head("d")],
        inputs={"x": ("batch", 4, 6, 6)},
        outputs=["y"],
        initializers={"w": weights(4, 4, 3, 3), "v": weights(4, 4, 3, 3), "g": weights(5, 4)},
    )
    return quantize(model, target=target)


def test_a_hard_swish_in_float_is_one_operator() -> None:
    quantized = file_of("tensorrt")
    operators = [node.op_type for node in quantized.file.graph.node]
    assert operators.count("HardSwish") == 1
    assert not {"HardSigmoid", "Mul"} & set(operators)
    images = images_for(quantized.file, 4)
    found = OnnxRuntime(as_written=True).load(quantized.file.SerializeToString(), 1).run(images)
    np.testing.assert_allclose(found, quantized.exact.run(images)["y"], atol=1e-4)


def test_a_hard_swish_in_integers_is_an_add_and_a_mul() -> None:
    operators = [node.op_type for node in file_of("ort-cpu").file.graph.node]
    assert "HardSwish" not in operators and "Add" in operators
