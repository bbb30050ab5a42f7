"""Are real images of the kind that the network was trained on? BatchNorm carries the mean and deviation of that kind.

The distance is that of `calib.statistics.normalized_distance` (after GDFQ, Xu et al. 2020, eq. 4), the mean over the
BatchNorm layers of the float network. Channels in reverse order change it too little to be seen in the distance alone:
there the images are compared with themselves, channels reversed, in the first layers, where colours are still apart.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from calib.input_spec import IMAGE_RANK, InputSpec
from calib.set_statistics import layer_distances
from calib.statistics import batch_norms
from gdfq_export.runtimes.base import Images
from gdfq_export.support.batch_size import positions
from gdfq_export.support.not_measured import NotMeasured
from gdfq_export.support.text import counted

LIMIT = 0.1  # measured by bench/in_domain.py: right sets stay below 0.06, other kinds start at 0.13
_MOST, _FEWEST, _PIXELS = 64, 16, 64 * 224 * 224
_COLOUR_IMAGES, _COLOUR_LAYERS, _COLOURS = 32, 6, 3
_IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)

NO_IMAGES = NotMeasured(reason="no real images were given, or BatchNorm left no statistics to compare them with")


@dataclass(frozen=True, slots=True, kw_only=True)
class InDomain:
    """Real images beside the statistics of the network's training data.

    Attributes:
        source: what the images are.
        images: how many were compared, drawn evenly from all.
        distance: mean over BatchNorm layers of the squared errors of mean and deviation, in units of the deviation; 0
            is what training saw.
        limit: the largest distance of images of the same kind.
        channels_log_ratio: of images with three channels, the mean over the first layers of the logarithm of distance
            as given by distance with channels reversed; above 0 the reversed ones fit better.
        worst_layer: the BatchNorm layer of the largest distance.
        remedy: a change of the images that would bring them below the limit; empty where none was found or needed.
    """

    source: str
    images: int
    distance: float
    limit: float
    channels_log_ratio: float | None
    worst_layer: str
    remedy: str

    @property
    def reversed(self) -> bool:
        """Whether the channels seem to be in reverse order, BGR for RGB."""
        fits = self.distance <= self.limit
        return fits and self.channels_log_ratio is not None and self.channels_log_ratio > 0

    @property
    def in_domain(self) -> bool:
        """Whether the images are of the kind that the network was trained on."""
        return self.distance <= self.limit and not self.reversed

    @property
    def message(self) -> str:
        """What is wrong with the images, and what to do; empty where nothing is."""
        if self.in_domain:
            return ""
        of = f"{counted(self.images, 'image')} of {self.source}"
        if self.reversed:
            return (
                f"{of} fit the statistics of the network's training data better with channels in reverse order: give "
                "RGB where BGR was given, or the other way round"
            )
        advice = self.remedy or "check --scale, --mean and --std, and whether these are images of its kind"
        return (
            f"{of} are unlike the network's training data: their distance from BatchNorm's statistics is "
            f"{self.distance:.3g}, above {self.limit:.3g}, the largest in {self.worst_layer}; {advice}"
        )


def measure_in_domain(teacher: nn.Module, spec: InputSpec, images: Images, source: str) -> InDomain | NotMeasured:
    """Compare images with what the float network's BatchNorm layers saw in training.

    Args:
        teacher: the float network, in eval mode.
        spec: its preprocessing.
        images: real ones `[N, C, ...]` as the network takes them, of which 64 at most are run.
        source: what they are.

    Returns:
        The comparison; why there is none where the network has no BatchNorm that was trained, or images are too few.
    """
    if not _trained(teacher):
        return NotMeasured(reason="the network carries no BatchNorm statistics of its training data")
    count = min(len(images), _MOST, max(_FEWEST, _PIXELS // positions(images.shape[1:])))
    if count < _FEWEST:
        return NotMeasured(reason=f"{counted(len(images), 'image')} are too few to say of which kind they are")
    picked = np.linspace(0, len(images) - 1, count).round().astype(int)
    given = torch.from_numpy(np.ascontiguousarray(images[picked], dtype=np.float32))
    layers = layer_distances(teacher, given, _device(teacher))
    distances = [layer.distance for layer in layers]
    if not distances or not all(map(math.isfinite, distances)):
        return NotMeasured(reason="the float network gives no finite numbers on these images")
    distance, limit = sum(distances) / len(distances), LIMIT * _MOST / count
    ratio = _channels_log_ratio(teacher, spec, given, distances)
    return InDomain(
        source=source,
        images=count,
        distance=distance,
        limit=limit,
        channels_log_ratio=ratio,
        worst_layer=max(layers, key=lambda layer: layer.distance).layer,
        remedy=_remedy(teacher, spec, given, limit) if distance > limit else "",
    )


def _trained(teacher: nn.Module) -> bool:
    """Whether some BatchNorm layer has other statistics than it begins with, mean 0 and variance 1."""
    for layer in batch_norms(teacher):
        assert layer.running_mean is not None and layer.running_var is not None
        if layer.running_mean.any() or (layer.running_var != 1).any():
            return True
    return False


def _device(teacher: nn.Module) -> torch.device:
    mean = batch_norms(teacher)[0].running_mean
    assert mean is not None
    return mean.device


def _distances(teacher: nn.Module, images: Tensor) -> list[float]:
    return [layer.distance for layer in layer_distances(teacher, images, _device(teacher))]


def _channels_log_ratio(
    teacher: nn.Module, spec: InputSpec, images: Tensor, distances: Sequence[float]
) -> float | None:
    if not _has_colours(spec) or len(images) < _COLOUR_IMAGES:
        return None
    other = _distances(teacher, _changed(spec, images, lambda raw: raw.flip(1)))
    pairs = list(zip(distances, other, strict=True))[:_COLOUR_LAYERS]
    if not all(min(pair) > 0 and math.isfinite(pair[1]) for pair in pairs):
        return None
    return sum(math.log(one / two) for one, two in pairs) / len(pairs)


def _has_colours(spec: InputSpec) -> bool:
    return len(spec.shape) == IMAGE_RANK and spec.shape[0] == _COLOURS and not spec.by_name


def _changed(spec: InputSpec, images: Tensor, change: Callable[[Tensor], Tensor]) -> Tensor:
    """The images with their values in front of mean and std, pixel / scale, changed."""
    mean, std = spec.plane(spec.mean), spec.plane(spec.std)
    return (change(images * std + mean) - mean) / std


def _remedy(teacher: nn.Module, spec: InputSpec, images: Tensor, limit: float) -> str:
    """The change of preprocessing that fits best, where one brings the images below the limit."""
    if spec.by_name:
        return ""
    tried: Mapping[str, Tensor] = {
        "pixels divided by 255": _changed(spec, images, lambda raw: raw / 255),
        "pixels multiplied by 255": _changed(spec, images, lambda raw: raw * 255),
    }
    if _has_colours(spec):
        mean, std = (torch.tensor(values).reshape(1, -1, 1, 1) for values in _IMAGENET)
        tried = {
            **tried,
            "ImageNet's mean and std applied to them": (images - mean) / std,
            "channels in reverse order": _changed(spec, images, lambda raw: raw.flip(1)),
        }
    found = {}
    for what, changed in tried.items():
        distances = _distances(teacher, changed)
        found[what] = sum(distances) / len(distances)
    best = min(found, key=lambda what: found[what] if math.isfinite(found[what]) else math.inf)
    return f"with {best} it would be {found[best]:.3g}" if found[best] <= limit else ""
