"""Ranges come from what the float network computes; weight scales from a search that beats the largest weight."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from gdfq_export.recipe import Bits, Calibration
from gdfq_export.simulator import Mode, Simulator
from gdfq_export.tuning import calibrate
from gdfq_export.tuning.calibration import weight_scale
from tests.tuning.residual_network import ARRAYS, images, simulator, simulator_with

MINMAX = Calibration(activations="minmax", weights="minmax")


def scales(network: Simulator) -> dict[str, torch.Tensor]:
    return {key: quantizer.scale.detach().clone() for key, quantizer in network.quantizers.items()}


def test_minmax_spans_what_the_float_network_computes() -> None:
    network, seen = simulator(8), images(12, seed=5)
    calibrate(network, seen.split(5), MINMAX)
    first = nn.functional.conv2d(seen, torch.from_numpy(ARRAYS["w"]), torch.from_numpy(ARRAYS["b"]), padding=1)
    quantizer = network.quantizers["c"]
    span = float(first.max() - first.min())
    assert float(quantizer.scale.detach()) * 255 == pytest.approx(span, rel=1e-4)
    assert int(quantizer.zero_point) == round(float(-first.min()) / span * 255)


def test_the_batches_make_no_difference() -> None:
    whole, pieces, seen = simulator(), simulator(), images(12, seed=5)
    calibrate(whole, [seen], MINMAX)
    calibrate(pieces, seen.split(5), MINMAX)
    torch.testing.assert_close(scales(whole), scales(pieces))


def test_the_input_has_its_own_range_whatever_the_images() -> None:
    network = simulator(8)
    before = scales(network)["x"]
    calibrate(network, [images(2) / 100], MINMAX)
    assert scales(network)["x"] == before
    assert float(before) * 255 == pytest.approx(4.5)  # images are in [-2, 2.5]


def test_it_counts_the_images_and_ends_quantizing() -> None:
    network = simulator()
    done: list[int] = []
    calibrate(network, images(7).split(3), MINMAX, on_batch=done.append)
    assert done == [3, 6, 7]
    assert {quantizer.mode for quantizer in network.quantizers.values()} == {Mode.QUANTIZE}
    assert all(quantizer.observer is None for quantizer in network.quantizers.values())


@pytest.mark.parametrize("estimator", ["mse", "percentile", "entropy"])
def test_another_estimator_gives_another_range(estimator: str) -> None:
    network = simulator()
    least = scales(network)
    calibrate(network, [images(8)], Calibration(activations=estimator, percentile=90.0, weights="minmax"))
    found = scales(network)
    activations = [key for key in found if found[key].dim() == 0 and key != "x"]
    assert any(float(found[key]) < 0.95 * float(least[key]) for key in activations)


@pytest.mark.parametrize("bits", [2, 4, 8])
def test_the_search_never_rounds_worse_than_the_largest_weight(bits: int) -> None:
    network = simulator(bits)
    quantizer, weight = network.quantizers["v"], network.parameter("v").detach()
    errors = {}
    for search in (False, True):
        quantizer.set_scale(weight_scale(quantizer, weight, search=search))
        errors[search] = (quantizer(weight) - weight).detach().square().sum(dim=(1, 2, 3))
    assert bool((errors[True] <= errors[False] + 1e-9).all())
    if bits < 8:
        assert float(errors[True].sum()) < 0.95 * float(errors[False].sum())
    torch.testing.assert_close(
        weight_scale(quantizer, weight, search=False), weight.abs().amax(dim=(1, 2, 3)) / (2 ** (bits - 1) - 1)
    )


def test_codes_of_16_bits_cut_nothing_off() -> None:
    network, seen = simulator_with(Bits(keep_int16=("Conv_d", "Add"))), images(12, seed=5)
    calibrate(network, [seen], MINMAX)
    whole = scales(network)
    calibrate(network, [seen], Calibration(activations="percentile", percentile=90, weights="minmax"))
    wide = {key for key, quantizer in network.quantizers.items() if quantizer.point.bits == 16}
    assert wide >= {"d", "t"}
    assert {key for key, scale in scales(network).items() if torch.equal(scale, whole[key])} >= wide
    assert not torch.equal(scales(network)["r"], whole["r"])
