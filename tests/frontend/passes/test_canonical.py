from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gdfq_export.errors import InputError
from gdfq_export.frontend.passes.canonical import canonicalize
from tests import tiny_graph
from tests.frontend.passes.equivalence import assert_same_outputs, operators

RANDOM = np.random.default_rng(0)


def _weights(*shape: int) -> np.ndarray:
    return RANDOM.normal(size=shape).astype(np.float32)


def _norm(channels: int) -> dict[str, np.ndarray]:
    return {
        "gamma": _weights(channels),
        "beta": _weights(channels),
        "mean": _weights(channels),
        "var": np.abs(_weights(channels)) + 0.1,
    }


def _classifier(opset: int = 17, batch: int | str = "n", head: str = "Softmax") -> onnx.ModelProto:
    return tiny_graph.model(
        nodes=[
            ("Conv", ["x", "w"], ["c"], {"pads": [1, 1, 1, 1]}),
            ("BatchNormalization", ["c", "gamma", "beta", "mean", "var"], ["b"]),
            ("Relu", ["b"], ["r"]),
            ("Identity", ["r"], ["i"]),
            ("GlobalAveragePool", ["i"], ["g"]),
            ("Flatten", ["g"], ["f"]),
            ("Dropout", ["f"], ["d"]),
            ("Gemm", ["d", "w2", "b2"], ["z"], {"transB": 1}),
            (head, ["z"], ["y"]),
        ],
        inputs={"x": (batch, 3, 8, 8)},
        outputs=["y"],
        initializers={"w": _weights(4, 3, 3, 3), **_norm(4), "w2": _weights(5, 4), "b2": _weights(5)},
        opset=opset,
    )


@pytest.mark.parametrize("opset", [11, 12, 13, 15, 17, 18, 21, 22, 23])
def test_every_opset_becomes_21_and_computes_the_same(opset: int) -> None:
    proto = _classifier(opset)
    before = proto.SerializeToString()
    model = canonicalize(proto, "net.onnx")
    assert proto.SerializeToString() == before
    assert model.opset_imports[""] == 21
    assert operators(model)[:3] == ["Conv", "BatchNormalization", "Relu"]
    assert {"Identity", "Dropout", "Constant"}.isdisjoint(operators(model))
    assert_same_outputs(proto, model)


def test_names_and_shapes_are_complete_and_the_users() -> None:
    model = canonicalize(_classifier(), "net.onnx")
    assert [value.name for value in model.graph.inputs] == ["x"]
    assert [value.name for value in model.graph.outputs] == ["y"]
    values = {value.name: value for node in model.graph for value in node.outputs}
    assert {"c", "b", "r", "g", "z", "y"} <= values.keys()
    assert all(node.name for node in model.graph)
    for value in values.values():
        assert value.shape is not None and value.dtype == ir.DataType.FLOAT
        assert str(value.shape[0]) == "n" and all(isinstance(size, int) for size in list(value.shape)[1:])
    assert list(values["c"].shape or [])[1:] == [4, 8, 8]


def test_same_file_twice_gives_the_same_bytes() -> None:
    proto = _classifier(13)
    first = ir.to_proto(canonicalize(proto, "net.onnx")).SerializeToString(deterministic=True)
    second = ir.to_proto(canonicalize(proto, "net.onnx")).SerializeToString(deterministic=True)
    assert first == second


@pytest.mark.parametrize("attributes", [{}, {"allowzero": 1}], ids=["", "allowzero"])
def test_fixed_batch_is_freed(attributes: dict[str, int]) -> None:
    """torch's exporter sets allowzero, with which a 0 would be no dimension of the input but an empty one."""
    proto = tiny_graph.model(
        nodes=[("Conv", ["x", "w"], ["c"]), ("Reshape", ["c", "s"], ["f"], attributes), ("MatMul", ["f", "m"], ["y"])],
        inputs={"x": (1, 3, 4, 4)},
        outputs=["y"],
        initializers={"w": _weights(2, 3, 1, 1), "s": np.array([1, 32], np.int64), "m": _weights(32, 5)},
    )
    model = canonicalize(proto, "net.onnx")
    assert [str(size) for size in model.graph.outputs[0].shape or []] == ["batch", "5"]
    assert_same_outputs(proto, model, batch=1)


@pytest.mark.parametrize("equal", [True, False])
def test_equal_rows_of_a_constant_for_each_image_of_a_fixed_batch_become_one(equal: bool) -> None:
    rows = np.repeat(_weights(1, 5), 2, axis=0) + (0 if equal else np.array([[0], [1]], np.float32))
    proto = tiny_graph.model(
        nodes=[("Flatten", ["x"], ["f"]), ("Gemm", ["f", "m", "rows"], ["g"]), ("Add", ["g", "rows"], ["y"])],
        inputs={"x": (2, 3, 4, 4)},
        outputs=["y"],
        initializers={"m": _weights(48, 5), "rows": rows},
    )
    model = canonicalize(proto, "net.onnx")
    assert_same_outputs(proto, model, batch=2)
    assert str((model.graph.outputs[0].shape or [""])[0]) == ("batch" if equal else "2")


def test_shape_chain_before_reshape_becomes_constant() -> None:
    proto = tiny_graph.model(
        nodes=[
            ("Relu", ["x"], ["r"]),
            ("Shape", ["r"], ["shape"]),
            ("Gather", ["shape", "zero"], ["n"]),
            ("Unsqueeze", ["n", "axis"], ["n1"]),
            ("Concat", ["n1", "rest"], ["target"], {"axis": 0}),
            ("Reshape", ["r", "target"], ["f"], {"allowzero": 1}),
            ("MatMul", ["f", "m"], ["y"]),
        ],
        inputs={"x": ("batch", 3, 4, 4)},
        outputs=["y"],
        initializers={
            "zero": np.array(0, np.int64),
            "axis": np.array([0], np.int64),
            "rest": np.array([-1], np.int64),
            "m": _weights(48, 5),
        },
    )
    model = canonicalize(proto, "net.onnx")
    assert operators(model) == ["Relu", "Flatten", "Gemm"]
    assert_same_outputs(proto, model, batch=3)


def test_channel_shuffle_keeps_its_reshapes() -> None:
    proto = tiny_graph.model(
        nodes=[
            ("Shape", ["x"], ["shape"]),
            ("Slice", ["shape", "zero", "one"], ["n"]),
            ("Concat", ["n", "split"], ["t1"], {"axis": 0}),
            ("Reshape", ["x", "t1"], ["a"]),
            ("Transpose", ["a"], ["b"], {"perm": [0, 2, 1, 3, 4]}),
            ("Concat", ["n", "whole"], ["t2"], {"axis": 0}),
            ("Reshape", ["b", "t2"], ["y"]),
        ],
        inputs={"x": ("batch", 6, 4, 4)},
        outputs=["y"],
        initializers={
            "zero": np.array([0], np.int64),
            "one": np.array([1], np.int64),
            "split": np.array([2, 3, 4, 4], np.int64),
            "whole": np.array([6, 4, 4], np.int64),
        },
    )
    model = canonicalize(proto, "net.onnx")
    assert operators(model) == ["Reshape", "Transpose", "Reshape"]
    assert all(node.inputs[1].is_initializer() for node in model.graph if node.op_type == "Reshape")
    assert_same_outputs(proto, model, batch=5)


def test_unconvertible_opset_says_what_to_do() -> None:
    proto = _classifier(21)
    proto.opset_import[0].version = 99
    with pytest.raises(InputError, match="export it with opset 21"):
        canonicalize(proto, "net.onnx")


_LAYERS = ["Conv", "BatchNormalization", "Relu", "Clip", "Pad", "AveragePool", "MaxPool", "Sub", "Div", "Identity"]


@settings(max_examples=25)
@given(
    layers=st.lists(st.sampled_from(_LAYERS), min_size=1, max_size=6),
    head=st.sampled_from(["ReduceMean0", "ReduceMean1", "GlobalAveragePool", "Whole"]),
    opset=st.sampled_from([13, 17, 18, 21]),
    seed=st.integers(0, 2**16),
)
def test_canonical_computes_what_the_original_computes(layers: list[str], head: str, opset: int, seed: int) -> None:
    random = np.random.default_rng(seed)

    def draw(*shape: int) -> np.ndarray:
        return random.normal(size=shape).astype(np.float32)

    nodes: list[tiny_graph.Node] = []
    constants: dict[str, np.ndarray] = {}
    last, size = "x", 12
    for index, layer in enumerate(layers):
        y = f"v{index}"
        inputs, attributes = [last], {}
        if layer == "Conv":
            constants |= {f"w{index}": draw(3, 3, 3, 3)}
            inputs, attributes = [last, f"w{index}"], {"auto_pad": "SAME_UPPER" if seed % 2 else "SAME_LOWER"}
        elif layer == "BatchNormalization":
            names = [f"{name}{index}" for name in ("gamma", "beta", "mean", "var")]
            constants |= dict(zip(names, [draw(3), draw(3), draw(3), np.abs(draw(3)) + 0.5], strict=True))
            inputs = [last, *names]
        elif layer == "Clip":
            constants |= {f"lo{index}": np.float32(0), f"hi{index}": np.float32(6)}
            inputs = [last, f"lo{index}", f"hi{index}"]
        elif layer == "Pad":
            constants |= {f"p{index}": np.array([0, 0, 1, 0, 0, 0, 0, 1], np.int64)}
            inputs, size = [last, f"p{index}"], size + 1
        elif layer in ("AveragePool", "MaxPool"):
            attributes, size = {"kernel_shape": [2, 2]}, size - 1
        elif layer in ("Sub", "Div"):
            constants |= {f"k{index}": np.abs(draw(3, 1, 1)) + 0.5}
            inputs = [last, f"k{index}"]
        nodes.append((layer, inputs, [y], attributes))
        last = y
    if head.startswith("ReduceMean"):
        attributes = {"keepdims": int(head[-1])}
        inputs = [last]
        if opset >= 18:
            constants["axes"] = np.array([-1, 2], np.int64)
            inputs.append("axes")
        else:
            attributes |= {"axes": [-1, 2]}
        nodes.append(("ReduceMean", inputs, ["y"], attributes))
    elif head == "Whole":
        nodes.append(("AveragePool", [last], ["y"], {"kernel_shape": [size, size]}))
    else:
        nodes.append((head, [last], ["y"]))
    proto = tiny_graph.model(
        nodes=nodes, inputs={"x": ("n", 3, 12, 12)}, outputs=["y"], initializers=constants, opset=opset
    )
    model = canonicalize(proto, "net.onnx")
    assert "GlobalAveragePool" in operators(model)
    assert {"ReduceMean", "Sub", "Div", "Identity"}.isdisjoint(operators(model))
    assert operators(model).count("BatchNormalization") == layers.count("BatchNormalization")
    assert_same_outputs(proto, model, seed=seed)


@pytest.mark.parametrize(
    "name", ["cifar10_resnet20", "cifar10_resnet8_mlperftiny", "cifar10_mobilenetv2", "cifar10_shufflenet"]
)
def test_real_networks(evaluation_data: Path, name: str) -> None:
    proto = onnx.load(evaluation_data / "models" / f"{name}.onnx")
    model = canonicalize(proto, name)
    kinds = [node.op_type for node in proto.graph.node]
    assert operators(model).count("BatchNormalization") == kinds.count("BatchNormalization")
    assert_same_outputs(proto, model)
