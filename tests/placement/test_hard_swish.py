"""Activation functions as operators of the file: what stays in float is what runtimes have kernels for."""

from __future__ import annotations

import numpy as np

from gdfq_export.backends.onnxruntime import OnnxRuntime
from gdfq_export.inspection import read_quantized_tensors
from gdfq_export.plan import Role
from gdfq_export.verify.activation_codes import activation_codes
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


def test_readers_of_a_file_tell_the_clip_of_a_gate_from_the_limits_of_a_tensor() -> None:
    """Whichever of the two readers of the codes comes first in the graph."""
    file = file_of("ort-cpu").file
    clip = next(node for node in file.graph.node if node.op_type == "Clip")
    for first in (False, True):
        if first:  # the gate's DequantizeLinear in front of the other
            order = list(file.graph.node)
            gate = next(
                node for node in order if node.op_type == "DequantizeLinear" and node.input[0] == clip.output[0]
            )
            quantize_node = next(index for index, node in enumerate(order) if clip.input[0] in node.output)
            order = [node for node in order if node not in (clip, gate)]
            order[quantize_node + 1 : quantize_node + 1] = [clip, gate]
            del file.graph.node[:]
            file.graph.node.extend(order)
        codes = {point.tensor: point for point in activation_codes(file)}
        assert (codes["c"].codes, codes["c"].code_low, codes["c"].code_high) == (clip.input[0], 0, 255)
        tensors = {tensor.name: tensor for tensor in read_quantized_tensors(file)}
        assert tensors["c"].codes == (0, 255) and tensors["c"].bits == 8
        assert tensors[clip.output[0]].role is Role.ACTIVATION and tensors[clip.output[0]].codes != (0, 255)


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
