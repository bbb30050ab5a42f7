"""One file breaks each rule, and ONNX Runtime is the judge: what runs in float, and which numbers come out."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

from gdfq_export.errors import InputError
from gdfq_export.lint import check
from gdfq_export.runtimes.onnxruntime import OnnxRuntime
from gdfq_export.support.finding import Consequence
from gdfq_export.targets import find_target
from tests import tiny_graph
from tests.lint.onnxruntime_files import BROKEN, FINE, FLOAT, REFUSED, SLOWER, WRONG
from tests.qdq.qdq_files import ARRAYS, conv, dq, file, floats, image


def findings(model: onnx.ModelProto) -> list[tuple[str, str, Consequence]]:
    return [(each.rule, each.node, each.consequence) for each in check(model, find_target("ort-cpu"))]


def float_layers(model: onnx.ModelProto) -> set[str]:
    graph = OnnxRuntime().examine(model.SerializeToString())
    return {node.name.removesuffix("_token_1") for node in graph.nodes if node.kind == "float compute"}


def difference(model: onnx.ModelProto) -> float:
    """Of ONNX Runtime's kernels from the file as it is written, relative to its largest number."""
    data = model.SerializeToString()
    ours, written = (OnnxRuntime(as_written=each).load(data, 1).run(image()) for each in (False, True))
    return float(np.abs(ours - written).max() / np.abs(written).max())


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_rule_names_the_layer_and_what_becomes_of_it(name: str) -> None:
    broken = BROKEN[name]
    found = findings(broken.file())
    assert (broken.rule, broken.node, broken.consequence) in found
    assert {rule for rule, _, _ in found} <= {broken.rule, *broken.also}


@pytest.mark.parametrize("name", BROKEN)
def test_onnx_runtime_runs_in_float_what_is_said_to_and_nothing_else(name: str) -> None:
    broken = BROKEN[name]
    said = {node for _, node, consequence in findings(broken.file()) if consequence is FLOAT}
    floats_there = float_layers(broken.file())
    assert floats_there == set(broken.floats)
    assert {name.removesuffix("/MatMulAddFusion") for name in floats_there} <= said


@pytest.mark.parametrize("name", [name for name, broken in BROKEN.items() if broken.consequence is WRONG])
def test_the_numbers_of_onnx_runtime_are_wrong_where_that_is_said(name: str) -> None:
    assert difference(BROKEN[name].file()) > 0.01


@pytest.mark.parametrize("name", FINE)
def test_nothing_is_found_in_a_good_file_and_all_of_it_runs_on_integers(name: str) -> None:
    assert findings(FINE[name]) == []
    assert float_layers(FINE[name]) == set()
    assert difference(FINE[name]) < 0.01


def test_scales_along_the_inputs_of_a_matmul_are_refused() -> None:
    model = file(
        {"g_dq": [dq("g", axis=0)], "h_dq": [], "y": [("MatMul", ["f_dq", "g_dq"], ["y"])]},
        g_q=ARRAYS["g_q"].T.copy(),
        g_scale=np.linspace(0.001, 0.004, 8, dtype=np.float32),
        g_zero=np.zeros(8, np.int8),
    )
    assert findings(model) == [("weight axis", "MatMul_y", REFUSED)]
    with pytest.raises(InputError):
        OnnxRuntime().load(model.SerializeToString(), 1).run(image())


def test_of_a_product_of_two_activations_no_weight_is_told() -> None:
    found = check(BROKEN["a product of two activations, one of them in float"].file(), find_target("ort-cpu"))
    (message,) = [each.message for each in found if each.node == "MatMul_m"]
    assert message == "MatMul MatMul_m: its first activation is quantized, its second activation is not"


def test_both_scales_of_a_wrong_bias_are_told() -> None:
    (finding,) = check(BROKEN["a Gemm's bias of other steps"].file(), find_target("ort-cpu"))
    assert "3e-05" in finding.message and "2e-05" in finding.message


def test_int8_activations_are_slow_and_each_is_named() -> None:
    zeros = {name: np.asarray(zero, np.int8) for name, zero in (("x_zero", 0), ("r_zero", -128), ("e_zero", 0))}
    found = findings(file(**zeros, p_zero=np.asarray(0, np.int8)))
    assert {(rule, consequence) for rule, _, consequence in found} == {("int8 activation", SLOWER)}
    assert [node for _, node, _ in found] == [f"QuantizeLinear_{name}_q" for name in "xrepf"]


def test_an_opset_without_kernels_is_refused() -> None:
    model = file()
    for version, expected in ((27, []), (28, [("opset", "the file", REFUSED)])):
        model.opset_import[0].version = version
        assert findings(model) == expected


def test_a_float_file_breaks_no_rule() -> None:
    model = tiny_graph.model(
        nodes=[conv("x", "w", "", "c"), ("Relu", ["c"], ["y"])],
        inputs={"x": ("batch", 4, 6, 6)},
        outputs=["y"],
        initializers={"w": floats(8, 4, 3, 3)},
    )
    assert findings(model) == []
