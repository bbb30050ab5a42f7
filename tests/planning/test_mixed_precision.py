"""Layers are measured one by one and raised where a byte gives most, within what the weights may grow."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gdfq_export.errors import InputError
from gdfq_export.planning.mixed_precision import (
    MixedPrecision,
    allocate,
    mix,
    raise_layers,
    raising_costs,
    weight_bytes,
)
from gdfq_export.recipe import Bits, LayerBits, MixedBits
from gdfq_export.tuning.weight_sensitivity import weight_sensitivity
from tests.tuning.residual_network import images, simulator_with

candidates = st.lists(st.tuples(st.integers(0, 1000), st.floats(0, 10)), min_size=1, max_size=12)


@given(rows=candidates, left=st.integers(0, 5000))
def test_no_more_is_spent_than_there_is_and_no_layer_that_fits_is_left(
    rows: list[tuple[int, float]], left: int
) -> None:
    costs = {f"layer{index}": cost for index, (cost, _) in enumerate(rows)}
    sensitivity = {f"layer{index}": error for index, (_, error) in enumerate(rows)}
    raised = allocate(costs, sensitivity, left)
    rest = left - sum(costs[name] for name in raised)
    assert rest >= 0
    assert all(cost > rest for name, cost in costs.items() if name not in raised)


def test_what_gives_most_for_a_byte_comes_first_and_what_costs_nothing_before() -> None:
    costs = {"large": 500, "small": 5, "free": 0}
    sensitivity = {"large": 0.5, "small": 0.1, "free": 0.0}
    assert allocate(costs, sensitivity, 6) == ["free", "small"]


def mixed_precision(bits: Bits, mixed: MixedBits, room: int | None = None) -> MixedPrecision:
    simulator = simulator_with(bits)
    graph, plan = simulator.folded.graph, simulator.plan
    sizes = weight_bytes(graph, plan)
    costs = raising_costs(graph, plan, simulator_with(raise_layers(bits, mixed, sizes)).plan)
    sensitivity = weight_sensitivity(simulator, images(32)) if any(costs.values()) else {}
    return mix(bits, mixed, sizes, costs, sensitivity, room=room)


def test_raised_layers_have_the_bits_asked_for_and_the_weights_grow_as_said() -> None:
    bits = Bits(weights=4, first_last=4)
    made = mixed_precision(bits, MixedBits(weights=8, growth=0.4))
    before, after = (simulator_with(each).plan.by_tensor for each in (bits, made.bits))
    raised = [name for name, point in after.items() if point.bits != before[name].bits]
    assert len(raised) == len(made.raised) > 0
    assert {after[name].bits for name in raised} == {8}
    sizes = {layer.weight_point.tensor: layer.weight.numel() for layer in simulator_with(bits).layers()}
    grown = sum(sizes[name] for name in raised) / sum(sizes.values())
    assert made.growth == pytest.approx(grown, rel=1e-6)
    assert 0 < made.growth <= 0.4
    assert made.bits.mixed is None


def test_the_file_s_room_limits_what_is_raised_where_the_growth_of_the_weights_would_not() -> None:
    bits = Bits(weights=4, first_last=4)
    sizes = {layer.name: layer.weight.numel() for layer in simulator_with(bits).layers()}
    smallest = min(sizes, key=lambda name: sizes[name])
    assert mixed_precision(bits, MixedBits(growth=1), room=sizes[smallest] // 2).raised == [
        smallest
    ]  # 4 bits of each code more
    assert mixed_precision(bits, MixedBits(growth=1), room=0).raised == []
    assert mixed_precision(bits, MixedBits(growth=0), room=10**9).raised == []


def test_bits_that_need_no_more_room_in_the_file_cost_nothing() -> None:
    """And then every layer has them, without a measurement."""
    made = mixed_precision(Bits(weights=5, first_last=5), MixedBits(weights=8, growth=0))
    assert made.raised == [layer.name for layer in simulator_with(Bits()).layers()]
    assert (made.growth, made.sensitivity) == (0, {})


def test_what_a_recipe_says_of_a_layers_weight_still_holds_and_costs_nothing() -> None:
    names = [layer.name for layer in simulator_with(Bits()).layers()]
    own = {"*": LayerBits(activations=8), names[0]: LayerBits(weights=3)}
    made = mixed_precision(Bits(weights=4, first_last=4, layers=own), MixedBits(growth=1))
    assert made.raised and names[0] not in made.raised
    layers = simulator_with(made.bits).layers()
    assert {layer.name: layer.weight_point.bits for layer in layers} == {names[0]: 3, **dict.fromkeys(names[1:], 8)}


def test_where_nothing_may_be_raised_it_is_said() -> None:
    with pytest.raises(InputError, match=r"bits\.mixed in the recipe raises weights to 4 bits, and no layer has fewer"):
        mixed_precision(Bits(weights=8), MixedBits(weights=4))
