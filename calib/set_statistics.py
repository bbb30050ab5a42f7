"""What a set of images is worth, in numbers: a good set and a bad one differ before anything is quantized.

Four questions, each answered over the whole set:

1. Does the network see in the images what it saw in training? The normalised BNS distance of each BatchNorm layer (as
   in `calib.statistics`, after GDFQ, Xu et al. 2020, eq. 4). Moments are merged batch by batch (Chan et al. 1979), so
   that the batch size does not change them.
2. Does it recognise them? Agreement with the labels, confidence, entropy.
3. Do they differ? The distance between images of one class. A collapsed generator has a small BNS distance and a
   confident teacher all the same; only this number shows it.
4. Is every class there? `ClassBalance`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from calib.aim import class_scores
from calib.input_spec import InputSpec
from calib.statistics import BatchNorm, BatchNormTap, normalized_distance

CONFIDENCE_BINS = 20
BATCH = 64
PAIRS = 20_000  # of images of one class; where a set has more, that many are drawn
PAIR_SEED = 0
ELEMENTS_AT_A_TIME = 1 << 24


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerDistance:
    """How far what a BatchNorm layer receives is from its training: 0 is the same mean and deviation by channel."""

    layer: str
    distance: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SetStatistics:
    """The measure of one set of images.

    Attributes:
        images: how many.
        agreement: share of images to which the teacher answers their label, 0..1; None without classes.
        confidence: mean of the teacher's largest class probability, 0..1; None without classes.
        confidence_counts: images by that probability, in bins of equal width from 0 to 1; empty without classes.
        entropy: mean entropy of the teacher's class probabilities, nats; None without classes.
        within_class_distance: root mean square difference per pixel of two images with the same label, pixels 0..255,
            mean over pairs; None where no two images share a label.
        layers: normalised BNS distance of each BatchNorm layer, from input to output; empty without BatchNorm.
    """

    images: int
    agreement: float | None = None
    confidence: float | None = None
    confidence_counts: tuple[int, ...] = ()
    entropy: float | None = None
    within_class_distance: float | None
    layers: tuple[LayerDistance, ...]

    @property
    def bns_distance(self) -> float | None:
        """Mean of the layers' distances; None without BatchNorm."""
        if not self.layers:
            return None
        return sum(layer.distance for layer in self.layers) / len(self.layers)

    def to_json(self) -> dict[str, Any]:
        """Give JSON values, as a set's provenance carries them."""
        values = asdict(self)
        values["confidence_counts"] = list(self.confidence_counts)
        values["layers"] = [asdict(layer) for layer in self.layers]
        return values

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Read what `to_json` gave."""
        counts = tuple(values["confidence_counts"])
        layers = tuple(LayerDistance(**layer) for layer in values["layers"])
        return cls(**{**values, "confidence_counts": counts, "layers": layers})


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassBalance:
    """Images of each class, int [classes]: by label (`asked`), and by the teacher's answer (`answered`).

    Without classes all images are asked for alike, and there are no answers.
    """

    asked: tuple[int, ...]
    answered: tuple[int, ...]

    @classmethod
    def count(cls, labels: NDArray[np.int64], logits: NDArray[np.float32]) -> Self:
        """Count labels [N] and the largest of logits [N, classes]; [N, 0] is a network without classes."""
        classes = logits.shape[1]
        if not classes:
            return cls(asked=(len(labels),), answered=())
        asked, answered = (np.bincount(which, minlength=classes).tolist() for which in (labels, logits.argmax(1)))
        return cls(asked=tuple(asked), answered=tuple(answered))


def measure_set(
    teacher: nn.Module,
    images: Tensor,
    labels: Tensor,
    input_spec: InputSpec,
    device: str | torch.device,
    *,
    classes: bool = True,
) -> tuple[SetStatistics, Tensor]:
    """Measure a set, and give the class scores that this takes.

    Args:
        teacher: in eval mode, on `device`.
        images: float32 [N, C, ...] on the CPU, normalised, at least one.
        labels: int64 [N] on the CPU.
        input_spec: the preprocessing; it turns differences into pixels.
        device: where the teacher runs.
        classes: the teacher returns class scores; False for outputs of any other kind, which are not kept.

    Returns:
        The statistics, and the logits float32 [N, classes] on the CPU; of one logit, [N, 1], two are made. Without
        classes they are [N, 0].
    """
    logits, layers = _answers(teacher, images, device, keep=classes)
    statistics = SetStatistics(
        images=len(images),
        within_class_distance=_within_class_distance(images, labels, input_spec),
        layers=layers,
    )
    if not classes:
        return statistics, torch.empty(len(images), 0)
    logits = class_scores(logits)
    log_probability = logits.double().log_softmax(1)
    probability = log_probability.exp()
    confidence = probability.amax(1).clamp(max=1.0)
    scored = replace(
        statistics,
        agreement=(logits.argmax(1) == labels).double().mean().item(),
        confidence=confidence.mean().item(),
        confidence_counts=tuple(torch.histc(confidence, CONFIDENCE_BINS, 0.0, 1.0).long().tolist()),
        entropy=-torch.where(probability > 0, probability * log_probability, 0.0).sum(1).mean().item(),
    )
    return scored, logits


def layer_distances(
    teacher: nn.Module, images: Tensor, device: str | torch.device = "cpu"
) -> tuple[LayerDistance, ...]:
    """How far what each BatchNorm layer receives is from its training, from input to output.

    Args:
        teacher: in eval mode, on `device`.
        images: float32 [N, C, ...] on the CPU, as the network takes them, at least one.
        device: where the teacher runs.

    Returns:
        One for each layer that ran; empty without BatchNorm.
    """
    return _answers(teacher, images, device, keep=False)[1]


@torch.no_grad()
def _answers(
    teacher: nn.Module, images: Tensor, device: str | torch.device, *, keep: bool
) -> tuple[Tensor, tuple[LayerDistance, ...]]:
    """One pass over the images: logits [N, classes] if they are kept, and the distance of each BatchNorm layer."""
    names = {module: name for name, module in teacher.named_modules()}
    moments: dict[BatchNorm, tuple[Tensor, Tensor]] = {}
    logits, seen = [], 0
    with BatchNormTap(teacher) as tap:
        for batch in images.split(BATCH):
            outputs = teacher(batch.to(device))
            if keep:
                logits.append(outputs.cpu())
            share = len(batch) / (seen + len(batch))
            for layer, *latest in tap.moments():
                mean, variance = (moment.cpu().double() for moment in latest)
                moments[layer] = merge_moments(moments[layer], (mean, variance), share) if seen else (mean, variance)
            seen += len(batch)
    distances = (
        LayerDistance(layer=names[layer], distance=normalized_distance(layer, *moments[layer]).item())
        for layer in moments
    )
    return torch.cat(logits) if keep else torch.empty(seen, 0), tuple(distances)


def merge_moments(old: tuple[Tensor, Tensor], new: tuple[Tensor, Tensor], share: float) -> tuple[Tensor, Tensor]:
    """Mean and biased variance [C] of two parts together, the second being `share` of the whole."""
    (old_mean, old_variance), (new_mean, new_variance) = old, new
    shift = new_mean - old_mean
    variance = (1 - share) * old_variance + share * new_variance + share * (1 - share) * shift.square()
    return old_mean + share * shift, variance


def _within_class_distance(images: Tensor, labels: Tensor, input_spec: InputSpec) -> float | None:
    first, second = _pairs_of_a_class(labels.numpy())
    if not len(first):
        return None
    to_pixels = input_spec.scale * input_spec.plane(input_spec.std)
    distances = []
    for chunk in torch.arange(len(first)).split(max(1, ELEMENTS_AT_A_TIME // images[0].numel())):
        difference = (images[first[chunk]] - images[second[chunk]]) * to_pixels
        distances.append(difference.square().mean(list(range(1, images.dim()))).sqrt())
    return torch.cat(distances).double().mean().item()


def _pairs_of_a_class(labels: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Positions of the two images of each pair, int64 [pairs] each: all pairs, or PAIRS drawn evenly from them."""
    classes = [positions for label in np.unique(labels) if len(positions := np.flatnonzero(labels == label)) > 1]
    sizes = np.array([len(positions) for positions in classes], dtype=np.int64)
    pairs = sizes * (sizes - 1) // 2
    if pairs.sum() <= PAIRS:
        halves = [np.triu_indices(size, 1) for size in sizes]
        first, second = (
            np.concatenate([positions[half[side]] for positions, half in zip(classes, halves, strict=True)] or [sizes])
            for side in (0, 1)
        )
        return first, second
    random = np.random.default_rng(PAIR_SEED)
    chosen = random.choice(len(classes), PAIRS, p=pairs / pairs.sum())
    left = random.integers(sizes[chosen])
    right = random.integers(sizes[chosen] - 1)
    right += right >= left
    starts, order = np.cumsum(sizes) - sizes, np.concatenate(classes)
    return order[starts[chosen] + left], order[starts[chosen] + right]
