"""How far the outputs move when one tensor alone is quantized: the weights of a layer, or what it reads.

The sensitivity of ZeroQ (Cai et al., arXiv 2001.00281, section 3.2), here with the task's error (`Task.error`), with
which `planning/mixed_precision.py` decides, or with the noise of each output, for `planning/precision/`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from calib.checkpoints.checkpoint import Checkpoint, NoCheckpoint, State
from gdfq_export.planning.plan import Role
from gdfq_export.simulator import Mode, Simulator
from gdfq_export.tasks.outputs import Outputs, as_tuple, concatenated
from gdfq_export.tuning.calibration import weight_scale

_BATCH = 64
_TINY = 1e-30


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
    return _alone(
        simulator,
        images,
        points,
        lambda found, wanted: float(simulator.task.error(found, wanted)),
        on_point,
        checkpoint,
    )


def noise_alone(
    simulator: Simulator,
    images: Tensor,
    points: Iterable[str],
    *,
    on_point: Callable[[int, int], None] | None = None,
    checkpoint: Checkpoint | None = None,
) -> dict[str, NDArray[np.float64]]:
    """Noise power by signal power of each output, [outputs], for each point that alone is quantized, by its key.

    Arguments are those of `sensitivity`; all scales must be set.
    """
    found = _alone(simulator, images, points, lambda *both: output_noise(*both).tolist(), on_point, checkpoint)
    outputs = max((len(noise) for noise in found.values() if noise != 0.0), default=0)
    return {key: np.zeros(outputs) if noise == 0.0 else np.asarray(noise) for key, noise in found.items()}


def output_noise(found: Outputs, wanted: Outputs) -> NDArray[np.float64]:
    """Noise power by signal power of each output over all images, [outputs]; `10**(-dB / 10)` of its SNR."""
    pairs = zip(as_tuple(found), as_tuple(wanted), strict=True)
    powers = [((one.double() - two.double()).square().sum(), two.double().square().sum()) for one, two in pairs]
    return np.array([float(noise / signal.clamp_min(_TINY)) for noise, signal in powers])


@torch.no_grad()
def _alone(
    simulator: Simulator,
    images: Tensor,
    points: Iterable[str] | None,
    error: Callable[[Outputs, Outputs], Any],
    on_point: Callable[[int, int], None] | None,
    checkpoint: Checkpoint | None,
) -> dict[str, Any]:
    """The error of the outputs for each point that alone is quantized; 0.0 where it moves none of them."""
    checkpoint = checkpoint or NoCheckpoint()
    device = next(simulator.network.parameters()).device
    batches = [batch.to(device) for batch in torch.split(images, _BATCH)]
    weights = {layer.weight_point.key: layer.weight for layer in simulator.layers()}
    asked = list(weights if points is None else points)
    keys = [key for key in asked if key in simulator.quantizers]
    found: dict[str, Any] = dict.fromkeys(asked, 0.0)  # what stands behind the compared outputs moves none of them
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
            found[key] = error(outputs, wanted)
            if on_point is not None:
                on_point(done, len(keys))
            checkpoint.step(partial(_state, found, keys[:done]))
    checkpoint.finish(lambda: {"errors": found})
    return found


def _state(found: dict[str, Any], keys: list[str]) -> State:
    return {"errors": {key: found[key] for key in keys}}
