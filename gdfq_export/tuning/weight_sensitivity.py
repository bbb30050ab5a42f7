"""How far the outputs move when the weights of one layer are quantized and nothing else is.

The sensitivity of ZeroQ (Cai et al., arXiv 2001.00281, section 3.2), here with the task's error (`Task.error`).
`planning/mixed_precision.py` decides with it.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from gdfq_export.simulator import Mode, Simulator
from gdfq_export.tasks.outputs import concatenated
from gdfq_export.tuning.calibration import weight_scale

_BATCH = 64


@torch.no_grad()
def weight_sensitivity(
    simulator: Simulator, images: Tensor, *, on_layer: Callable[[int, int], None] | None = None
) -> dict[str, float]:
    """Error of the outputs for each layer whose weights alone are rounded to nearest, by the layer's name.

    Args:
        simulator: with the float network's parameters, not calibrated; its weight scales are set here.
        images: [N, C, H, W] in the network's input range.
        on_layer: called with the layers done and their number.
    """
    device = next(simulator.network.parameters()).device
    batches = [batch.to(device) for batch in torch.split(images, _BATCH)]
    layers = simulator.layers()
    found = {}
    with simulator.in_mode(Mode.FLOAT):
        wanted = concatenated([simulator(batch) for batch in batches])
        for done, layer in enumerate(layers, start=1):
            quantizer = simulator.quantizers[layer.weight_point.key]
            quantizer.set_scale(weight_scale(quantizer, layer.weight.detach(), search=True))
            quantizer.mode = Mode.QUANTIZE
            outputs = concatenated([simulator(batch) for batch in batches])
            quantizer.mode = Mode.FLOAT
            found[layer.name] = float(simulator.task.error(outputs, wanted))
            if on_layer is not None:
                on_layer(done, len(layers))
    return found
