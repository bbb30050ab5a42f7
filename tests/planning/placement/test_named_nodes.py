"""Which nodes a pattern of a recipe names, and what is said of one that names none."""

from __future__ import annotations

import pytest

from gdfq_export.errors import InputError
from gdfq_export.planning.placement.float_reasons import KEPT
from gdfq_export.planning.plan import QuantPlan
from gdfq_export.recipe import Bits, LayerBits
from gdfq_export.targets import TARGETS, Kernel
from tests.planning.placement.planned import conv, head, planned, weights


def plan_of(*patterns: str, target: str = "ort-cpu", bits: Bits | None = None) -> QuantPlan:
    """x -> Conv c -> Relu r -> Conv d -> Conv e -> Add r + e -> head."""
    nodes = [conv("x", "w", "c"), ("Relu", ["c"], ["r"]), conv("r", "v", "d"), conv("d", "u", "e")]
    nodes += [("Add", ["r", "e"], ["a"]), *head("a")]
    kept = (bits or Bits()).model_copy(update={"keep_float": patterns})
    arrays = {name: weights(4, 4, 3, 3) for name in "wvu"}
    return planned(nodes, output="y", bits=kept, target=target, g=weights(5, 4), **arrays)


def kept(*patterns: str) -> set[str]:
    return {node.node for node in plan_of(*patterns).nodes if node.reason == KEPT}


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("Conv_d", {"Conv_d"}),
        ("v", {"Conv_d"}),
        ("Conv_[de]", {"Conv_d", "Conv_e"}),
        ("Conv", {"Conv_c", "Conv_d", "Conv_e"}),
        ("re:Conv_(d|e)", {"Conv_d", "Conv_e"}),
        ("Add", {"Add_a"}),
    ],
)
def test_a_pattern_is_a_name_a_weight_an_operator_or_an_expression(pattern: str, names: set[str]) -> None:
    assert kept(pattern) == names


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("Conv_z", r"no node, weight or operator is called 'Conv_z' \(did you mean Conv_"),
        ("re:Conv", r"no node, weight or operator is called 're:Conv'"),
        ("re:(", r"'re:\(' is not a regular expression"),
    ],
)
def test_a_pattern_that_matches_nothing_is_refused(pattern: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        plan_of(pattern)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("pattern", ["Conv", "Conv_d", "Add", "Gemm", "GlobalAveragePool", "Flatten", "Relu", "re:.*"])
def test_a_kept_node_has_no_kernel_on_any_target(pattern: str, target: str) -> None:
    plan = plan_of(pattern, target=target)
    named = [node for node in plan.nodes if pattern in (node.op_type, node.node, "re:.*")]
    assert named
    assert all(node.kernel is None and node.reason == KEPT for node in named)
    assert not plan.absorbed & {node.node for node in named}
    readers = {name for point in plan.points for name in point.consumers} | {node.absorbed for node in plan.nodes}
    writers = {point.tensor for point in plan.points if point.role == "activation"}
    kernels = {node.node for node in plan.nodes if node.kernel is not None}
    assert kernels or not plan.points
    assert all(set(point.consumers) & kernels or point.tensor in writers for point in plan.points), readers


def test_what_a_kept_node_reads_has_all_bits() -> None:
    low = Bits(weights=4, activations=4, residual=4, first_last=4)
    plan = plan_of("Conv_e", bits=low)
    assert (plan.by_tensor["d"].bits, plan_of(bits=low).by_tensor["d"].bits) == (8, 4)


def test_the_first_layer_stays_the_first_where_it_is_float() -> None:
    low = Bits(weights=4, activations=4)
    assert plan_of("Conv_c", bits=low).by_tensor["v"].bits == 4


def test_bits_of_a_layer_that_is_kept_are_no_error() -> None:
    bits = Bits(layers={"Conv_d": LayerBits(weights=4, activations=None)})
    assert plan_of("Conv_d", bits=bits).by_node["Conv_d"].kernel is None


def test_layers_of_one_weight_are_kept_together() -> None:
    nodes = [conv("x", "w", "c"), conv("c", "w", "d"), conv("d", "u", "e"), *head("e")]
    arrays = {name: weights(4, 4, 3, 3) for name in "wu"}
    plan = planned(nodes, output="y", bits=Bits(keep_float=("Conv_d",)), g=weights(5, 4), **arrays)
    assert [plan.by_node[name].kernel for name in ("Conv_c", "Conv_d", "Conv_e")] == [None, None, Kernel.CONV]
