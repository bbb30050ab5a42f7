"""Images that a user gives: a set saved by an earlier run, or real ones (`data.method: real`)."""

from __future__ import annotations

import torch
from torch import Tensor

from calib.samplers import RealSet, StepReport
from calib.synthetic_set import SyntheticSet
from gdfq_export.errors import InputError
from gdfq_export.support.text import counted, shapes_text
from gdfq_export.synthesis.method import Method, Samplers, SynthesisInputs


class GivenSampler:
    """Draws given images in an order, and from its start again when they are used up."""

    def __init__(self, images: Tensor, labels: Tensor, order: Tensor, source: str) -> None:
        self.source = source
        self._images = images
        self._labels = labels
        self._order = order
        self._position = 0

    def draw(self, count: int, batch: int, on_step: StepReport | None = None) -> tuple[Tensor, Tensor]:
        """Give the next `count` images `[count, C, H, W]` and their labels `[count]`."""
        del batch, on_step
        chosen = self._order[(self._position + torch.arange(count)) % len(self._order)]
        self._position += count
        return self._images[chosen], self._labels[chosen]


def given_samplers(inputs: SynthesisInputs, given: SyntheticSet | RealSet) -> Samplers:
    """A saved set in its own order, real images in an order drawn from the seed.

    Raises:
        InputError: the saved set is not one for this network.
    """
    sampler = _saved(inputs, given) if isinstance(given, SyntheticSet) else _real(given, inputs.seed)
    return Samplers(tuning=sampler, evaluation=sampler, available=len(given.labels))


def _saved(inputs: SynthesisInputs, saved: SyntheticSet) -> GivenSampler:
    model = inputs.model
    wanted = shapes_text(
        {name: spec.shape for name, spec in model.input_spec.by_name.items()} or model.input_spec.shape
    )
    carried = shapes_text(saved.shapes or saved.images.shape[1:])
    if carried != wanted:
        raise InputError(
            f"the calibration images are {carried} but {model.source} takes {wanted}; make them for this network with "
            "gdfq-export synthesize"
        )
    classes = saved.logits.shape[1]
    if bool(classes) != (model.num_classes is not None) or (classes and not model.task.fits([saved.logits.shape])):
        found = f"outputs of {counted(classes, 'class', 'classes')}" if classes else "no class scores"
        raise InputError(
            f"the calibration images carry {found} but {model.source} has {model.task.describe()}; make them for this "
            "network with gdfq-export synthesize"
        )
    images, labels = torch.from_numpy(saved.images), torch.from_numpy(saved.labels)
    name = f"a saved set ({saved.provenance.get('method', 'unknown origin')})"
    return GivenSampler(images, labels, torch.arange(len(images)), name)


def _real(real: RealSet, seed: int) -> GivenSampler:
    order = torch.randperm(len(real), generator=torch.Generator().manual_seed(seed))
    return GivenSampler(real.images, real.labels, order, "real images")


REAL = Method(make=None)
