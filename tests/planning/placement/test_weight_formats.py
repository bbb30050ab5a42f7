"""Forms of low-bit weights: refused or told of when the plan is made, for every target."""

from __future__ import annotations

import pytest

from gdfq_export.errors import InputError
from gdfq_export.planning.placement import forewarnings
from gdfq_export.planning.plan import QuantPlan, Role
from gdfq_export.recipe import Bits
from gdfq_export.targets import TARGETS, Kernel
from tests.planning.placement.planned import conv, head, planned, weights

LOW = Bits(weights=4, first_last=4)


def network(bits: Bits, target: str = "ort-cpu", *, inputs: int = 64) -> QuantPlan:
    nodes = [conv("x", "w", "c"), ("Relu", ["c"], ["r"]), *head("r")]
    return planned(nodes, output="y", bits=bits, target=target, w=weights(inputs, 4, 3, 3), g=weights(5, inputs))


@pytest.mark.parametrize("target", TARGETS)
def test_four_bits_that_a_target_cannot_store_are_told_of(target: str) -> None:
    told = [warning for warning in forewarnings(network(LOW, target)) if "stored as int8" in warning]
    plan = network(LOW, target)
    stored = {point.stored_bits for point in plan.points if point.role is Role.WEIGHT}
    assert (stored == {8}) == bool(told) == (target in ("tensorrt", "portable"))
    assert all("the weights of 2 of 2 layers" in warning for warning in told)


@pytest.mark.parametrize("target", TARGETS)
def test_native_int4_is_told_of_or_refused(target: str) -> None:
    bits = LOW.model_copy(update={"storage": "native"})
    if target in ("tensorrt", "portable"):
        with pytest.raises(InputError, match=r"bits\.storage .* is native, and"):
            network(bits, target)
        return
    plan = network(bits, target)
    (told,) = forewarnings(plan)
    assert "the weights of 2 of 2 layers are native INT4" in told and "in float" in told
    assert not plan.exact


@pytest.mark.parametrize("target", TARGETS)
def test_blocks_are_told_of_or_refused(target: str) -> None:
    bits = Bits(blocks=32)
    if target in ("portable", "qnn"):
        with pytest.raises(InputError, match=r"bits\.blocks in the recipe is 32, and .* takes no weights in blocks"):
            network(bits, target)
        return
    (told,) = forewarnings(network(bits, target))
    assert "the weights of 1 of 2 layers are INT4 in blocks of 32" in told


def test_eight_bits_need_no_word() -> None:
    assert forewarnings(network(Bits())) == ()
    assert forewarnings(network(Bits(storage="native"))) == ()


def test_only_fully_connected_layers_are_in_blocks_and_read_floats() -> None:
    plan = network(Bits(blocks=32))
    points = plan.by_tensor
    assert (points["g"].bits, points["g"].block, points["g"].block_axis) == (4, 32, 1)
    assert (points["w"].bits, points["w"].block) == (8, None)
    assert plan.by_node["Gemm_y"].kernel is Kernel.WEIGHT_ONLY
    assert "y" not in points
    assert plan.exact


def test_a_layer_named_for_more_bits_keeps_the_four_of_its_blocks() -> None:
    plan = network(Bits(blocks=32, layers={"Gemm_y": {"weights": 8}}))  # type: ignore[dict-item]
    assert plan.by_tensor["g"].bits == 4


@pytest.mark.parametrize(("inputs", "block"), [(64, 64), (96, 32), (48, 16)])
def test_blocks_are_halved_until_they_fill_the_inputs(inputs: int, block: int) -> None:
    assert network(Bits(blocks=64), inputs=inputs).by_tensor["g"].block == block


def test_inputs_that_no_block_divides_are_named() -> None:
    with pytest.raises(InputError, match="the 40 inputs of Gemm_y do not divide into blocks of 16 or more"):
        network(Bits(blocks=64), inputs=40)


def test_weights_of_two_bits_name_the_opset_they_need() -> None:
    assert any("INT2" in warning for warning in forewarnings(network(Bits(weights=2, first_last=2))))
    assert forewarnings(network(Bits(weights=2, first_last=2), "openvino")) == ()
