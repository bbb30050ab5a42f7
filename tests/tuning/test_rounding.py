"""Compensated rounding: on the grid, better than the nearest code where inputs are correlated, the same where not."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from gdfq_export.plan import Role
from gdfq_export.simulator import Mode, Quantizer
from gdfq_export.tuning.layer_moments import LayerMoments, observe_layer
from gdfq_export.tuning.rounding import round_weights, weighted_scale
from tests.simulator.test_quantizer import point

RANDOM = torch.Generator().manual_seed(0)


def normal(*shape: int) -> Tensor:
    return torch.randn(shape, generator=RANDOM)


def quantizer_for(weight: Tensor, bits: int = 4) -> Quantizer:
    made = Quantizer(point(role=Role.WEIGHT, signed=True, axis=0, bits=bits), weight.shape)
    made.set_scale(weight.abs().flatten(1).amax(dim=1) / made.code_max)
    made.mode = Mode.QUANTIZE
    return made


def nearest(weight: Tensor, quantizer: Quantizer) -> Tensor:
    with torch.no_grad():
        return quantizer(weight)


def moments_of(x: Tensor, weight: Tensor) -> LayerMoments:
    return observe_layer(x, x @ weight.T, weight, {}, RANDOM, centred=False)


def inputs_alone(moments: Tensor) -> LayerMoments:
    return LayerMoments(inputs=moments, products=torch.empty(0))


@pytest.mark.parametrize("bits", [2, 4])
def test_correlated_inputs_lose_less_than_by_the_nearest_codes(bits: int) -> None:
    x, weight = normal(500, 3) @ normal(3, 24) + 0.1 * normal(500, 24), normal(8, 24)
    made = quantizer_for(weight, bits)
    rounded = round_weights(weight, moments_of(x, weight), made)
    torch.testing.assert_close(nearest(rounded, made), rounded)
    wanted = x @ weight.T
    plain = (x @ nearest(weight, made).T - wanted).square().mean()
    assert float((x @ rounded.T - wanted).square().mean()) < 0.5 * float(plain)


def test_uncorrelated_inputs_get_the_nearest_codes() -> None:
    weight = normal(4, 2, 3, 3)
    made = quantizer_for(weight)
    moments = torch.diag(torch.rand(18, generator=RANDOM).double() + 0.5)[None]
    torch.testing.assert_close(round_weights(weight, inputs_alone(moments), made), nearest(weight, made))


def test_dead_inputs_do_not_break_it() -> None:
    weight = normal(4, 6)
    assert torch.isfinite(
        round_weights(weight, inputs_alone(torch.zeros(1, 6, 6).double()), quantizer_for(weight))
    ).all()


def test_the_weighted_scale_serves_the_inputs_that_vary() -> None:
    weight = torch.cat([normal(6, 8), 20 * torch.ones(6, 1)], dim=1)
    made = quantizer_for(weight)
    quiet = torch.ones(9).double()
    quiet[8] = 1e-9  # the large weight hardly matters
    scale = weighted_scale(weight, inputs_alone(torch.diag(quiet)[None]), made)
    assert float(scale.max()) < 1.0 < float(made.scale.detach().min())
