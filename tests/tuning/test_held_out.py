"""Held-out images: an eighth of a set, at most a batch; what is measured on them changes nothing."""

from __future__ import annotations

import pytest
import torch

from gdfq_export.simulator import Mode
from gdfq_export.tuning.held_out import HeldOutImages, split
from tests.tuning.residual_network import images, simulator


@pytest.mark.parametrize(("count", "most", "kept"), [(64, 64, 8), (1024, 64, 64), (9, 64, 1), (2, 64, 1)])
def test_the_last_images_are_kept_from_training(count: int, most: int, kept: int) -> None:
    given = images(count)
    seen, held_out = split(given, most)
    assert len(held_out) == kept
    assert torch.equal(torch.cat([seen, held_out]), given)


def test_a_single_image_is_both() -> None:
    given = images(1)
    assert all(torch.equal(part, given) for part in split(given, 64))


def test_a_network_is_compared_with_the_float_one_and_left_as_it_is() -> None:
    network, unseen = simulator(3), images(16, seed=7)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    held_out = HeldOutImages(unseen, network.float_copy())
    found = held_out.measure(network)
    with torch.no_grad(), network.in_mode(Mode.FLOAT):
        wanted = network(unseen)
    with torch.no_grad():
        error = network.task.error(network(unseen), wanted)
    assert (len(held_out), found.error) == (16, pytest.approx(float(error), rel=1e-5))
    assert found.agreement is None or 0 <= found.agreement <= 1
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    with network.in_mode(Mode.FLOAT):
        assert held_out.measure(network).error > 0, "it is measured as quantized, whatever its mode"
