"""16-bit activations: which points have them, and where a value has a pair of 8 bits as well."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from gdfq_export.errors import InputError
from gdfq_export.planning.placement import build_plan
from gdfq_export.planning.placement.float_reasons import WIDE
from gdfq_export.planning.placement.wide import add_conversions
from gdfq_export.planning.plan import QuantPlan, Role
from gdfq_export.recipe import Bits, LayerBits
from gdfq_export.targets import TARGETS, find_target
from tests import tiny_graph
from tests.planning.placement.planned import conv, head, weights

TAKE_THEM = [name for name, target in TARGETS.items() if target.wide is not None]


def plan_of(bits: Bits, target: str = "ort-cpu") -> tuple[QuantPlan, ir.Graph]:
    """x -> Conv c -> Relu r -> Conv d -> Relu s -> Conv e -> Add r + e -> head, with conversions."""
    nodes = [conv("x", "w", "c"), ("Relu", ["c"], ["r"]), conv("r", "v", "d", "b"), ("Relu", ["d"], ["s"])]
    nodes += [conv("s", "u", "e"), ("Add", ["r", "e"], ["a"]), *head("a")]
    arrays = {name: weights(4, 4, 3, 3) for name in "wvu"} | {"g": weights(5, 4), "b": weights(4)}
    model = tiny_graph.graph(nodes=nodes, inputs={"x": ("batch", 4, 6, 6)}, outputs=["y"], initializers=arrays)
    add_conversions(model.graph, find_target(target), bits)
    return build_plan(model, find_target(target), bits, compared=["y"], input_range=(-1.0, 3.0)), model.graph


@pytest.mark.parametrize("target", TAKE_THEM)
@pytest.mark.parametrize(
    "bits", [Bits(keep_int16=("Conv_d",)), Bits(layers={"v": LayerBits(weights=None, activations=16)})]
)
def test_a_node_between_layers_of_8_bits_has_pairs_of_its_own(bits: Bits, target: str) -> None:
    plan, graph = plan_of(bits, target)
    wide = {tensor: point.dtype for tensor, point in plan.by_tensor.items() if point.bits == 16}
    assert wide == dict.fromkeys(("r_16", "s"), np.dtype(np.uint16))
    assert (plan.by_tensor["r"].bits, plan.by_tensor["s_8"].bits) == (8, 8)
    assert plan.by_node["Conv_d"].reason == plan.by_node["Relu_s"].reason == WIDE
    assert (plan.by_tensor["v"].role, plan.by_tensor["v"].dtype) == (Role.WEIGHT, np.dtype(np.int8))
    assert plan.bias_of["Conv_d"].bits == 32
    assert [node.op_type for node in graph].count("Identity") == 2


def test_nodes_side_by_side_have_one_pair_between_them() -> None:
    plan, _ = plan_of(Bits(keep_int16=("Conv_d", "Conv_e", "Add")))
    assert {tensor for tensor, point in plan.by_tensor.items() if point.bits == 16} == {"r_16", "s", "e", "a"}
    assert plan.by_tensor["a_8"].bits == 8  # which the head reads


def test_float_comes_first() -> None:
    plan, _ = plan_of(Bits(keep_int16=("Conv_d",), keep_float=("Conv_d",)))
    assert all(point.bits != 16 for point in plan.points)


@pytest.mark.parametrize("target", sorted({*TARGETS} - {*TAKE_THEM}))
def test_a_target_without_them_says_so(target: str) -> None:
    with pytest.raises(InputError, match=rf"keep_int16 in the recipe: {target} takes no 16-bit activations"):
        plan_of(Bits(keep_int16=("Conv_d",)), target)
