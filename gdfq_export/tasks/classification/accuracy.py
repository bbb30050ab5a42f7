"""Top-1 and top-5 on labelled images, and what quantization costs, image by image.

The drop is paired: both networks see the same images, so only the images on which they differ carry information about
it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gdfq_export.errors import InputError
from gdfq_export.support.confidence_interval import Proportion, paired_difference_interval, proportion
from gdfq_export.support.not_measured import NotMeasured

Logits = NDArray[np.float32]
"""Class scores or probabilities, `[N, classes]`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TopK:
    """Both networks on the same images; the drop in percentage points with its paired 95 % interval.

    A positive drop means that float is better.
    """

    float_network: Proportion
    quantized: Proportion
    only_float_right: int
    only_quantized_right: int
    drop_pp: float
    drop_low_pp: float
    drop_high_pp: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Accuracy:
    """What was scored, on how many images, from where; `agreement`: images both networks put in the same class."""

    images: int
    source: str
    agreement: Proportion
    top1: TopK
    top5: TopK | NotMeasured


def measure_accuracy(
    float_logits: Logits, quantized_logits: Logits, labels: NDArray[np.int64], source: str
) -> Accuracy:
    """Score logits `[N, classes]` of both networks against labels `[N]`.

    Raises:
        InputError: the shapes do not belong together, or a label is not a class of the network.
    """
    if float_logits.shape != quantized_logits.shape or float_logits.ndim != 2 or labels.shape != float_logits.shape[:1]:
        raise InputError(
            f"cannot score {source}: float logits are {list(float_logits.shape)}, quantized logits "
            f"{list(quantized_logits.shape)}, labels {list(labels.shape)}; give one label an image and the same classes"
        )
    images, classes = float_logits.shape
    if images == 0:
        raise InputError(f"cannot score {source}: it holds no images; give at least one")
    if labels.min() < 0 or labels.max() >= classes:
        raise InputError(
            f"cannot score {source}: its labels run from {labels.min()} to {labels.max()}, the network has classes "
            f"0 to {classes - 1}; give labels of this network"
        )
    float_rank, quantized_rank = _rank(float_logits, labels), _rank(quantized_logits, labels)
    return Accuracy(
        images=images,
        source=source,
        agreement=proportion(int((float_logits.argmax(axis=1) == quantized_logits.argmax(axis=1)).sum()), images),
        top1=_top_k(float_rank < 1, quantized_rank < 1),
        top5=(
            _top_k(float_rank < 5, quantized_rank < 5)
            if classes > 5
            else NotMeasured(reason=f"with {classes} classes every answer is among the first five")
        ),
    )


def _rank(logits: Logits, labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """How many classes come before the right one; of equal logits the lower class comes first, NaN is never right."""
    own = np.take_along_axis(logits, labels[:, None], axis=1)
    ahead = (logits > own) | ((logits == own) & (np.arange(logits.shape[1]) < labels[:, None]))
    ranks: NDArray[np.int64] = np.where(np.isnan(logits).any(axis=1), logits.shape[1], ahead.sum(axis=1))
    return ranks


def _top_k(float_right: NDArray[np.bool_], quantized_right: NDArray[np.bool_]) -> TopK:
    total = len(float_right)
    only_float = int((float_right & ~quantized_right).sum())
    only_quantized = int((quantized_right & ~float_right).sum())
    low, high = paired_difference_interval(only_float, only_quantized, total)
    return TopK(
        float_network=proportion(int(float_right.sum()), total),
        quantized=proportion(int(quantized_right.sum()), total),
        only_float_right=only_float,
        only_quantized_right=only_quantized,
        drop_pp=100.0 * (only_float - only_quantized) / total,
        drop_low_pp=100.0 * low,
        drop_high_pp=100.0 * high,
    )
