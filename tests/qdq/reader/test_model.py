"""Numbers that follow from the file are known, those of a run are not; codes end where Clips say."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto

from gdfq_export.errors import InputError
from gdfq_export.qdq.reader.model import QdqModel
from gdfq_export.qdq.reader.nodes import code_limits
from tests.qdq.qdq_files import INT4, Nodes, dq, file, floats


def read(model: QdqModel, output: str) -> np.ndarray | None:
    (value,) = (each for node in model.nodes for each in node.outputs if each.name == output)
    return model.numbers(value)


def test_what_is_made_of_constants_is_computed() -> None:
    weights = floats(8, 8, 3, 3)
    changes: dict[str, Nodes] = {
        "v_dq": [("QuantizeLinear", ["vf", "v_scale", "v_zero"], ["v_q"], {"axis": 0}), dq("v")],
        "d_dq": [("Mul", ["r_scale", "v_scale"], ["step"]), dq("d", "step")],
        "w_dq": [("Cast", ["w_4"], ["w_q"], {"to": TensorProto.INT8}), dq("w")],
    }
    model = QdqModel(file(changes, vf=weights, w_4=INT4[:, :4]))
    codes = read(model, "v_q")
    assert codes is not None and codes.dtype == np.int8
    assert np.array_equal(codes, np.clip(np.rint(weights / np.float32(0.002)), -128, 127))
    step = read(model, "step")
    assert step is not None and np.allclose(step, 0.02 * 0.002)
    unpacked = read(model, "w_q")
    assert unpacked is not None and np.array_equal(unpacked, INT4[:, :4].astype(np.int8))
    assert read(model, "r") is None and read(model, "x_q") is None


def test_a_clip_of_values_ends_the_codes() -> None:
    changes: dict[str, Nodes] = {"r": [("Clip", ["c", "low", "high"], ["r"])]}
    model = QdqModel(file(changes, low=np.asarray(0, np.float32), high=np.asarray(0.3, np.float32)))
    (pair,) = (node for node in model.dequantize if node.node.outputs[0].name == "r_dq")
    assert model.codes_used(pair) == (0, 15)


def test_limits_of_types() -> None:
    model = QdqModel(file())
    types = {pair.dtype for pair in model.dequantize}
    limits = {dtype.name: code_limits(dtype) for dtype in types if dtype is not None}
    assert limits == {"UINT8": (0, 255), "INT8": (-128, 127), "INT32": (-(2**31), 2**31 - 1)}
    assert code_limits(None) is None


def test_the_writer_of_codes_is_found_behind_a_clip() -> None:
    wide: Nodes = [("QuantizeLinear", ["e", "e_scale", "e_zero"], ["wide"]), ("Clip", ["wide", "low", "high"], ["e_q"])]
    model = QdqModel(file({"e_q": wide}, low=np.asarray(96, np.uint8), high=np.asarray(159, np.uint8)))
    (pair,) = (node for node in model.dequantize if node.node.outputs[0].name == "e_dq")
    writer = model.writer(pair)
    assert writer is not None and writer.node.outputs[0].name == "wide"
    assert model.codes_used(pair) == (96, 159)


def unknown_input(model: onnx.ModelProto) -> None:
    model.graph.node[0].input[0] = "nothing"


def too_few_numbers(model: onnx.ModelProto) -> None:
    model.graph.initializer[-1].dims[0] += 1


def no_type(model: onnx.ModelProto) -> None:
    model.graph.node[2].attribute[0].type = onnx.AttributeProto.UNDEFINED


@pytest.mark.parametrize("damage", [unknown_input, too_few_numbers, no_type])
def test_a_graph_that_contradicts_itself_is_an_input_error(damage) -> None:  # type: ignore[no-untyped-def]
    model = file()
    damage(model)
    with pytest.raises(InputError, match="not what ONNX allows"):
        QdqModel(model)
