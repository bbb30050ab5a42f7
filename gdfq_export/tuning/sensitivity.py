"""How far the outputs move when one tensor alone is quantized: the weights of a layer, or what it reads.

The sensitivity of ZeroQ (Cai et al., arXiv 2001.00281, section 3.2), here with the task's error (`Task.error`).
`planning/mixed_precision.py` decides with it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial

import torch
from torch import Tensor

from calib.checkpoints.checkpoint import Checkpoint, NoCheckpoint, State
from gdfq_export.planning.plan import Role
from gdfq_export.simulator import Mode, Simulator
from gdfq_export.tasks.outputs import concatenated
from gdfq_export.tuning.calibration import weight_scale

_BATCH = 64


@torch.no_grad()
def sensitivity(
    simulator: Simulator,
    images: Tensor,
    points: Iterable[str] | None = None,
    *,
    on_point: Callable[[int, int], None] | None = None,
    checkpoint: Checkpoint | None = None,
) -> dict[str, float]:
    """Relative error of the outputs for each point that alone is rounded to nearest, by its key.

    Args:
        simulator: with the float network's parameters; weight scales are set here, those of activations must be set
            if `points` names any.
        images: [N, C, H, W] in the network's input range.
        points: keys of the points; by default those of all weights.
        on_point: called with the points done and their number.
        checkpoint: where the errors are kept, and continued from; None keeps nothing.
    """
    checkpoint = checkpoint or NoCheckpoint()
    device = next(simulator.network.parameters()).device
    batches = [batch.to(device) for batch in torch.split(images, _BATCH)]
    weights = {layer.weight_point.key: layer.weight for layer in simulator.layers()}
    asked = list(weights if points is None else points)
    keys = [key for key in asked if key in simulator.quantizers]
    found = dict.fromkeys(asked, 0.0)  # what stands behind the compared outputs moves none of them
    known = (checkpoint.load() or {"errors": {}})["errors"]
    with simulator.in_mode(Mode.FLOAT):
        wanted = concatenated([simulator(batch) for batch in batches])
        for done, key in enumerate(keys, start=1):
            if key in known:
                found[key] = known[key]
                continue
            quantizer = simulator.quantizers[key]
            if quantizer.point.role is Role.WEIGHT:
                quantizer.set_scale(weight_scale(quantizer, weights[key].detach(), search=True))
            quantizer.mode = Mode.QUANTIZE
            outputs = concatenated([simulator(batch) for batch in batches])
            quantizer.mode = Mode.FLOAT
            found[key] = float(simulator.task.error(outputs, wanted))
            if on_point is not None:
                on_point(done, len(keys))
            checkpoint.step(partial(_state, found, keys[:done]))
    checkpoint.finish(lambda: {"errors": found})
    return found


def _state(found: dict[str, float], keys: list[str]) -> State:
    return {"errors": {key: found[key] for key in keys}}
