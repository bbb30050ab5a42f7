"""Files of the forms that OpenVINO computes wrongly or does not load: the rule names the node, and OpenVINO does so."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
import pytest

from gdfq_export.errors import InputError
from gdfq_export.lint import check
from gdfq_export.runtimes.onnxruntime import OnnxRuntime
from gdfq_export.runtimes.openvino import OpenVino
from gdfq_export.support.finding import Consequence
from gdfq_export.targets import find_target
from tests import tiny_graph

Shape = tuple[int, ...]


def quantized(source: str, zero: int) -> list[Any]:
    grid = ["step", f"zero_{zero}"]
    return [
        ("QuantizeLinear", [source, *grid], [f"{source}_q"]),
        ("DequantizeLinear", [f"{source}_q", *grid], [f"{source}_dq"]),
    ]


def built(nodes: list[Any], shape: Shape, output: str, **arrays: np.ndarray) -> onnx.ModelProto:
    numbers: dict[str, np.ndarray] = {"step": np.asarray(0.02, np.float32), **arrays}
    zeros = {name for node in nodes for name in node[1] if name.startswith("zero_")}
    numbers |= {name: np.asarray(int(name.removeprefix("zero_")), np.uint8) for name in zeros}
    return tiny_graph.model(
        nodes=nodes, inputs={"x": ("batch", *shape)}, outputs=[output], initializers=numbers, opset=20
    )


def reduction(operator: str, shape: Shape, zero: int, *, rounded: bool) -> onnx.ModelProto:
    inputs = ["x_dq"] if operator.startswith("Global") else ["x_dq", "axes"]
    nodes = [*quantized("x", zero), (operator, inputs, ["m"])]
    axes = {} if operator.startswith("Global") else {"axes": np.array([1])}
    if not rounded:
        return built(nodes, shape, "m", **axes)
    return built([*nodes, *quantized("m", zero)], shape, "m_dq", **axes)


def two_layers(bias: Sequence[float] | None, *, zero: int = 128, between: str = "") -> onnx.ModelProto:
    random, nodes, arrays, at = np.random.default_rng(0), quantized("x", zero), {}, "x_dq"
    for name, outputs, inputs in (("a", 8, 4), ("b", 5, 8)):
        arrays[f"{name}_weight_q"] = random.integers(-100, 101, (outputs, inputs)).astype(np.int8)
        arrays |= {f"{name}_s": np.full(outputs, 0.002, np.float32), f"{name}_z": np.zeros(outputs, np.int8)}
        nodes.append(
            ("DequantizeLinear", [f"{name}_weight_q", f"{name}_s", f"{name}_z"], [f"{name}_weight"], {"axis": 0})
        )
        biases = [f"{name}_bias"] if bias is not None and name == "a" else []
        if biases:
            arrays["a_bias"] = np.resize(np.asarray(bias, np.float32), outputs)
        nodes.append(("Gemm", [at, f"{name}_weight", *biases], [name], {"transB": 1}))
        if name == "a":
            nodes += [(between, ["a"], ["r"])] if between else []
            nodes += quantized("r" if between else "a", 0 if between else 128)
            at = "r_dq" if between else "a_dq"
    return built(nodes, (4,), "b", **arrays)


def blocks(zero: int, *, between: str = "", joined: bool = True) -> onnx.ModelProto:
    nodes: list[Any] = [*quantized("x", 128)]
    nodes.append(("Concat", ["x_dq", "x_dq"], ["j"], {"axis": 1}) if joined else ("Relu", ["x_dq"], ["j"]))
    if between:
        nodes.append((between, ["j"], ["k"]))
    at = "k" if between else "j"
    nodes += [*quantized(at, zero), ("DepthToSpace", [f"{at}_dq"], ["d"], {"blocksize": 2})]
    return built(nodes, (4, 6, 6), "d")


def added(
    steps: float | Sequence[float], *, zero: int = 0, between: str = "", rounded: bool = False
) -> onnx.ModelProto:
    """A constant in steps, added to codes in front of a convolution, or of a QuantizeLinear of the same step."""
    nodes: list[Any] = [*quantized("x", zero), ("Add", ["x_dq", "added"], ["a"])]
    arrays = {"added": np.asarray(steps, np.float32).reshape(-1, 1, 1) * np.float32(0.02)}
    at = "a"
    if between:
        nodes.append((between, ["a"], [at := "b"], {"kernel_shape": [2, 2]} if between == "MaxPool" else {}))
    if rounded:
        return built([*nodes, *quantized(at, zero)], (4, 6, 6), f"{at}_dq", **arrays)
    arrays["w"] = np.random.default_rng(0).integers(-100, 101, (8, 4, 1, 1)).astype(np.int8)
    nodes += [("DequantizeLinear", ["w", "w_step"], ["w_dq"]), ("Conv", [at, "w_dq"], ["y"])]
    return built(nodes, (4, 6, 6), "y", w_step=np.asarray(0.01, np.float32), **arrays)


ADDED = {
    "part of a step": (added(0.3), True),
    "part of a step, behind it a MaxPool": (added(0.3, between="MaxPool"), True),
    "part of a step, behind it a Relu": (added(0.3, between="Relu"), False),
    "part of a step for each channel": (added([-1.3, -2.2, -0.2, 0.3]), True),
    "more than codes go back": (added(1.3), False),
    "a whole step": (added(-1.0), False),
    "another zero point": (added(0.3, zero=100), False),
    "less than a step, quantized": (added(0.7, rounded=True), True),
    "less than a step, quantized behind a Relu": (added(0.7, rounded=True, between="Relu"), True),
    "less than half a step, quantized": (added(0.3, rounded=True), False),
    "more than a step, quantized": (added(1.3, rounded=True), False),
    "less than a step, quantized, another zero point": (added(0.7, rounded=True, zero=10), False),
}
SIGNAL, IMAGE = (4, 6), (4, 6, 5)
REDUCED = [("reduced signal", Consequence.WRONG)]
JOINED = [("joined layers", Consequence.WRONG)]
CASES = {
    "mean of a signal in float": (reduction("GlobalAveragePool", SIGNAL, 0, rounded=False), REDUCED),
    "mean over channels in float": (reduction("ReduceMean", SIGNAL, 0, rounded=False), REDUCED),
    "sum over channels in float": (reduction("ReduceSum", SIGNAL, 0, rounded=False), REDUCED),
    "mean of a signal, zero point 0": (reduction("GlobalAveragePool", SIGNAL, 0, rounded=True), []),
    "mean of an image in float": (reduction("GlobalAveragePool", IMAGE, 0, rounded=False), []),
    "mean over channels of an image": (reduction("ReduceMean", IMAGE, 100, rounded=True), []),
    "layers without biases": (two_layers(None), JOINED),
    "layers with one bias": (two_layers([0.1]), JOINED),
    "layers without biases, a Relu between": (two_layers(None, between="Relu"), JOINED),
    "layers without biases, zero point 0": (two_layers(None, zero=0), []),
    "layers with biases": (two_layers(np.linspace(-0.2, 0.3, 8).tolist()), []),
}
BLOCKS = {
    "joined": (blocks(128), True),
    "joined, another zero point": (blocks(100), True),
    "joined, in front of a Relu": (blocks(128, between="Relu"), True),
    "joined, zero point 0": (blocks(0), False),
    "not joined": (blocks(128, joined=False), False),
}


def found(model: onnx.ModelProto) -> list[tuple[str, Consequence]]:
    rules = ("reduced signal", "joined layers", "joined features")
    return [(each.rule, each.consequence) for each in check(model, find_target("openvino")) if each.rule in rules]


def images(model: onnx.ModelProto, count: int) -> np.ndarray:
    dims = model.graph.input[0].type.tensor_type.shape.dim[1:]
    return np.random.default_rng(1).uniform(0, 2, (count, *(dim.dim_value for dim in dims))).astype(np.float32)


def differs(model: onnx.ModelProto, count: int) -> bool:
    data, x = model.SerializeToString(), images(model, count)
    ours, written = OpenVino().load(data, 1).run(x), OnnxRuntime(as_written=True).load(data, 1).run(x)
    return not np.abs(ours - written).max() <= 0.05 * np.abs(written).max()


@pytest.mark.parametrize("name", CASES)
def test_what_is_named_is_wrong_and_nothing_else(name: str) -> None:
    pytest.importorskip("openvino")
    model, expected = CASES[name]
    assert found(model) == expected
    assert any(map(differs, [model] * 2, (2, 64))) == bool(expected)


@pytest.mark.parametrize("name", ADDED)
def test_a_constant_that_is_counted_in_steps_is_named(name: str) -> None:
    pytest.importorskip("openvino")
    model, expected = ADDED[name]
    named = [each.message for each in check(model, find_target("openvino")) if each.rule == "added constant"]
    assert bool(named) == expected and all(text.startswith("Add Add_a") for text in named)
    data, x = model.SerializeToString(), images(model, 4)
    ours, written = OpenVino().load(data, 1).run(x), OnnxRuntime(as_written=True).load(data, 1).run(x)
    assert bool(np.abs(ours - written).max() > 1e-3) == expected


@pytest.mark.parametrize("name", BLOCKS)
def test_what_is_said_to_be_refused_is(name: str) -> None:
    pytest.importorskip("openvino")
    model, refused = BLOCKS[name]
    assert found(model) == ([("joined features", Consequence.REFUSED)] if refused else [])
    session = OpenVino().load(model.SerializeToString(), 1)
    if refused:
        with pytest.raises(InputError):
            session.run(images(model, 2))
    else:
        session.run(images(model, 2))


def test_messages_name_the_nodes() -> None:
    texts = [
        each.message
        for model in (blocks(128), two_layers(None), reduction("ReduceMean", SIGNAL, 0, rounded=False))
        for each in check(model, find_target("openvino"))
    ]
    assert any("DepthToSpace" in text and "Concat" in text for text in texts)
    assert any("joins it with Gemm" in text for text in texts)
    assert any(text.startswith("ReduceMean") and "three axes" in text for text in texts)
