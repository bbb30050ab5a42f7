"""Layers are measured one by one and raised where a byte gives most, within what the weights may grow."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gdfq_export.errors import InputError
from gdfq_export.planning.plan import QuantPlan
from gdfq_export.recipe import Bits, LayerBits, MixedBits
from gdfq_export.simulator import Mode
from gdfq_export.tuning.mixed_precision import Mix, layers_to_raise, mix_bits, weight_sensitivity
from tests.tuning.residual_network import images, simulator, simulator_with

candidates = st.lists(st.tuples(st.integers(0, 1000), st.floats(0, 10)), min_size=1, max_size=12)


@given(rows=candidates, left=st.integers(0, 5000))
def test_no_more_is_spent_than_there_is_and_no_layer_that_fits_is_left(
    rows: list[tuple[int, float]], left: int
) -> None:
    costs = {f"layer{index}": cost for index, (cost, _) in enumerate(rows)}
    sensitivity = {f"layer{index}": error for index, (_, error) in enumerate(rows)}
    raised = layers_to_raise(costs, sensitivity, left)
    rest = left - sum(costs[name] for name in raised)
    assert rest >= 0
    assert all(cost > rest for name, cost in costs.items() if name not in raised)


def test_what_gives_most_for_a_byte_comes_first_and_what_costs_nothing_before() -> None:
    costs = {"large": 500, "small": 5, "free": 0}
    sensitivity = {"large": 0.5, "small": 0.1, "free": 0.0}
    assert layers_to_raise(costs, sensitivity, 6) == ["free", "small"]


def mix(bits: Bits, mixed: MixedBits, room: int | None = None) -> Mix:
    def plan(each: Bits) -> QuantPlan:
        return simulator_with(each).plan

    return mix_bits(simulator_with(bits), images(32), bits, mixed, plan_with=plan, room=room)


def test_raised_layers_have_the_bits_asked_for_and_the_weights_grow_as_said() -> None:
    bits = Bits(weights=4, first_last=4)
    made = mix(bits, MixedBits(weights=8, growth=0.4))
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
    assert mix(bits, MixedBits(growth=1), room=sizes[smallest] // 2).raised == [smallest]  # 4 bits of each code more
    assert mix(bits, MixedBits(growth=1), room=0).raised == []
    assert mix(bits, MixedBits(growth=0), room=10**9).raised == []


def test_bits_that_need_no_more_room_in_the_file_cost_nothing() -> None:
    """And then every layer has them, without a measurement."""
    made = mix(Bits(weights=5, first_last=5), MixedBits(weights=8, growth=0))
    assert made.raised == [layer.name for layer in simulator_with(Bits()).layers()]
    assert (made.growth, made.sensitivity) == (0, {})


def test_what_a_recipe_says_of_a_layers_weight_still_holds_and_costs_nothing() -> None:
    names = [layer.name for layer in simulator_with(Bits()).layers()]
    own = {"*": LayerBits(activations=8), names[0]: LayerBits(weights=3)}
    made = mix(Bits(weights=4, first_last=4, layers=own), MixedBits(growth=1))
    assert made.raised and names[0] not in made.raised
    layers = simulator_with(made.bits).layers()
    assert {layer.name: layer.weight_point.bits for layer in layers} == {names[0]: 3, **dict.fromkeys(names[1:], 8)}


def test_where_nothing_may_be_raised_it_is_said() -> None:
    with pytest.raises(InputError, match=r"bits\.mixed in the recipe raises weights to 4 bits, and no layer has fewer"):
        mix(Bits(weights=8), MixedBits(weights=4))


def test_each_layer_is_rounded_alone_and_more_bits_disturb_less() -> None:
    seen: list[tuple[int, int]] = []
    coarse, fine = simulator(3), simulator(8)
    few = weight_sensitivity(coarse, images(32), on_layer=lambda done, total: seen.append((done, total)))
    many = weight_sensitivity(fine, images(32))
    assert list(few) == [each.name for each in coarse.layers()]
    assert seen == [(done, len(few)) for done in range(1, len(few) + 1)]
    assert all(error > 50 * many[name] > 0 for name, error in few.items())
    with torch.no_grad(), coarse.in_mode(Mode.FLOAT):
        wanted = coarse(images(32))
        first = coarse.layers()[0]
        coarse.quantizers[first.weight_point.key].mode = Mode.QUANTIZE
        moved = coarse(images(32)) - wanted
    assert few[first.name] == pytest.approx(float(moved.square().mean() / wanted.var()), rel=1e-4)
