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


def test_a_hard_swish_in_integers_is_a_clip_of_codes_and_a_mul() -> None:
    quantized = file_of("ort-cpu")
    operators = [node.op_type for node in quantized.file.graph.node]
    assert not {"HardSwish", "HardSigmoid", "Add"} & set(operators)
    assert (operators.count("Clip"), operators.count("Mul") - len(quantized.plan.bias_of)) == (1, 1)


def test_only_what_a_hard_swish_reads_is_given_a_knee() -> None:
    points = file_of("ort-cpu").plan.by_tensor
    assert {name: point.knee for name, point in points.items() if point.knee is not None} == {"c": 3.0}
    assert not any(point.knee for point in file_of("openvino").plan.points)


def test_a_gate_that_multiplies_something_else_is_an_add() -> None:
    """As in squeeze-and-excite; and one whose input is never below 0 has nothing to bend at -3."""
    model = tiny_graph.model(
        nodes=[
            conv("x", "w", "c"),
            ("GlobalAveragePool", ["c"], ["small"]),
            ("Conv", ["small", "u"], ["s"], {"kernel_shape": [1, 1]}),
            ("HardSigmoid", ["s"], ["t"], {"alpha": 1 / 6, "beta": 0.5}),
            ("Mul", ["c", "t"], ["m"]),
            ("Relu", ["m"], ["r"]),
            ("HardSwish", ["r"], ["h"]),
            conv("h", "v", "d"),
            *head("d"),
        ],
        inputs={"x": ("batch", 4, 6, 6)},
        outputs=["y"],
        initializers={"w": weights(4, 4, 3, 3), "v": weights(4, 4, 3, 3), "u": weights(4, 4, 1, 1), "g": weights(5, 4)},
    )
    quantized = quantize(model)
    assert not any(point.knee for point in quantized.plan.points)
    assert [node.op_type for node in quantized.file.graph.node].count("Add") == 2
