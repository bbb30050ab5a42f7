"""Weights and layer inputs are measured one by one; the mix of least total error within the limits is chosen."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

from gdfq_export.errors import InputError
from gdfq_export.planning.mixable import Mixable, mixable, raise_all
from gdfq_export.planning.mixed_precision import Limits, MixedPrecision, mix
from gdfq_export.planning.plan import Role
from gdfq_export.recipe import Bits, LayerBits, MixedBits, load_recipe
from gdfq_export.simulator import Simulator
from gdfq_export.tuning.sensitivity import sensitivity
from tests.tuning.residual_network import images, simulator, simulator_with

LOW = Bits(weights=4, first_last=4)
BOTH_LOW = Bits(weights=4, activations=4, first_last=4)


def may_be_raised(bits: Bits, mixed: MixedBits) -> tuple[Simulator, Mixable]:
    made = simulator_with(bits)
    graph = made.folded.graph
    return made, mixable(graph, made.plan, simulator_with(raise_all(bits, mixed, graph, made.plan)).plan)


def mixed_precision(bits: Bits, mixed: MixedBits, room: float = float("inf")) -> MixedPrecision:
    made, network = may_be_raised(bits, mixed)
    points = network.points(limited_operations=mixed.operations is not None)
    errors = sensitivity(made, images(32), points) if points else {}
    operations = float("inf") if mixed.operations is None else mixed.operations * network.whole_operations
    limits = Limits(bytes_added=min(int(mixed.growth * network.weight_bytes), room), operations=operations)
    return mix(bits, mixed, network, errors=errors, limits=limits)


def greedy(network: Mixable, errors: dict[str, float], limit: float) -> float:
    """The error that is left where the layers of the highest error per byte are raised first, weights alone."""
    left = sum(errors[layer.weights.point] for layer in network.layers)
    for layer in sorted(network.layers, key=lambda each: -errors[each.weights.point] / each.bytes_added):
        if layer.bytes_added <= limit:
            limit -= layer.bytes_added
            left -= errors[layer.weights.point] * (1 - (15 / 255) ** 2)
    return left


def test_raised_layers_have_the_bits_asked_for_and_the_weights_grow_as_said() -> None:
    made = mixed_precision(LOW, MixedBits(weights=8, growth=0.4))
    before, after = (simulator_with(each).plan.by_tensor for each in (LOW, made.bits))
    raised = [name for name, point in after.items() if point.bits != before[name].bits]
    assert len(raised) == len(made.raised) > 0
    assert {after[name].bits for name in raised} == {8}
    sizes = {layer.weight_point.tensor: layer.weight.numel() for layer in simulator_with(LOW).layers()}
    grown = sum(sizes[name] for name in raised) / sum(sizes.values())
    assert made.growth == pytest.approx(grown, rel=1e-6)
    assert 0 < made.growth <= 0.4
    assert made.bits.mixed is None


@pytest.mark.parametrize("growth", [0.0, 0.1, 0.3, 0.5, 0.7, 1.0])
def test_no_order_of_layers_leaves_less_error_in_as_many_bytes(growth: float) -> None:
    made, network = may_be_raised(LOW, MixedBits())
    errors = sensitivity(made, images(32))
    limit = int(growth * network.weight_bytes)
    best = mix(LOW, MixedBits(), network, errors=errors, limits=Limits(bytes_added=limit))
    assert best.error <= greedy(network, errors, limit) * (1 + 1e-9)
    assert best.growth <= growth


def every_mix(network: Mixable) -> Iterator[dict[str, int]]:
    widths = {each.point: each for layer in network.layers for each in (layer.weights, layer.activations) if each}
    for bits in itertools.product(*(each.choices for each in widths.values())):
        yield dict(zip(widths, bits, strict=True))


@pytest.mark.parametrize("operations", [0.48, 0.5, 0.6, 0.8, 1.0])
@pytest.mark.parametrize("growth", [0.0, 0.4, 1.0])
def test_bits_of_weights_and_inputs_are_the_best_of_all_within_both_limits(operations: float, growth: float) -> None:
    mixed = MixedBits(activations=8, growth=growth, operations=operations)
    _, network = may_be_raised(BOTH_LOW, mixed)
    errors = sensitivity(simulator(4), images(32), network.points(limited_operations=True))
    limits = Limits(bytes_added=int(growth * network.weight_bytes), operations=operations * network.whole_operations)
    made = mix(BOTH_LOW, mixed, network, errors=errors, limits=limits)
    assert made.growth <= growth and made.operations <= operations

    def error(widths: dict[str, int]) -> float:
        costs = [0.0, 0.0]
        for layer in network.layers:
            assert layer.activations is not None
            costs[0] += layer.bytes_added if widths[layer.weights.point] == 8 else 0
            costs[1] += layer.operations * widths[layer.weights.point] * widths[layer.activations.point]
        if costs[0] > limits.bytes_added or costs[1] > limits.operations:
            return float("inf")
        return sum(each * (15 / (2 ** widths[point] - 1)) ** 2 for point, each in errors.items())

    assert made.error == pytest.approx(min(map(error, every_mix(network))), rel=1e-9)
    for layer in made.layers:
        point = simulator_with(made.bits).plan.by_tensor
        assert layer.weights in (4, 8) and layer.activations in (4, 8)
    assert {each.layer: each.weights for each in made.layers} == {
        layer.name: layer.weight_point.bits for layer in simulator_with(made.bits).layers()
    }
    assert point["r"].bits == next(each.activations for each in made.layers[1:])


def test_inputs_of_layers_get_more_bits_for_nothing_where_operations_are_not_limited() -> None:
    made = mixed_precision(BOTH_LOW, MixedBits(activations=8, growth=0))
    assert {each.activations for each in made.layers} == {8}
    assert {each.weights for each in made.layers} == {4} and made.raised == []
    assert made.operations == 0.5
    assert all(each.activations_error is None and each.weights_error is not None for each in made.layers)


def test_the_recommended_recipe_has_8_bits_of_every_activation() -> None:
    bits = load_recipe("mixed-ort-cpu").bits
    assert bits.mixed is not None
    points = simulator_with(mixed_precision(bits, bits.mixed).bits).plan.points
    assert {point.bits for point in points if point.role in (Role.INPUT, Role.ACTIVATION)} == {8}
    assert {point.bits for point in points if point.role is Role.WEIGHT} == {4, 8}


def test_the_file_s_room_limits_what_is_raised_where_the_growth_of_the_weights_would_not() -> None:
    sizes = {layer.name: layer.weight.numel() for layer in simulator_with(LOW).layers()}
    smallest = min(sizes, key=lambda name: sizes[name])
    made = mixed_precision(LOW, MixedBits(growth=1), room=sizes[smallest] // 2)  # 4 bits of each code more
    assert made.raised == [smallest]
    assert mixed_precision(LOW, MixedBits(growth=1), room=0).raised == []
    assert mixed_precision(LOW, MixedBits(growth=0), room=10**9).raised == []


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


def test_what_a_recipe_says_of_a_layers_input_still_holds() -> None:
    names = [layer.name for layer in simulator_with(Bits()).layers()]
    own = BOTH_LOW.model_copy(update={"layers": {names[1]: LayerBits(activations=5)}})
    made = mixed_precision(own, MixedBits(activations=8, growth=1))
    assert {each.layer: each.activations for each in made.layers} == {
        each.name: 5 if each.name == names[1] else 8 for each in simulator_with(Bits()).layers()
    }


def test_where_nothing_may_be_raised_it_is_said() -> None:
    with pytest.raises(InputError, match=r"bits\.mixed in the recipe raises weights to 4 bits, and no layer has fewer"):
        mixed_precision(Bits(weights=8), MixedBits(weights=4))
