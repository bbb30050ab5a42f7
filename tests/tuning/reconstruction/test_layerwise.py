"""After layer-wise tuning the quantized layers' channel means are the float ones, and what they compute is closer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, fx

from gdfq_export.recipe import Tuning
from gdfq_export.simulator import Mode, Simulator
from gdfq_export.tuning import tune_layers
from gdfq_export.tuning.reconstruction.layerwise import LayerFollowing
from tests.tuning.residual_network import images, simulator


class Outputs(fx.Interpreter):
    """Keeps what every layer of a network returns."""

    def __init__(self, network: Simulator) -> None:
        super().__init__(network.network)
        self.layers = {layer.node: layer.name for layer in network.layers()}
        self.found: dict[str, Tensor] = {}

    def run_node(self, node: fx.Node) -> Any:
        result = super().run_node(node)
        if node in self.layers:
            self.found[self.layers[node]] = result
        return result


def outputs(network: Simulator, seen: Tensor, mode: Mode) -> dict[str, Tensor]:
    run = Outputs(network)
    with torch.no_grad(), network.in_mode(mode):
        run.run(seen)
    return run.found


def tune(network: Simulator, seen: Tensor, on_layer: Callable[[int, int], None] | None = None, **steps: Any) -> None:
    follow = None if on_layer is None else LayerFollowing(on_layer=on_layer)
    tune_layers(network, network.float_copy(), seen, Tuning(**steps), seed=0, follow=follow)


def means(found: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: x.mean(dim=[axis for axis in range(x.dim()) if axis != 1]) for name, x in found.items()}


@pytest.mark.parametrize("rounding", [False, True])
def test_channel_means_are_those_of_the_float_network(rounding: bool) -> None:
    network, seen = simulator(4), images(16)
    wanted = means(outputs(network, seen, Mode.FLOAT))
    before = means(outputs(network, seen, Mode.QUANTIZE))
    assert max(float((before[name] - wanted[name]).abs().max()) for name in wanted) > 1e-2
    tune(network, seen, rounding=rounding, bias_correction="empirical")
    after = means(outputs(network, seen, Mode.QUANTIZE))
    assert set(after) == {"Conv_c", "Conv_d", "Gemm_y"}
    for name, mean in wanted.items():
        torch.testing.assert_close(after[name], mean, atol=2e-5, rtol=0)


def test_rounding_lowers_the_error_of_the_logits_on_other_images() -> None:
    seen, unseen = images(64), images(64, seed=9)
    errors = {}
    for rounding in (False, True):
        network = simulator(4)
        for quantizer in network.quantizers.values():
            quantizer.mode = Mode.FLOAT if quantizer.point.axis is None else Mode.QUANTIZE  # weights alone
        wanted = outputs(network, unseen, Mode.FLOAT)
        tune(network, seen, rounding=rounding, bias_correction="none")
        found = Outputs(network)
        with torch.no_grad():
            found.run(unseen)
        errors[rounding] = float((found.found["Conv_d"] - wanted["Conv_d"]).square().mean())
    assert errors[True] < 0.8 * errors[False]


def test_nothing_asked_nothing_changed() -> None:
    network = simulator(4)
    before = {name: value.clone() for name, value in network.tuned_parameters().items()}
    tune(network, images(8), rounding=False, bias_correction="none")
    torch.testing.assert_close(network.tuned_parameters(), before, rtol=0, atol=0)


def test_it_reports_every_layer() -> None:
    done: list[tuple[int, int]] = []
    report = lambda *counts: done.append(counts)  # noqa: E731
    tune(simulator(4), images(8), rounding=True, bias_correction="empirical", on_layer=report)
    assert done == [(1, 3), (2, 3), (3, 3)]


def test_a_layer_with_too_many_inputs_is_left_to_plain_rounding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gdfq_export.tuning.reconstruction.layerwise._LARGEST_ROUNDED", 0)
    network = simulator(4)
    before = {name: value.clone() for name, value in network.tuned_parameters().items()}
    tune(network, images(16), rounding=True, bias_correction="none")
    assert all(torch.equal(value, before[name]) for name, value in network.tuned_parameters().items())


def test_fitting_lowers_the_error_of_the_logits_on_other_images() -> None:
    seen, unseen = images(256), images(64, seed=9)
    errors = {}
    for fitted in (False, True):
        network = simulator(3)
        wanted = outputs(network, unseen, Mode.FLOAT)
        tune(network, seen, refit=fitted, activation_scales=fitted)
        found = outputs(network, unseen, Mode.QUANTIZE)
        errors[fitted] = float((found["Gemm_y"] - wanted["Gemm_y"]).square().mean())
    assert errors[True] < 0.9 * errors[False], errors
