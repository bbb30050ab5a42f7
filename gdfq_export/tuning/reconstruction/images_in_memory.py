"""How many images layers can be tuned on: those whose values memory holds."""

from __future__ import annotations

from torch import Tensor

from calib.device.memory import free_bytes
from calib.device.transfer import is_accelerator
from gdfq_export.simulator import Simulator
from gdfq_export.tuning.reconstruction.paired_run import peak_numel

MEMORY = 4 * 2**30  # bytes
_FLOAT32 = 4  # bytes
_FEWEST_IMAGES = 16


def images_in_memory(reference: Simulator, images: Tensor, memory: int = MEMORY) -> Tensor:
    """The first images whose values in two networks take `memory` bytes, at least 16.

    Computing a layer takes about as much again, so that on a GPU no more than half of what is free is used. On a CPU
    the number of images does not depend on what else the machine does.
    """
    if is_accelerator(images.device):
        memory = min(memory, free_bytes(images.device) // 2)
    return images[: max(_FEWEST_IMAGES, memory // (2 * _FLOAT32 * peak_numel(reference.network, images[:1])))]
