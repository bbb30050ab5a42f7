from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gdfq_export.frontend.passes.canonical import canonicalize
from gdfq_export.frontend.passes.fold_batch_norm import fold_batch_norm
from tests import tiny_graph
from tests.frontend.passes.equivalence import assert_same_outputs, operators


def _norm(random: np.random.Generator, channels: int, suffix: str = "") -> dict[str, np.ndarray]:
    return {
        f"gamma{suffix}": random.normal(size=channels).astype(np.float32),
        f"beta{suffix}": random.normal(size=channels).astype(np.float32),
        f"mean{suffix}": random.normal(size=channels).astype(np.float32),
        f"var{suffix}": random.uniform(0.1, 4.0, channels).astype(np.float32),
    }


@settings(max_examples=30)
@given(
    group=st.sampled_from([1, 2, 4]),
    multiplier=st.integers(1, 3),
    bias=st.booleans(),
    epsilon=st.sampled_from([1e-5, 1e-3]),
    seed=st.integers(0, 2**16),
)
def test_folded_convolution_computes_the_same(
    group: int, multiplier: int, bias: bool, epsilon: float, seed: int
) -> None:
    random = np.random.default_rng(seed)
    channels = group * multiplier
    constants = {"w": random.normal(size=(channels, 4 // group, 3, 3)).astype(np.float32), **_norm(random, channels)}
    if bias:
        constants["b"] = random.normal(size=channels).astype(np.float32)
    proto = tiny_graph.model(
        nodes=[
            ("Conv", ["x", "w", *(["b"] if bias else [])], ["c"], {"group": group}),
            ("BatchNormalization", ["c", "gamma", "beta", "mean", "var"], ["n"], {"epsilon": epsilon}),
            ("Relu", ["n"], ["y"]),
        ],
        inputs={"x": ("batch", 4, 6, 6)},
        outputs=["y"],
        initializers=constants,
    )
    model = ir.from_proto(proto)
    folded = fold_batch_norm(model)
    assert operators(folded.model) == ["Conv", "Relu"]
    assert folded.model.graph[0].outputs[0].name == "n"
    assert list(folded.statistics) == ["n"]
    np.testing.assert_array_equal(folded.statistics["n"].mean, constants["beta"])
    np.testing.assert_array_equal(folded.statistics["n"].std, np.abs(constants["gamma"]))
    assert folded.statistics["n"].std.dtype == np.float32
    assert_same_outputs(proto, folded.model, seed=seed)


def test_input_model_is_not_modified() -> None:
    random = np.random.default_rng(0)
    model = tiny_graph.graph(
        nodes=[
            ("Conv", ["x", "w"], ["c"]),
            ("BatchNormalization", ["c", "gamma", "beta", "mean", "var"], ["y"]),
        ],
        inputs={"x": ("batch", 3, 4, 4)},
        outputs=["y"],
        initializers={"w": random.normal(size=(2, 3, 1, 1)).astype(np.float32), **_norm(random, 2)},
    )
    before = ir.to_proto(model).SerializeToString(deterministic=True)
    folded = fold_batch_norm(model)
    assert ir.to_proto(model).SerializeToString(deterministic=True) == before
    assert [value.name for value in folded.model.graph.outputs] == ["y"]


def test_gemm_absorbs_batch_norm_of_rank_2() -> None:
    random = np.random.default_rng(0)
    proto = tiny_graph.model(
        nodes=[
            ("Flatten", ["x"], ["f"]),
            ("Gemm", ["f", "w"], ["g"], {"transB": 1}),
            ("BatchNormalization", ["g", "gamma", "beta", "mean", "var"], ["y"]),
        ],
        inputs={"x": ("batch", 3, 2, 2)},
        outputs=["y"],
        initializers={"w": random.normal(size=(5, 12)).astype(np.float32), **_norm(random, 5)},
    )
    folded = fold_batch_norm(ir.from_proto(proto))
    assert operators(folded.model) == ["Flatten", "Gemm"]
    assert_same_outputs(proto, folded.model)


def test_batch_norm_without_a_layer_becomes_depthwise_or_mul_add() -> None:
    random = np.random.default_rng(0)
    proto = tiny_graph.model(
        nodes=[
            ("BatchNormalization", ["x", "gamma", "beta", "mean", "var"], ["first"]),
            ("Conv", ["first", "w"], ["c"]),
            ("BatchNormalization", ["c", "gamma", "beta", "mean", "var"], ["second"]),
            ("Add", ["c", "second"], ["sum"]),
            ("GlobalAveragePool", ["sum"], ["g"]),
            ("Flatten", ["g"], ["f"]),
            ("BatchNormalization", ["f", "gamma", "beta", "mean", "var"], ["y"]),
        ],
        inputs={"x": ("batch", 3, 4, 4)},
        outputs=["y"],
        initializers={"w": random.normal(size=(3, 3, 1, 1)).astype(np.float32), **_norm(random, 3)},
    )
    folded = fold_batch_norm(ir.from_proto(proto))
    wanted = ["Conv", "Conv", "Conv", "Add", "GlobalAveragePool", "Flatten", "Mul", "Add"]
    assert operators(folded.model) == wanted
    assert folded.model.graph[0].attributes.get_int("group") == 3
    assert folded.statistics.keys() == {"first", "second", "y"}
    assert_same_outputs(proto, folded.model)


@pytest.mark.parametrize("shape", [(3, 8), (3, 4, 5), (3, 2, 3, 4)])
def test_batch_norm_of_any_rank_becomes_a_depthwise_convolution_of_that_rank(shape: tuple[int, ...]) -> None:
    proto = tiny_graph.model(
        nodes=[("Relu", ["x"], ["r"]), ("BatchNormalization", ["r", "gamma", "beta", "mean", "var"], ["y"])],
        inputs={"x": ("batch", *shape)},
        outputs=["y"],
        initializers=_norm(np.random.default_rng(0), 3),
    )
    folded = fold_batch_norm(ir.from_proto(proto))
    assert operators(folded.model) == ["Relu", "Conv"]
    assert_same_outputs(proto, folded.model)


def test_two_batch_norms_in_a_row_leave_the_last_statistics() -> None:
    random = np.random.default_rng(0)
    proto = tiny_graph.model(
        nodes=[
            ("Conv", ["x", "w"], ["c"]),
            ("BatchNormalization", ["c", "gamma", "beta", "mean", "var"], ["n"]),
            ("BatchNormalization", ["n", "gamma2", "beta2", "mean2", "var2"], ["y"]),
        ],
        inputs={"x": ("batch", 3, 4, 4)},
        outputs=["y"],
        initializers={
            "w": random.normal(size=(3, 3, 1, 1)).astype(np.float32),
            **_norm(random, 3),
            **_norm(random, 3, "2"),
        },
    )
    folded = fold_batch_norm(ir.from_proto(proto))
    assert operators(folded.model) == ["Conv"]
    assert list(folded.statistics) == ["y"]
    assert_same_outputs(proto, folded.model)


def test_layers_that_share_weights_own_them_afterwards() -> None:
    random = np.random.default_rng(0)
    proto = tiny_graph.model(
        nodes=[
            ("Conv", ["x", "w", "b"], ["c"]),
            ("BatchNormalization", ["c", "gamma", "beta", "mean", "var"], ["n"]),
            ("Conv", ["n", "w", "b"], ["y"]),
        ],
        inputs={"x": ("batch", 3, 4, 4)},
        outputs=["y"],
        initializers={
            "w": random.normal(size=(3, 3, 1, 1)).astype(np.float32),
            "b": random.normal(size=3).astype(np.float32),
            **_norm(random, 3),
        },
    )
    folded = fold_batch_norm(ir.from_proto(proto))
    first, second = folded.model.graph
    assert {value.name for value in first.inputs[1:]}.isdisjoint({value.name for value in second.inputs[1:]})
    assert_same_outputs(proto, folded.model)


@pytest.mark.parametrize("name", ["cifar10_resnet20_cy", "cifar10_resnet50", "cifar10_mobilenetv2"])
def test_real_networks(evaluation_data: Path, name: str) -> None:
    proto = onnx.load(evaluation_data / "models" / f"{name}.onnx")
    folded = fold_batch_norm(canonicalize(proto, name))
    values = {value.name for node in folded.model.graph for value in node.outputs}
    assert "BatchNormalization" not in operators(folded.model)
    assert folded.statistics.keys() <= values
    assert_same_outputs(proto, folded.model, tolerance=2e-5)


@settings(max_examples=30)
@given(
    layer=st.sampled_from(["Conv", "ConvTranspose", "Gemm"]),
    group=st.sampled_from([1, 2]),
    operators_behind=st.lists(st.sampled_from(["Mul", "Add", "Sub", "Div"]), min_size=1, max_size=3),
    form=st.sampled_from(["plain", "full", "scalar", "first"]),
    seed=st.integers(0, 2**16),
)
def test_what_is_left_of_a_batch_norm_is_folded_into_any_layer(
    layer: str, group: int, operators_behind: list[str], form: str, seed: int
) -> None:
    random = np.random.default_rng(seed)
    if layer == "Gemm":
        weight, inputs, attributes = (6, 4), ("batch", 4), {"transB": 1}
    else:
        weight = (6, 4 // group, 3, 3) if layer == "Conv" else (4, 6 // group, 3, 3)
        inputs, attributes = ("batch", 4, 6, 6), {"group": group}
    positions = () if layer == "Gemm" else (1, 1)
    shape = {"plain": (6, *positions), "full": (1, 6, *positions), "scalar": (), "first": (1, 6, *positions)}[form]
    constants = {"w": random.normal(size=weight).astype(np.float32)}
    nodes: list[tiny_graph.Node] = [(layer, ["x", "w"], ["v0"], attributes)]
    for index, op_type in enumerate(operators_behind):
        constants[f"c{index}"] = random.uniform(0.5, 2.0, size=shape).astype(np.float32)
        read = [f"v{index}", f"c{index}"]
        first = form == "first" and op_type in ("Mul", "Add")
        nodes.append((op_type, read[::-1] if first else read, [f"v{index + 1}"]))
    last = f"v{len(operators_behind)}"
    nodes.append(("Relu", [last], ["y"]))
    proto = tiny_graph.model(nodes=nodes, inputs={"x": inputs}, outputs=["y"], initializers=constants)
    folded = fold_batch_norm(ir.from_proto(proto))
    assert not {"Mul", "Add", "Sub", "Div"} & {*operators(folded.model)} and folded.statistics == {}
    assert layer == "ConvTranspose" or folded.model.graph[0].outputs[0].name == last
    assert_same_outputs(proto, folded.model, seed=seed)


def _affine_behind_norm(shape: tuple[int, ...]) -> onnx.ModelProto:
    random = np.random.default_rng(0)
    constants = {"w": random.normal(size=(4, 3, 3, 3)).astype(np.float32), **_norm(random, 4)}
    constants |= {"s": random.normal(size=shape).astype(np.float32)}
    return tiny_graph.model(
        nodes=[
            ("Conv", ["x", "w"], ["c"]),
            ("BatchNormalization", ["c", "gamma", "beta", "mean", "var"], ["n"]),
            ("Mul", ["n", "s"], ["m"]),
            ("Relu", ["m"], ["y"]),
        ],
        inputs={"x": ("batch", 3, 6, 6)},
        outputs=["y"],
        initializers=constants,
    )


def test_statistics_follow_a_factor_behind_the_norm() -> None:
    proto = _affine_behind_norm((4, 1, 1))
    folded = fold_batch_norm(ir.from_proto(proto))
    gamma, beta, factor = (
        onnx.numpy_helper.to_array(tensor).reshape(-1)
        for name in ("gamma", "beta", "s")
        for tensor in proto.graph.initializer
        if tensor.name == name
    )
    np.testing.assert_allclose(folded.statistics["m"].mean, beta * factor, rtol=1e-6)
    np.testing.assert_allclose(folded.statistics["m"].std, np.abs(gamma * factor), rtol=1e-6)
    assert list(folded.statistics) == ["m"]


def test_a_factor_by_position_stays() -> None:
    folded = fold_batch_norm(ir.from_proto(_affine_behind_norm((4, 4))))
    assert operators(folded.model) == ["Conv", "Mul", "Relu"]


def test_a_value_that_is_read_outside_stays() -> None:
    folded = fold_batch_norm(ir.from_proto(_affine_behind_norm((4, 1, 1))), keep=("n",))
    assert operators(folded.model) == ["Conv", "Mul", "Relu"] and list(folded.statistics) == ["n"]
