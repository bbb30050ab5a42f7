"""Drops calibration outliers: images for which a layer's activation RMS exceeds a multiple of the median.

Ranges of least squared error and least squares fits weight an image by the square of its values. One photograph among
512 that drives some layers of a ShuffleNet to 144 times the median (measured, CIFAR-10) costs it 55 points at 4 bits.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, fx

from calib.parallel.processes import ALONE, Processes
from gdfq_export.simulator import Mode, Simulator
from gdfq_export.support.batch_size import batch_size
from gdfq_export.support.text import counted

_MOST = 20  # one image in so many; where there are more, they are no outliers
_NAMED = 5
_SMALLEST = 1e-12


def without_outliers(
    simulator: Simulator,
    images: Tensor,
    limit: float,
    *,
    on_batch: Callable[[int], None] = lambda done: None,
    processes: Processes = ALONE,
) -> tuple[Tensor, str | None]:
    """The images without the outliers, and a sentence about those left out.

    All are kept where more than one in 20 would go.

    Args:
        simulator: with the float network's parameters.
        images: [N, C, H, W] in the network's input range.
        limit: the largest RMS of a layer's output for one image, as a multiple of its median over the images.
        on_batch: called with the images looked at so far.
        processes: that batches are dealt to.
    """
    names, strengths = _strengths(simulator, images, on_batch, processes)
    usual = strengths.median(dim=1, keepdim=True).values.clamp_min(_SMALLEST)
    times, layers = (strengths / usual).max(dim=0)
    far = torch.nonzero(times > limit).flatten()
    if len(far) == 0 or len(far) > len(images) // _MOST:
        return images, None
    ordered = far[torch.argsort(times[far], descending=True)]
    worst = int(ordered[0])
    numbers = ", ".join(str(int(index)) for index in ordered[:_NAMED]) + (", ..." if len(far) > _NAMED else "")
    kept = torch.ones(len(images), dtype=torch.bool)
    kept[far] = False
    return images[kept], (
        f"left out: {len(far)} of {counted(len(images), 'image')} (by number {numbers}); image {worst} drives "
        f"layer {names[int(layers[worst])]} to {float(times[worst]):.0f} times its usual strength, and ranges would be "
        "its alone; calibration.outliers in the recipe says how far an image may go"
    )


def _strengths(
    simulator: Simulator, images: Tensor, on_batch: Callable[[int], None], processes: Processes
) -> tuple[list[str], Tensor]:
    """Names of the layers, and the root mean square of their outputs, [layers, N].

    Layers that compute one value for the whole batch are left out.
    """
    layers = simulator.layers()
    run = _Recorder(simulator.network, {layer.node: layer.name for layer in layers})
    device, done = next(simulator.network.parameters()).device, 0
    own: list[dict[str, Tensor]] = []
    with torch.no_grad(), simulator.in_mode(Mode.FLOAT):
        for number, batch in enumerate(torch.split(images, batch_size(images.shape[1:]))):
            if number % processes.size == processes.rank:
                own.append(run.look(batch.to(device)))
            done += len(batch)
            on_batch(done)
    every = processes.all_of(own)
    found: dict[str, list[Tensor]] = {layer.name: [] for layer in layers}
    for batches in itertools.zip_longest(*every, fillvalue={}):
        for name, values in itertools.chain.from_iterable(batch.items() for batch in batches):
            found[name].append(values)
    strengths = {name: torch.cat(parts) for name, parts in found.items() if parts}
    whole = {name: values for name, values in strengths.items() if len(values) == len(images)}
    return list(whole), torch.stack([*whole.values()] or [torch.ones(len(images))]).cpu()


class _Recorder(fx.Interpreter):
    """Runs a network and keeps the RMS of its layers' outputs for each image."""

    def __init__(self, network: fx.GraphModule, names: dict[fx.Node, str]) -> None:
        super().__init__(network)
        self._names, self._images = names, 0
        self._found: dict[str, Tensor] = {}

    def look(self, images: Tensor) -> dict[str, Tensor]:
        """Root mean squares [N] of each layer's output for images [N, C, H, W], by the layer's name."""
        self._images, self._found = len(images), {}
        self.run(images)
        return self._found

    def run_node(self, n: fx.Node) -> Any:
        """Compute a node; keep the root mean square of a layer's output for each image."""
        value = super().run_node(n)
        if n in self._names and value.dim() and len(value) % self._images == 0:
            self._found[self._names[n]] = value.reshape(self._images, -1).square().mean(dim=1).sqrt()
        return value
