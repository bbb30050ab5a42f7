"""Each pass by itself: what it rewrites, what it must leave alone."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from gdfq_export.frontend.passes.constants.constant_arithmetic import ConstantArithmeticPass
from gdfq_export.frontend.passes.dropout import DropoutToIdentityPass
from gdfq_export.frontend.passes.rewrites.explicit_pads import ExplicitPadsPass
from gdfq_export.frontend.passes.rewrites.flatten import FlattenPass
from gdfq_export.frontend.passes.rewrites.fold_pad import FoldPadPass
from gdfq_export.frontend.passes.rewrites.gemm import GemmPass
from gdfq_export.frontend.passes.rewrites.global_average_pool import GlobalAveragePoolPass
from gdfq_export.frontend.passes.rewrites.relu_before_concat import ReluBeforeConcatPass
from gdfq_export.frontend.passes.rewrites.slice import SlicePass
from gdfq_export.frontend.passes.stable_names import StableNamesPass
from tests import tiny_graph
from tests.frontend.passes.equivalence import assert_same_outputs, operators

IMAGE = ("batch", 3, 6, 6)
RANDOM = np.random.default_rng(0)


def _weights(*shape: int) -> np.ndarray:
    return RANDOM.normal(size=shape).astype(np.float32)


def _apply(rule: ir.passes.PassBase, nodes: list[tiny_graph.Node], **arrays: np.ndarray) -> list[str]:
    """Run one pass on a graph x [batch, 3, 6, 6] -> y, check that y stays, return the operators afterwards."""
    proto = tiny_graph.model(nodes=nodes, inputs={"x": IMAGE}, outputs=["y"], initializers=arrays)
    model = ir.from_proto(proto)
    rule(model)
    assert_same_outputs(proto, model, tolerance=1e-6)
    return operators(model)


@pytest.mark.parametrize(
    ("axes", "keepdims", "expected"),
    [
        ([2, 3], 1, ["GlobalAveragePool"]),
        ([-1, -2], 1, ["GlobalAveragePool"]),
        ([3, 2], 0, ["GlobalAveragePool", "Flatten"]),
        ([1, 2], 1, ["ReduceMean"]),
        ([2], 1, ["ReduceMean"]),
    ],
)
def test_mean_over_the_image_is_global_average_pool(axes: list[int], keepdims: int, expected: list[str]) -> None:
    nodes = [("ReduceMean", ["x", "axes"], ["y"], {"keepdims": keepdims})]
    assert _apply(GlobalAveragePoolPass(), nodes, axes=np.array(axes, np.int64)) == expected


@pytest.mark.parametrize("sizes", [(6,), (6, 5, 4)])
@pytest.mark.parametrize("keepdims", [0, 1])
def test_mean_over_a_signal_or_a_volume_is_global_average_pool(sizes: tuple[int, ...], keepdims: int) -> None:
    proto = tiny_graph.model(
        nodes=[("ReduceMean", ["x", "axes"], ["y"], {"keepdims": keepdims})],
        inputs={"x": ("batch", 3, *sizes)},
        outputs=["y"],
        initializers={"axes": -1 - np.arange(len(sizes))},
    )
    model = ir.from_proto(proto)
    GlobalAveragePoolPass()(model)
    assert_same_outputs(proto, model, tolerance=1e-6)
    assert operators(model) == ["GlobalAveragePool", "Flatten"][: 2 - keepdims]


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({"kernel_shape": [6, 6]}, "GlobalAveragePool"),
        ({"kernel_shape": [6, 6], "strides": [2, 2]}, "GlobalAveragePool"),
        ({"kernel_shape": [3, 6]}, "AveragePool"),
        ({"kernel_shape": [6, 6], "pads": [1, 0, 0, 0]}, "AveragePool"),
    ],
)
def test_average_over_one_window(attributes: dict[str, object], expected: str) -> None:
    assert _apply(GlobalAveragePoolPass(), [("AveragePool", ["x"], ["y"], attributes)]) == [expected]


@pytest.mark.parametrize("bias", [None, (5,), (1, 5), (1,)])
def test_matmul_and_add_become_gemm(bias: tuple[int, ...] | None) -> None:
    nodes: list[tiny_graph.Node] = [("Flatten", ["x"], ["f"]), ("MatMul", ["f", "w"], ["y" if bias is None else "m"])]
    arrays = {"w": _weights(108, 5)}
    if bias is not None:
        nodes.append(("Add", ["b", "m"], ["y"]))
        arrays["b"] = _weights(*bias)
    assert _apply(GemmPass(), nodes, **arrays) == ["Flatten", "Gemm"]


@pytest.mark.parametrize("bias", [None, (5,), (1, 1, 1, 5), (1,)])
@pytest.mark.parametrize("first", [True, False])
def test_a_product_of_positions_becomes_a_gemm_of_rows(bias: tuple[int, ...] | None, first: bool) -> None:
    nodes: list[tiny_graph.Node] = [("MatMul", ["x", "w"], ["y" if bias is None else "m"])]
    arrays = {"w": _weights(IMAGE[-1], 5)}
    if bias is not None:
        nodes.append(("Add", ["b", "m"] if first else ["m", "b"], ["y"]))
        arrays["b"] = _weights(*bias)
    assert _apply(GemmPass(), nodes, **arrays) == ["Reshape", "Gemm", "Reshape"]


def test_positions_that_differ_in_what_is_added_keep_their_add() -> None:
    nodes = [("MatMul", ["x", "w"], ["m"]), ("Add", ["m", "b"], ["y"])]
    arrays = {"w": _weights(IMAGE[-1], 5), "b": _weights(IMAGE[-2], 5)}
    assert _apply(GemmPass(), nodes, **arrays) == ["Reshape", "Gemm", "Reshape", "Add"]


def test_matmul_keeps_an_add_of_something_else() -> None:
    nodes = [("Flatten", ["x"], ["f"]), ("MatMul", ["f", "w"], ["m"]), ("Add", ["m", "m"], ["y"])]
    assert _apply(GemmPass(), nodes, w=_weights(108, 5)) == ["Flatten", "Gemm", "Add"]


@pytest.mark.parametrize("attributes", [{}, {"alpha": 0.5, "beta": 3.0}, {"transB": 1, "alpha": 2.0}])
def test_gemm_takes_one_form(attributes: dict[str, float]) -> None:
    weight = _weights(5, 108) if attributes.get("transB") else _weights(108, 5)
    proto = tiny_graph.model(
        nodes=[("Flatten", ["x"], ["f"]), ("Gemm", ["f", "w", "b"], ["y"], attributes)],
        inputs={"x": IMAGE},
        outputs=["y"],
        initializers={"w": weight, "b": _weights(1)},
    )
    model = ir.from_proto(proto)
    GemmPass()(model)
    gemm = model.graph[1]
    assert {name: entry.value for name, entry in gemm.attributes.items()} == {"transB": 1}
    assert [list(value.shape) for value in gemm.inputs[1:]] == [[5, 108], [5]]
    assert_same_outputs(proto, model)


@pytest.mark.parametrize(
    ("amounts", "fill", "expected"),
    [
        ([0, 0, 1, 2, 0, 0, 0, 1], 0.0, ["Conv"]),
        ([0, 0, 1, 1, 0, 0, 1, 1], 1.0, ["Pad", "Conv"]),
        ([0, 1, 0, 0, 0, 0, 0, 0], 0.0, ["Pad", "Conv"]),
        ([0, 0, -1, 0, 0, 0, 0, 0], 0.0, ["Pad", "Conv"]),
    ],
)
def test_pad_before_convolution(amounts: list[int], fill: float, expected: list[str]) -> None:
    channels = 3 + amounts[1]
    nodes = [("Pad", ["x", "p", "v"], ["q"]), ("Conv", ["q", "w"], ["y"], {"pads": [1, 0, 0, 1]})]
    arrays = {"p": np.array(amounts, np.int64), "v": np.float32(fill), "w": _weights(2, channels, 3, 3)}
    assert _apply(FoldPadPass(), nodes, **arrays) == expected


def test_pad_with_axes_before_convolution() -> None:
    nodes = [("Pad", ["x", "p", "", "axes"], ["q"]), ("Conv", ["q", "w"], ["y"])]
    arrays = {"p": np.array([1, 2, 0, 3], np.int64), "axes": np.array([-1, 2], np.int64), "w": _weights(2, 3, 3, 3)}
    assert _apply(FoldPadPass(), nodes, **arrays) == ["Conv"]


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({}, ["AveragePool"]),
        ({"pads": [1, 1, 0, 0], "count_include_pad": 1}, ["AveragePool"]),
        ({"pads": [1, 1, 0, 0]}, ["Pad", "AveragePool"]),
        ({"ceil_mode": 1}, ["Pad", "AveragePool"]),
    ],
)
def test_pad_before_average(attributes: dict[str, object], expected: list[str]) -> None:
    nodes = [("Pad", ["x", "p"], ["q"]), ("AveragePool", ["q"], ["y"], {"kernel_shape": [3, 3], **attributes})]
    assert _apply(FoldPadPass(), nodes, p=np.array([0, 0, 1, 0, 0, 0, 0, 1], np.int64)) == expected


def test_pad_with_two_consumers_stays() -> None:
    nodes = [
        ("Pad", ["x", "p"], ["q"]),
        ("Conv", ["q", "w"], ["a"]),
        ("Conv", ["q", "w"], ["b"]),
        ("Add", ["a", "b"], ["y"]),
    ]
    arrays = {"p": np.array([0, 0, 1, 1, 0, 0, 1, 1], np.int64), "w": _weights(2, 3, 3, 3)}
    assert _apply(FoldPadPass(), nodes, **arrays) == ["Pad", "Conv", "Conv", "Add"]


@pytest.mark.parametrize("mode", ["SAME_UPPER", "SAME_LOWER", "VALID"])
@pytest.mark.parametrize("stride", [1, 2, 4])
@pytest.mark.parametrize("op", ["Conv", "MaxPool", "AveragePool"])
def test_padding_is_written_out(mode: str, stride: int, op: str) -> None:
    attributes = {"auto_pad": mode, "strides": [stride, 1], "kernel_shape": [4, 3]}
    proto = tiny_graph.model(
        nodes=[(op, ["x", "w"] if op == "Conv" else ["x"], ["y"], attributes)],
        inputs={"x": IMAGE},
        outputs=["y"],
        initializers={"w": _weights(2, 3, 4, 3)} if op == "Conv" else {},
    )
    model = ir.from_proto(proto)
    ExplicitPadsPass()(model)
    assert "auto_pad" not in model.graph[0].attributes
    assert_same_outputs(proto, model, tolerance=1e-6)


def test_sub_and_div_by_constants() -> None:
    nodes = [("Sub", ["x", "c"], ["s"]), ("Div", ["s", "d"], ["y"])]
    assert _apply(ConstantArithmeticPass(), nodes, c=_weights(3, 1, 1), d=np.float32(4)) == ["Add", "Mul"]


def test_sub_and_div_that_stay() -> None:
    nodes = [("Sub", ["c", "x"], ["s"]), ("Div", ["s", "d"], ["y"])]
    assert _apply(ConstantArithmeticPass(), nodes, c=_weights(3, 1, 1), d=np.float32(3e38)) == ["Sub", "Div"]


def test_dropout_is_identity_unless_its_mask_is_used() -> None:
    assert _apply(DropoutToIdentityPass(), [("Dropout", ["x"], ["y"])]) == ["Identity"]
    used = [("Dropout", ["x"], ["a", "mask"]), ("Cast", ["mask"], ["m"], {"to": 1}), ("Add", ["a", "m"], ["y"])]
    assert _apply(DropoutToIdentityPass(), used)[0] == "Dropout"


def test_reshape_to_rows_is_flatten() -> None:
    assert _apply(FlattenPass(), [("Reshape", ["x", "s"], ["y"])], s=np.array([0, 108], np.int64)) == ["Flatten"]
    assert _apply(FlattenPass(), [("Reshape", ["x", "s"], ["y"])], s=np.array([0, 9, 12], np.int64)) == ["Reshape"]


@pytest.mark.parametrize(
    ("starts", "ends", "axes", "steps", "expected"),
    [
        ([0, 0], [2**63 - 1, 5], [0, 2], [1, 1], [[0], [5], [2], [1]]),
        ([0, 1, 0], [2**31 - 1, 9, 6], [0, -1, 2], [1, 2, 1], [[1], [9], [-1], [2]]),
        ([0, 0], [6, 2**31], [3, 0], [1, 1], None),
    ],
)
def test_slice_of_everything_is_dropped(
    starts: list[int], ends: list[int], axes: list[int], steps: list[int], expected: list[list[int]] | None
) -> None:
    arrays = dict(zip("abcd", (np.array(numbers, np.int64) for numbers in (starts, ends, axes, steps)), strict=True))
    proto = tiny_graph.model(
        nodes=[("Slice", ["x", *"abcd"], ["y"])], inputs={"x": IMAGE}, outputs=["y"], initializers=arrays
    )
    model = ir.from_proto(proto)
    SlicePass()(model)
    assert operators(model) == ["Identity" if expected is None else "Slice"]
    if expected is not None:
        assert [value.const_value.numpy().tolist() for value in model.graph[0].inputs[1:]] == expected
    assert_same_outputs(proto, model)


def test_slice_of_a_part_stays() -> None:
    arrays = {"a": np.array([0, 1], np.int64), "b": np.array([1, 6], np.int64)}
    assert _apply(SlicePass(), [("Slice", ["x", "a", "b"], ["y"])], **arrays) == ["Slice"]


def test_made_up_names_are_replaced() -> None:
    model = tiny_graph.graph(
        nodes=[("Add", ["x", "_v_17"], ["y"])],
        inputs={"x": IMAGE},
        outputs=["y"],
        initializers={"_v_17": _weights(3, 1, 1)},
    )
    model.graph[0].name = None
    StableNamesPass({"x", "y"})(model)
    assert list(model.graph.initializers) == ["y_constant"]
    assert model.graph[0].name == "Add_y"


_POOL: tiny_graph.Node = ("AveragePool", ["x"], ["b"], {"kernel_shape": [1, 1]})


def _joined(second: tiny_graph.Node = _POOL) -> list[tiny_graph.Node]:
    """A Conv and a second branch that a Concat joins, with a Relu and another operator behind it."""
    first: tiny_graph.Node = ("Conv", ["x", "w"], ["a"])
    joint: list[tiny_graph.Node] = [("Concat", ["a", "b"], ["c"], {"axis": 1}), ("Relu", ["c"], ["r"])]
    return [first, second, *joint, ("GlobalAveragePool", ["r"], ["y"])]


def test_a_relu_behind_a_concat_is_one_in_each_branch() -> None:
    proto = tiny_graph.model(
        nodes=_joined(), inputs={"x": IMAGE}, outputs=["y"], initializers={"w": _weights(4, 3, 1, 1)}
    )
    model = ir.from_proto(proto)
    ReluBeforeConcatPass()(model)
    assert_same_outputs(proto, model, tolerance=0)
    assert operators(model) == ["Conv", "AveragePool", "Relu", "Relu", "Concat", "GlobalAveragePool"]
    assert [node.outputs[0].name for node in model.graph if node.op_type == "Concat"] == ["r"], "the user's name stays"


@pytest.mark.parametrize(
    "nodes",
    [
        _joined(second=("MaxPool", ["x"], ["b"], {"kernel_shape": [1, 1]})),
        _joined(second=("Add", ["a", "a"], ["b"])),
        [*_joined()[:3], ("Relu", ["c"], ["y"])],
        [*_joined()[:4], ("Add", ["r", "c"], ["y"])],
    ],
    ids=[
        "nothing computes a branch",
        "a branch is read elsewhere",
        "the Relu is the output",
        "the Concat is read twice",
    ],
)
def test_a_relu_that_could_not_be_fused_stays_behind_the_concat(nodes: list[tiny_graph.Node]) -> None:
    assert _apply(ReluBeforeConcatPass(), nodes, w=_weights(4, 3, 1, 1)) == [node[0] for node in nodes]
