from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from gdfq_export.errors import InputError
from gdfq_export.frontend.sources import load_model
from gdfq_export.qdq.read_back.constant_folding import is_constant, prepare, stored_bits
from gdfq_export.recipe import Bits
from tests.jobs.verify.quantized_classifier import classifier, images
from tests.qdq.read_back.drafted import drafted, require_exact
from tests.qdq.read_back.rewritten import nodes, put


def test_what_constants_make_is_folded_and_int4_is_remembered() -> None:
    file = drafted(load_model(None), Bits(weights=4)).file
    assert {"Mul", "Cast"} <= {node.op_type for node in file.graph.node}
    graph = prepare(file).graph
    assert {"Mul", "Cast"}.isdisjoint(node.op_type for node in graph)
    constants = [node.inputs[0] for node in graph if node.op_type == "DequantizeLinear" and is_constant(node.inputs[0])]
    bits = {stored_bits(value) for value in constants if value is not None}
    assert bits == {4, 8, 32}


def test_every_node_has_a_name_of_its_own() -> None:
    names = [node.name for node in prepare(drafted(load_model(None), Bits()).file).graph]
    assert all(names) and len(set(names)) == len(names)


@pytest.mark.parametrize("batch", [1, 3])
def test_a_fixed_batch_is_any_batch(batch: int) -> None:
    require_exact(classifier().quantized(batch=batch), images(7))


def test_a_fixed_batch_in_a_reshape_too() -> None:
    file = classifier().quantized(batch=1)
    flatten = nodes(file, "Flatten")[0]
    flatten.op_type = "Reshape"
    flatten.input.append(put(file, "shape", np.array([1, 5])))
    require_exact(file, images(7))


def test_a_reshape_whose_target_is_computed_is_exact() -> None:
    file = classifier().quantized()
    flatten = nodes(file, "Flatten")[0]
    index = list(file.graph.node).index(flatten)
    put(file, "zero", np.array([0]))
    put(file, "five", np.array([5]))
    for node in (
        helper.make_node("Concat", ["size", "five"], ["target"], axis=0),
        helper.make_node("Gather", ["shape", "zero"], ["size"]),
        helper.make_node("Shape", ["hidden_dequantized"], ["shape"]),
    ):
        file.graph.node.insert(index, node)
    flatten.op_type = "Reshape"
    flatten.input.append("target")
    require_exact(file, images(7))


def test_float_weights_that_the_graph_quantizes_are_codes() -> None:
    file = classifier().quantized()
    weight = next(node for node in file.graph.node if node.input[0] == "fc_q")
    put(file, "floats", (classifier().matrix * classifier().matrix_scale[:, None]).astype(np.float32))
    quantize = helper.make_node("QuantizeLinear", ["floats", *weight.input[1:]], ["codes"], axis=0)
    file.graph.node.insert(0, quantize)
    weight.input[0] = "codes"
    found = require_exact(file, images(7))
    assert np.array_equal(found.encodings["codes_1"].codes, classifier().matrix)


def two_inputs(file: onnx.ModelProto) -> None:
    file.graph.input.append(helper.make_tensor_value_info("mask", TensorProto.FLOAT, [1]))


def another_domain(file: onnx.ModelProto) -> None:
    nodes(file, "Relu")[0].op_type = "FusedConv"
    nodes(file, "FusedConv")[0].domain = "com.microsoft"


def no_opset(file: onnx.ModelProto) -> None:
    del file.opset_import[:]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (two_inputs, "this one has image, mask"),
        (another_domain, "FusedConv Relu_hidden is an operator of com.microsoft"),
        (no_opset, "the types of the quantized file cannot be inferred"),
    ],
    ids=["two inputs", "another domain", "no opset"],
)
def test_other_files_are_refused(change, message: str) -> None:
    file = classifier().quantized()
    change(file)
    with pytest.raises(InputError, match=message):
        prepare(file)
