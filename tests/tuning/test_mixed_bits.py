"""Layers are measured one by one and raised where a byte gives most, within what the weights may grow."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gdfq_export.recipe import Bits, LayerBits, MixedBits
from gdfq_export.simulator import Layer, Mode
from gdfq_export.tuning.mixed_bits import layers_to_raise, weight_sensitivity, with_raised_layers
from tests.tuning.residual_network import images, simulator


def layer(name: str, size: int, bits: int) -> Layer:
    return cast(Layer, SimpleNamespace(name=name, weight=torch.empty(size), weight_point=SimpleNamespace(bits=bits)))


sizes = st.lists(st.tuples(st.integers(1, 1000), st.integers(2, 8), st.floats(0, 10)), min_size=1, max_size=12)


@given(rows=sizes, growth=st.floats(0, 1), bits=st.integers(2, 8))
def test_weights_grow_by_no_more_than_allowed_and_no_layer_that_fits_is_left(
    rows: list[tuple[int, int, float]], growth: float, bits: int
) -> None:
    layers = [layer(f"layer{index}", size, width) for index, (size, width, _) in enumerate(rows)]
    sensitivity = {f"layer{index}": error for index, (_, _, error) in enumerate(rows)}
    raised = layers_to_raise(layers, sensitivity, MixedBits(weights=bits, growth=growth))
    costs = {each.name: each.weight.numel() * (bits - each.weight_point.bits) for each in layers}
    left = growth * sum(size * width for size, width, _ in rows) - sum(costs[name] for name in raised)
    assert left >= 0
    assert all(costs[name] > 0 for name in raised)
    assert all(cost > left for name, cost in costs.items() if cost > 0 and name not in raised)


def test_what_gives_most_for_a_byte_comes_first() -> None:
    layers = [layer("large", 1000, 4), layer("small", 10, 4), layer("idle", 10, 4)]
    sensitivity = {"large": 0.5, "small": 0.1, "idle": 0.0}
    assert layers_to_raise(layers, sensitivity, MixedBits(growth=0.0101)) == ["small"]


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


def test_what_a_recipe_says_of_a_layer_still_holds() -> None:
    own: dict[str, Any] = {"*stem*": LayerBits(weights=6)}
    bits = with_raised_layers(Bits(weights=4, layers=own, mixed=MixedBits(weights=7)), ["a[0]", "stem"])
    assert bits.mixed is None
    assert list(bits.layers.items()) == [
        ("a[[]0]", LayerBits(weights=7)),
        ("stem", LayerBits(weights=7)),
        ("*stem*", LayerBits(weights=6)),
    ]
