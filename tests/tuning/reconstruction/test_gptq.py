"""Compensated rounding: on the grid, better than the nearest code where inputs are correlated, the same where not."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from torch import Tensor

from gdfq_export.planning.plan import Role
from gdfq_export.simulator import Mode, Quantizer
from gdfq_export.tuning.reconstruction.gptq import round_weights, weighted_scale
from gdfq_export.tuning.reconstruction.second_moments import LayerMoments, observe_layer
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
    return LayerMoments(inputs=moments)


@pytest.mark.parametrize("bits", [2, 4])
def test_correlated_inputs_lose_less_than_by_the_nearest_codes(bits: int) -> None:
    x, weight = normal(500, 3) @ normal(3, 24) + 0.1 * normal(500, 24), normal(8, 24)
    made = quantizer_for(weight, bits)
    rounded = round_weights(weight, moments_of(x, weight), made)
    torch.testing.assert_close(nearest(rounded, made), rounded)
    wanted = x @ weight.T
    plain = (x @ nearest(weight, made).T - wanted).square().mean()
    assert float((x @ rounded.T - wanted).square().mean()) < 0.5 * float(plain)


def test_weights_in_blocks_are_rounded_to_the_grids_of_their_blocks() -> None:
    x, weight = normal(500, 3) @ normal(3, 40) + 0.1 * normal(500, 40), normal(8, 40)
    weight[:, 16:32] *= 20
    blocks = dataclasses.replace(point(role=Role.WEIGHT, signed=True, axis=0, bits=4), block=16)
    made, moments = Quantizer(blocks, weight.shape), moments_of(x, weight)
    made.set_scale(weighted_scale(weight, moments, made))
    made.mode = Mode.QUANTIZE
    assert made.block_scale.shape == (8, 3)
    rounded = round_weights(weight, moments, made)
    torch.testing.assert_close(nearest(rounded, made), rounded)
    whole = quantizer_for(weight)
    wanted = x @ weight.T
    error, plain = ((x @ each.T - wanted)[:, :].square().mean() for each in (rounded, nearest(weight, made)))
    assert float(error) < 0.5 * float(plain)
    assert float((nearest(weight, made) - weight)[:, :16].abs().max()) < 0.5 * float(
        (nearest(weight, whole) - weight)[:, :16].abs().max()
    )


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


def test_errors_spread_a_block_at_a_time_give_the_same_codes(monkeypatch: pytest.MonkeyPatch) -> None:
    x, weight = normal(500, 3) @ normal(3, 24) + 0.1 * normal(500, 24), normal(8, 24)
    made, moments = quantizer_for(weight), moments_of(x, weight)
    whole = round_weights(weight, moments, made)
    monkeypatch.setattr("gdfq_export.tuning.reconstruction.gptq._LARGE", 7)
    monkeypatch.setattr("gdfq_export.tuning.reconstruction.gptq._BLOCK", 7)
    assert torch.equal(round_weights(weight, moments, made), whole)
