"""The weights of each layer are quantized alone, and more bits move the outputs less."""

from __future__ import annotations

import pytest
import torch

from gdfq_export.simulator import Mode
from gdfq_export.tuning.weight_sensitivity import weight_sensitivity
from tests.tuning.residual_network import images, simulator


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
