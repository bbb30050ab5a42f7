"""Activation functions as operators of the file: what stays in float is what runtimes have kernels for."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
import torch

from gdfq_export.lint import quantized_tensors
from gdfq_export.lint.check import check
from gdfq_export.metrics.parity import parity
from gdfq_export.planning.constraints import Breakpoints, ClippedCodes
from gdfq_export.planning.plan import Role
from gdfq_export.qdq.read_back import read_back
from gdfq_export.qdq.reader.activations import quantized_activations
from gdfq_export.qdq.reader.model import QdqModel
from gdfq_export.recipe import Bits
from gdfq_export.runtimes.onnxruntime import OnnxRuntime
from gdfq_export.simulator import Mode
from gdfq_export.targets import find_target
from tests import tiny_graph
from tests.planning.placement.planned import conv, head, weights
from tests.simulator.quantized import Quantized, images_for, quantize


def file_of(target: str, bits: Bits | None = None) -> Quantized:
    model = tiny_graph.model(
        nodes=[conv("x", "w", "c"), ("HardSwish", ["c"], ["r"]), conv("r", "v", "d"), *head("d")],
        inputs={"x": ("batch", 4, 6, 6)},
        outputs=["y"],
        initializers={"w": weights(4, 4, 3, 3), "v": weights(4, 4, 3, 3), "g": weights(5, 4)},
    )
    return quantize(model, bits, target=target)


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
            gate = next(node for node in order if clip.output[0] in node.input)
            quantize_node = next(index for index, node in enumerate(order) if clip.input[0] in node.output)
            order = [node for node in order if node not in (clip, gate)]
            order[quantize_node + 1 : quantize_node + 1] = [clip, gate]
            del file.graph.node[:]
            file.graph.node.extend(order)
        codes = {point.tensor: point for point in quantized_activations(QdqModel(file))}
        assert (codes["c"].codes, codes["c"].params.code_range) == (clip.input[0], (0, 255))
        tensors = {tensor.name: tensor for tensor in quantized_tensors(file)}
        assert (tensors["c"].codes, tensors["c"].bits) == ((0, 255), 8)
        assert set(tensors["c"].consumers) == {"HardSwish_r", clip.name}
        gate_tensor = tensors[clip.output[0].removesuffix("_q")]
        assert gate_tensor.role is Role.ACTIVATION and gate_tensor.codes != (0, 255)
        assert gate_tensor.consumers == ("HardSwish_r",)


def test_limits_that_are_written_once_for_each_reader_are_still_those_of_the_tensor() -> None:
    file = file_of("ort-cpu", Bits(weights=8, activations=4)).file
    limits = next(node for node in file.graph.node if node.op_type == "Clip" and node.output[0] == "r_q")
    real = next(node for node in file.graph.node if "r_q" in node.input)
    twins = []
    for node, name in ((limits, "r_q2"), (real, "r_dq2")):
        twins.append(onnx.NodeProto.FromString(node.SerializeToString()))
        twins[-1].output[0] = name
    twins[1].input[0] = "r_q2"
    order = list(file.graph.node)
    order[order.index(real) + 1 : order.index(real) + 1] = twins
    del file.graph.node[:]
    file.graph.node.extend(order)
    assert [point.params.code_range for point in quantized_activations(QdqModel(file)) if point.tensor == "r"] == [
        (0, 15)
    ]
    assert [tensor.bits for tensor in quantized_tensors(file) if tensor.name == "r"] == [4]


def other_hard_sigmoid(*between: tiny_graph.Node) -> onnx.ModelProto:
    """A layer that a HardSwish reads, and a HardSigmoid that is no gate of one."""
    return tiny_graph.model(
        nodes=[
            conv("x", "w", "c"),
            ("HardSwish", ["c"], ["h"]),
            *between,
            ("Mul", ["h", "t"], ["m"]),
            conv("m", "v", "d"),
            *head("d"),
        ],
        inputs={"x": ("batch", 4, 6, 6)},
        outputs=["y"],
        initializers={"w": weights(4, 4, 3, 3), "v": weights(4, 4, 3, 3), "g": weights(5, 4)},
    )


_POOL = {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1], "strides": [1, 1]}


@pytest.mark.parametrize(
    "between",
    [
        [("HardSigmoid", ["c"], ["t"], {"alpha": 0.2, "beta": 0.5})],
        [("HardSigmoid", ["c"], ["s"], {"alpha": 1 / 6, "beta": 0.5}), ("MaxPool", ["s"], ["t"], _POOL)],
    ],
)
def test_another_hard_sigmoid_of_the_same_tensor_stays_a_sum(between: list[tiny_graph.Node]) -> None:
    quantized = quantize(other_hard_sigmoid(*between))
    assert [point.key for point in quantized.plan.points if isinstance(point.constraint, ClippedCodes)] == [
        "HardSwish_h_gate_output"
    ]
    images = images_for(quantized.file, 4)
    for simulate in (quantized.exact.run, read_back(quantized.file).run):
        assert parity(quantized.file, simulate, images, 4).exact
    with torch.no_grad(), quantized.simulator.in_mode(Mode.QUANTIZE):
        simulated = quantized.simulator(torch.from_numpy(images)).numpy()
    np.testing.assert_allclose(simulated, quantized.exact.run(images)["y"], atol=0.05 * simulated.std())
    assert not check(quantized.file, find_target("ort-cpu"))


def test_what_an_absorbed_clip_bounds_gets_no_breakpoints() -> None:
    """Its bounds are the ends of the codes, and a whole part of 3 might end beyond them."""
    model = tiny_graph.model(
        nodes=[
            conv("x", "w", "b"),
            ("Clip", ["b", "low", "high"], ["c"]),
            ("HardSwish", ["c"], ["r"]),
            conv("r", "v", "d"),
            *head("d"),
        ],
        inputs={"x": ("batch", 4, 6, 6)},
        outputs=["y"],
        initializers={"w": weights(4, 4, 3, 3), "v": weights(4, 4, 3, 3), "g": weights(5, 4)}
        | {"low": np.asarray(-6, np.float32), "high": np.asarray(6, np.float32)},
    )
    assert not any(point.constraint for point in quantize(model).plan.points)


def test_a_gate_has_the_bits_of_what_it_clips() -> None:
    points = file_of("ort-cpu", Bits(weights=4, activations=4)).plan.by_tensor
    assert {name: point.bits for name, point in points.items() if point.constraint} == {
        "c": 8,
        "HardSwish_r_gate_output": 8,
    }
    four = file_of("ort-cpu", Bits(weights=4, activations=4, residual=4)).plan.points
    assert not any(point.constraint for point in four)


def test_only_what_a_hard_swish_reads_is_given_breakpoints() -> None:
    points = file_of("ort-cpu").plan.by_tensor
    assert [name for name, point in points.items() if point.constraint == Breakpoints(at=3.0)] == ["c"]
    assert not any(isinstance(point.constraint, Breakpoints) for point in file_of("openvino").plan.points)


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
    assert not any(isinstance(point.constraint, Breakpoints) for point in quantized.plan.points)
    assert [node.op_type for node in quantized.file.graph.node].count("Add") == 2
