"""How far a low-bit network is from the float one on images that nothing is trained on."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from gdfq_export.simulator import Mode, Simulator
from gdfq_export.support.batch_size import batch_size
from gdfq_export.tasks.outputs import Outputs, concatenated
from gdfq_export.tasks.same_answers import same_answers

_KEPT_FROM_TRAINING = 8  # one image of so many


def held_out_count(images: int, most: int) -> int:
    """How many of the images are kept from training: an eighth, at most `most`, at least one."""
    return min(most, max(1, images // _KEPT_FROM_TRAINING))


def split(images: Tensor, most: int) -> tuple[Tensor, Tensor]:
    """Images `[N, C, H, W]` to train on, and the last of them, to validate with; a single image is both."""
    count = held_out_count(len(images), most)
    return (images[:-count], images[-count:]) if len(images) > 1 else (images, images)


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldOutFigures:
    """The error of the outputs as the task measures it, and for a classifier the share of images of the same class."""

    error: float
    agreement: float | None


class HeldOutImages:
    """Images on which a low-bit network is compared with the float network, whose outputs are computed once.

    Args:
        images: [N, C, H, W] in the network's input range.
        reference: the float network.
    """

    def __init__(self, images: Tensor, reference: Simulator) -> None:
        self._images = images
        self._wanted = self._outputs(reference, Mode.FLOAT)

    def __len__(self) -> int:
        """How many images."""
        return len(self._images)

    def measure(self, simulator: Simulator) -> HeldOutFigures:
        """Compare the network as it is now; nothing of it changes, and no random number is drawn."""
        found = self._outputs(simulator, Mode.QUANTIZE)
        return HeldOutFigures(
            error=float(simulator.task.error(found, self._wanted)),
            agreement=same_answers(simulator.task, found, self._wanted),
        )

    @torch.no_grad()
    def _outputs(self, simulator: Simulator, mode: Mode) -> Outputs:
        device = next(simulator.network.parameters()).device
        with simulator.in_mode(mode):
            return concatenated(
                [simulator(batch.to(device)) for batch in self._images.split(batch_size(self._images.shape[1:]))]
            )
