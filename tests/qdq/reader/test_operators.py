"""Operators on codes, dynamic files and the branch of an If are read as the pairs that they stand for."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import QuantFormat, QuantType, quantize_dynamic, quantize_static

from gdfq_export.errors import InputError
from gdfq_export.lint import check, inspect_file
from gdfq_export.qdq.read_back import read_back
from gdfq_export.qdq.reader.float_ends import with_float_ends
from gdfq_export.qdq.reader.layers import QdqLayer, read_layers
from gdfq_export.qdq.reader.model import QdqModel
from gdfq_export.targets import find_target
from gdfq_export.targets.operator_traits import MOVES_ELEMENTS
from tests.lint.peer_files import SHAPE, Images, network
from tests.qdq.read_back.drafted import require_exact
from tests.simulator.quantized import images_for


def static_file(folder: Path, form: QuantFormat) -> onnx.ModelProto:
    source, out = folder / "float.onnx", folder / "static.onnx"
    onnx.save(network(), source)
    types = {"activation_type": QuantType.QUInt8, "weight_type": QuantType.QInt8}
    quantize_static(source, out, Images("x", SHAPE), quant_format=form, per_channel=True, **types)
    return onnx.load(out)


def dynamic_file(folder: Path) -> onnx.ModelProto:
    source, out = folder / "float.onnx", folder / "dynamic.onnx"
    onnx.save(network(), source)
    quantize_dynamic(source, out)
    return onnx.load(out)


def layers_of(file: onnx.ModelProto) -> tuple[QdqLayer, ...]:
    return read_layers(QdqModel(file), MOVES_ELEMENTS)


def in_a_branch(file: onnx.ModelProto, *, stored: bool) -> onnx.ModelProto:
    """The network of a file in the branch of an If."""
    found = onnx.ModelProto()
    found.CopyFrom(file)
    graph = found.graph
    output = graph.output[0].name
    then = helper.make_graph(list(graph.node), "then", [], [helper.make_tensor_value_info("inner", 1, None)])
    for node in then.node:
        node.output[:] = ["inner" if name == output else name for name in node.output]
    constant = helper.make_node(
        "Constant",
        [],
        ["z"],
        value=numpy_helper.from_array(
            numpy_helper.to_array(helper.make_tensor("z", TensorProto.FLOAT, [1, 5], [0.0] * 5))
        ),
    )
    other = helper.make_graph([constant], "else", [], [helper.make_tensor_value_info("z", 1, [1, 5])])
    del graph.node[:], graph.value_info[:]
    if stored:
        graph.initializer.append(helper.make_tensor("yes", TensorProto.BOOL, [], [True]))
    else:
        graph.node.append(helper.make_node("ReduceMax", ["x"], ["most"], keepdims=0))
        graph.node.append(helper.make_node("Cast", ["most"], ["yes"], to=TensorProto.BOOL))
    graph.node.append(helper.make_node("If", ["yes"], [output], then_branch=then, else_branch=other))
    return found


def on_codes(file: onnx.ModelProto) -> onnx.ModelProto:
    """The same without the first QuantizeLinear and the last DequantizeLinear."""
    found = onnx.ModelProto()
    found.CopyFrom(file)
    graph = found.graph
    first = next(node for node in graph.node if node.op_type == "QuantizeLinear" and node.input[0] == "x")
    last = next(node for node in graph.node if node.output[0] == "y")
    graph.input[0].CopyFrom(helper.make_tensor_value_info(first.output[0], TensorProto.UINT8, ["batch", *SHAPE]))
    graph.output[0].CopyFrom(helper.make_tensor_value_info(last.input[0], TensorProto.UINT8, ["batch", 5]))
    graph.node.remove(first)
    graph.node.remove(last)
    return found


def test_a_file_of_operators_on_codes_is_read_as_one_of_pairs(tmp_path: Path) -> None:
    pairs, operators = (static_file(tmp_path, form) for form in (QuantFormat.QDQ, QuantFormat.QOperator))
    assert "QLinearConv" in {node.op_type for node in operators.graph.node}
    for own, other in zip(layers_of(operators), layers_of(pairs), strict=True):
        assert own.whole and (own.op_type, own.bias is None) == (other.op_type, other.bias is None)
        assert own.activation is not None and other.activation is not None
        assert own.activation.step == other.activation.step and own.activation.zero == other.activation.zero
        assert own.weight is not None and other.weight is not None
        assert (own.weight.scale == other.weight.scale).all() and own.weight.axis == other.weight.axis
    assert not [each for each in check(operators, find_target("ort-cpu")) if each.consequence == "wrong numbers"]
    require_exact(operators, images_for(network(), 8))


def test_a_dynamic_file_has_layers_whose_scales_are_unknown(tmp_path: Path) -> None:
    file = dynamic_file(tmp_path)
    layers = layers_of(file)
    assert [layer.op_type for layer in layers] == ["Conv", "Conv", "Conv", "MatMul"]
    assert all(layer.whole and layer.dynamic for layer in layers)
    facts = inspect_file(file, 0)
    assert facts.form.startswith("dynamic, with scales measured at run time: 3 ConvInteger")
    assert [layer.activation_bits for layer in facts.layers] == [8] * 4
    with pytest.raises(InputError, match="measures the scale of its input while it runs"):
        read_back(file)


def test_a_branch_that_is_always_taken_is_read(tmp_path: Path) -> None:
    file = static_file(tmp_path, QuantFormat.QDQ)
    inside = in_a_branch(file, stored=True)
    assert inspect_file(inside, 0).form == inspect_file(file, 0).form
    assert all(layer.whole for layer in layers_of(inside))
    require_exact(QdqModel(inside).proto, images_for(network(), 8))


def test_pairs_in_a_branch_that_may_be_taken_are_counted(tmp_path: Path) -> None:
    facts = inspect_file(in_a_branch(static_file(tmp_path, QuantFormat.QDQ), stored=False), 0)
    assert facts.form.startswith("Q/DQ: ") and facts.layers == ()


@pytest.mark.parametrize("form", QuantFormat)
def test_a_file_on_codes_gets_float_ends(tmp_path: Path, form: QuantFormat) -> None:
    whole = static_file(tmp_path, form)
    found, said = with_float_ends(on_codes(whole), "f.onnx")
    assert len(said) == 1 and said[0].startswith("f.onnx takes or gives codes (x_")
    require_exact(found, images_for(network(), 8))
    assert with_float_ends(whole, "f.onnx") == (whole, ())
