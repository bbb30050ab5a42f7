"""Images that a network answers many times as strongly as others: left out, for they would be all that is tuned to.

Ranges of least squared error and least squares fits count an image by the square of its values. One photograph among
512 that drives some layers of a ShuffleNet to 144 times the usual strength (measured, CIFAR-10) costs it 55 points at
4 bits. Strength is the root mean square of a layer's output for one image; usual is the median over the images.
"""

from __future__ import annotations

import logging
from typing import Any

import torch
from torch import Tensor, fx

from gdfq_export.simulator import Mode, Simulator

__all__ = ["without_outliers"]

log = logging.getLogger(__name__)

LIMIT = 10.0  # times the usual strength
_MOST = 20  # one image in so many; where there are more, strong answers are what the network gives
_NAMED = 5
_BATCH = 64
_SMALLEST = 1e-12


def without_outliers(simulator: Simulator, images: Tensor) -> Tensor:
    """The images [N, C, H, W] less those that drive a layer of the float network beyond 10 times the usual strength.

    Those that are left out are named in a warning. All are kept where more than one in 20 would go.

    Args:
        simulator: with the float network's parameters.
        images: in the network's input range.
    """
    names, strengths = _strengths(simulator, images)
    usual = strengths.median(dim=1, keepdim=True).values.clamp_min(_SMALLEST)
    times, layers = (strengths / usual).max(dim=0)
    far = torch.nonzero(times > LIMIT).flatten()
    if len(far) == 0 or len(far) > len(images) // _MOST:
        return images
    ordered = far[torch.argsort(times[far], descending=True)]
    worst = int(ordered[0])
    log.warning(
        "%d of %d images are left out: image %d drives layer %s to %.0f times its usual strength, and ranges would be "
        "its alone (numbers %s%s)",
        len(far),
        len(images),
        worst,
        names[int(layers[worst])],
        float(times[worst]),
        ", ".join(str(int(index)) for index in ordered[:_NAMED]),
        ", ..." if len(far) > _NAMED else "",
    )
    kept = torch.ones(len(images), dtype=torch.bool)
    kept[far] = False
    return images[kept]


def _strengths(simulator: Simulator, images: Tensor) -> tuple[list[str], Tensor]:
    """Names of the layers, and the root mean square of their outputs, [layers, N]."""
    layers = simulator.layers()
    found: dict[str, list[Tensor]] = {layer.name: [] for layer in layers}
    run = _Recorder(simulator.network, {layer.node: found[layer.name] for layer in layers})
    device = next(simulator.network.parameters()).device
    with torch.no_grad(), simulator.in_mode(Mode.FLOAT):
        for batch in images.split(_BATCH):
            run.run(batch.to(device))
    return list(found), torch.stack([torch.cat(parts) for parts in found.values()])


class _Recorder(fx.Interpreter):
    """Runs a network and keeps how strongly its layers answer each image."""

    def __init__(self, network: fx.GraphModule, found: dict[fx.Node, list[Tensor]]) -> None:
        super().__init__(network)
        self.found = found

    def run_node(self, n: fx.Node) -> Any:
        """Compute a node; of a layer's output the root mean square of each image is kept."""
        value = super().run_node(n)
        if n in self.found:
            self.found[n].append(value.flatten(1).square().mean(dim=1).sqrt().cpu())
        return value
