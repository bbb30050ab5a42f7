"""Moments predict the error of a layer's output exactly, for convolutions of every shape and for products."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from gdfq_export.tuning.reconstruction.second_moments import observe_layer
from gdfq_export.tuning.reconstruction.weight_regression import refit_weights

RANDOM = torch.Generator().manual_seed(0)
SETTINGS = {"pads": (1, 0, 1, 2), "stride": (2, 1), "dilation": (1, 1), "groups": 2}


def normal(*shape: int) -> Tensor:
    return torch.randn(shape, generator=RANDOM)


def convolve(x: Tensor, weight: Tensor) -> Tensor:
    return functional.conv2d(functional.pad(x, (0, 2, 1, 1)), weight, stride=(2, 1), groups=2)


def test_moments_of_a_convolution_give_the_error_of_its_output() -> None:
    x, weight, change = normal(3, 4, 7, 6), normal(6, 2, 3, 3), normal(6, 2, 3, 3)
    moments = observe_layer(x, convolve(x, weight), weight, SETTINGS, RANDOM, centred=False)
    rows = change.reshape(2, 3, -1).double()
    predicted = torch.einsum("gok,gkl,gol->go", rows, moments.inputs, rows).flatten()
    torch.testing.assert_close(
        predicted.float(), convolve(x, change).square().mean(dim=(0, 2, 3)), rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize("dimensions", [1, 3])
def test_moments_of_convolutions_of_other_ranks(dimensions: int) -> None:
    run = {1: functional.conv1d, 3: functional.conv3d}[dimensions]
    x, weight, change = (normal(*sizes, *[side] * dimensions) for *sizes, side in ((3, 4, 8), (6, 2, 3), (6, 2, 3)))
    settings = {"pads": (0, 0) * dimensions, "stride": (2,) * dimensions, "dilation": (2,) * dimensions, "groups": 2}

    def convolved(kernel: Tensor) -> Tensor:
        return run(x, kernel, stride=2, dilation=2, groups=2)

    moments = observe_layer(x, convolved(weight), weight, settings, RANDOM, centred=False)
    rows = change.reshape(2, 3, -1).double()
    predicted = torch.einsum("gok,gkl,gol->go", rows, moments.inputs, rows).flatten()
    wanted = convolved(change).square().transpose(0, 1).flatten(1).mean(dim=1)
    torch.testing.assert_close(predicted.float(), wanted, rtol=1e-4, atol=1e-5)


def test_moments_of_a_matrix_product_about_the_mean() -> None:
    x, change = normal(9, 4) + 3, normal(3, 4)
    moments = observe_layer(x, x @ change.T, change, {}, RANDOM, centred=True)
    rows = change.double()
    variance = (x @ change.T).var(0, correction=0)
    torch.testing.assert_close(((rows @ moments.inputs[0]) * rows).sum(1).float(), variance)
    torch.testing.assert_close((rows * moments.products[0].T).sum(1).float(), variance)


def test_the_fit_finds_the_weights_that_made_the_outputs() -> None:
    x, weight, start = normal(20, 4, 7, 6), normal(6, 2, 3, 3), normal(6, 2, 3, 3)
    moments = observe_layer(x, convolve(x, weight), start, SETTINGS, RANDOM, centred=False)
    torch.testing.assert_close(refit_weights(start, moments, 1e-9), weight, rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(refit_weights(start, moments, 1e9), start)


def test_the_fit_undoes_what_happened_to_the_inputs() -> None:
    x, weight = normal(400, 6), normal(3, 6)
    seen = 0.7 * x + 0.1 * normal(400, 6)
    moments = observe_layer(seen, x @ weight.T, weight, {}, RANDOM, centred=False)
    fitted = refit_weights(weight, moments, 0.01)
    errors = [float((seen @ each.T - x @ weight.T).square().mean()) for each in (weight, fitted)]
    assert errors[1] < 0.4 * errors[0]


def test_a_large_image_gives_256_patches_with_their_outputs() -> None:
    x, weight = normal(2, 1, 40, 20), normal(1, 1, 3, 3)
    settings = {"pads": (0, 0, 0, 0), "stride": (1, 1), "dilation": (1, 1), "groups": 1}
    fitted = refit_weights(
        normal(1, 1, 3, 3),
        observe_layer(x, functional.conv2d(x, weight), weight, settings, RANDOM, centred=False),
        1e-9,
    )
    torch.testing.assert_close(fitted, weight, rtol=1e-3, atol=1e-4)
    first, second = (
        observe_layer(x, None, weight, settings, torch.Generator().manual_seed(seed), centred=True) for seed in (0, 1)
    )
    assert first.products is None and not torch.equal(first.inputs, second.inputs)


def test_moments_leave_the_layers_input_as_it_is() -> None:
    x, weight = normal(5, 3).double(), normal(2, 3).double()
    before = x.clone()
    observe_layer(x, x @ weight.T, weight, {}, RANDOM, centred=True)
    assert torch.equal(x, before)
