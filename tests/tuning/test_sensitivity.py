"""Weights and activations are quantized alone, and more bits move the outputs less."""

from __future__ import annotations

import pytest
import torch

from gdfq_export.simulator import Mode
from gdfq_export.tuning.sensitivity import sensitivity
from tests.tuning.residual_network import images, simulator


def test_each_layer_is_rounded_alone_and_more_bits_disturb_less() -> None:
    seen: list[tuple[int, int]] = []
    coarse, fine = simulator(3), simulator(8)
    few = sensitivity(coarse, images(32), on_point=lambda done, total: seen.append((done, total)))
    many = sensitivity(fine, images(32))
    assert list(few) == [each.weight_point.key for each in coarse.layers()]
    assert seen == [(done, len(few)) for done in range(1, len(few) + 1)]
    assert all(error > 50 * many[name] > 0 for name, error in few.items())
    with torch.no_grad(), coarse.in_mode(Mode.FLOAT):
        wanted = coarse(images(32))
        first = coarse.layers()[0]
        coarse.quantizers[first.weight_point.key].mode = Mode.QUANTIZE
        moved = coarse(images(32)) - wanted
    assert few[first.weight_point.key] == pytest.approx(float(moved.square().mean() / wanted.var()), rel=1e-4)


def test_an_activation_is_rounded_alone_and_its_error_goes_with_the_squared_step() -> None:
    keys = ["r", "p"]
    coarse, fine = (sensitivity(simulator(bits), images(32), keys) for bits in (4, 6))
    assert list(coarse) == keys
    for key in keys:
        assert coarse[key] / fine[key] == pytest.approx((63 / 15) ** 2, rel=0.5)


def test_what_stands_behind_the_compared_outputs_moves_none_of_them() -> None:
    assert sensitivity(simulator(4), images(8), ["not in the simulator"]) == {"not in the simulator": 0.0}
