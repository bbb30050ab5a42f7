"""A ConvTranspose written as Conv and shuffle computes the same numbers, whatever its attributes."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gdfq_export.frontend.passes.fold_batch_norm import fold_batch_norm
from gdfq_export.frontend.passes.measured_shapes import annotate_shapes, run_model
from tests import tiny_graph

SIZES = (5, 4, 3)


def transposed(
    rank: int, kernel: int, groups: int, *, norm: bool = False, activation: str | None = None, **attributes: Any
) -> onnx.ModelProto:
    random = np.random.default_rng(kernel)
    nodes: list[tiny_graph.Node] = [("ConvTranspose", ["x", "w", "b"], ["t"], {"group": groups, **attributes})]
    constants = {
        "w": random.normal(size=(4, 3, *[kernel] * rank)).astype(np.float32),
        "b": random.normal(size=3 * groups).astype(np.float32),
    }
    if norm:
        names = ["gamma", "beta", "mean", "variance"]
        constants |= {name: random.uniform(0.5, 2.0, 3 * groups).astype(np.float32) for name in names}
        nodes.append(("BatchNormalization", ["t", *names], ["n"]))
    if activation is not None:
        nodes.append((activation, [nodes[-1][2][0]], ["a"]))
    return tiny_graph.model(
        nodes=[*nodes, ("Neg", [nodes[-1][2][0]], ["y"])],
        inputs={"x": ("batch", 4, *SIZES[:rank])},
        outputs=["y"],
        initializers=constants,
    )


def rewritten(proto: onnx.ModelProto) -> ir.Model:
    model = ir.from_proto(proto)
    annotate_shapes(model, "test")
    return fold_batch_norm(model).model


def assert_same(proto: onnx.ModelProto, model: ir.Model, rank: int) -> None:
    x = np.random.default_rng(0).normal(size=(2, 4, *SIZES[:rank])).astype(np.float32)
    expected, found = (run_model(graph, {"x": x})["y"] for graph in (proto, ir.to_proto(model)))
    np.testing.assert_allclose(found, expected, atol=1e-4)


@given(
    rank=st.integers(1, 3),
    kernel=st.integers(1, 4),
    stride=st.integers(1, 3),
    dilation=st.integers(1, 2),
    groups=st.sampled_from([1, 2, 4]),
    begin=st.integers(0, 2),
    end=st.integers(0, 2),
    more=st.integers(0, 1),
)
def test_it_is_the_same_function(
    rank: int, kernel: int, stride: int, dilation: int, groups: int, begin: int, end: int, more: int
) -> None:
    attributes = {
        "strides": [stride] * rank,
        "dilations": [dilation] * rank,
        "pads": [begin] * rank + [end] * rank,
        "output_padding": [min(more, stride - 1)] * rank,
    }
    if (SIZES[rank - 1] - 1) * stride + (kernel - 1) * dilation + 1 + min(more, stride - 1) <= begin + end:
        return
    proto = transposed(rank, kernel, groups, **attributes)
    model = rewritten(proto)
    assert_same(proto, model, rank)
    kept = sum(node.op_type == "ConvTranspose" for node in model.graph)
    assert not kept or begin > (kernel - 1) * dilation or end > (kernel - 1) * dilation


@pytest.mark.parametrize("groups", [1, 2])
def test_batch_norm_is_folded_first_and_a_relu_precedes_the_shuffle(groups: int) -> None:
    proto = transposed(2, 2, groups, norm=True, activation="Relu", strides=[2, 2])
    model = rewritten(proto)
    assert [node.op_type for node in model.graph] == ["Conv", "Relu", "DepthToSpace", "Neg"]
    assert [node.name for node in model.graph][:2] == [proto.graph.node[0].name, proto.graph.node[2].name]
    assert_same(proto, model, 2)


def test_strides_that_differ() -> None:
    proto = transposed(2, 3, 1, strides=[2, 3])
    model = rewritten(proto)
    assert [node.op_type for node in model.graph][:4] == ["Conv", "Reshape", "Transpose", "Reshape"]
    assert_same(proto, model, 2)


def test_a_weight_that_is_computed_and_pads_that_are_not_stated_are_left_alone() -> None:
    proto = transposed(2, 3, 1, strides=[2, 2], auto_pad="SAME_UPPER")
    assert "ConvTranspose" in [node.op_type for node in rewritten(proto).graph]
