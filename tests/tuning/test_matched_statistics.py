"""Ranges of images that say too little are those of the statistics that BatchNorm knows."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.fx
from torch import nn

from gdfq_export.frontend.passes.fold_batch_norm import ChannelStatistics
from gdfq_export.recipe import Calibration
from gdfq_export.simulator import Mode
from gdfq_export.tuning import calibrate
from gdfq_export.tuning.matched_statistics import MatchedStatistics, matching
from tests.tuning.residual_network import ARRAYS, images, simulator

MINMAX = Calibration(activations="minmax", weights="minmax")


def known(seen: torch.Tensor) -> dict[str, ChannelStatistics]:
    """Of the first convolution on these images."""
    first = nn.functional.conv2d(seen, torch.from_numpy(ARRAYS["w"]), torch.from_numpy(ARRAYS["b"]), padding=1)
    return {"c": ChannelStatistics(mean=first.mean((0, 2, 3)).numpy(), std=first.std((0, 2, 3)).numpy())}


def scale(seen: torch.Tensor, statistics: dict[str, ChannelStatistics]) -> float:
    network = simulator(8)
    calibrate(network, [seen], MINMAX, statistics=statistics)
    return float(network.quantizers["c"].scale.detach())


def test_pale_images_get_the_ranges_of_those_the_statistics_are_of() -> None:
    seen = images(12, seed=5)
    wanted, pale = scale(seen, {}), seen / 3
    assert scale(pale, {}) < 0.6 * wanted
    assert scale(pale, known(seen)) == pytest.approx(wanted, rel=0.02)


def test_images_of_these_statistics_stay_as_they_are() -> None:
    seen, network = images(12, seed=5), simulator()
    network.set_mode(Mode.FLOAT)
    torch.testing.assert_close(MatchedStatistics(network, known(seen)).run(seen), network(seen), rtol=1e-4, atol=1e-5)


def test_a_channel_is_scaled_fourfold_at_most() -> None:
    seen = images(12, seed=5)
    assert scale(seen / 1000, known(seen)) < 0.1 * scale(seen, {})


def test_a_batch_of_one_number_a_channel_gets_the_known_mean() -> None:
    node, x = torch.fx.Graph().call_function(torch.relu), torch.tensor([[[[7.0]], [[-2.0]]]])
    node.meta["value"] = "c"
    statistics = ChannelStatistics(mean=np.float32([0.5, 3.0]), std=np.float32([1.0, 2.0]))
    matched = matching(node, x, {"c": statistics})
    assert matched is not None
    torch.testing.assert_close(matched(x).flatten(), torch.tensor([0.5, 3.0]))
