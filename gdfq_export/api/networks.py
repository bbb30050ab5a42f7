"""Load a float network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from torch import nn

from gdfq_export.frontend.float_model import FloatModel
from gdfq_export.frontend.sources import load_model
from gdfq_export.tasks.outputs import DecodeFunction

Network = FloatModel | str | Path | nn.Module | None
"""What every function of the API takes as a network."""


def load(
    model: Network = None,
    *,
    scale: float | None = None,
    mean: float | Sequence[float] | None = None,
    std: float | Sequence[float] | None = None,
    input_shape: Sequence[int] | Mapping[str, Sequence[int]] | None = None,
    keep_batch: bool = False,
    task: str | None = None,
    decode: str | DecodeFunction | None = None,
) -> FloatModel:
    """Load a float network, ready to quantize.

    Args:
        model: path to `.onnx` or `.pt2`, `package.module:callable`, `pytorchcv:`, `timm:` or `torchvision:` and a name,
            a torch module, or None for the embedded demo.
        scale: pixels 0..255 are divided by it; 255 unless stated here or in the sidecar `NAME.json`.
        mean: subtracted after scaling, one number or one per channel.
        std: divides after that, one number or one per channel.
        input_shape: of one image or other input, (C, H, W), needed where the network does not say it; of several inputs
            by name.
        keep_batch: a file with a fixed batch is quantized to a file with that batch, not to one of any batch.
        decode: of a detector: a function, or `package.module:function`, of outputs (a list of arrays [1, ...]) and
            image size (height, width) that returns boxes [M, 4] (left, top, right, bottom), scores and classes [M].
        task: what the outputs mean, `classify`, `regress`, ...; None: as the sidecar says, else found from the graph.

    Returns:
        The network in every form that quantization needs; one that is loaded already comes back as it is.

    Raises:
        InputError: `model` cannot be used; the message says why and what to do.

    Example:
        >>> import gdfq_export as gq
        >>> gq.load().input_spec.shape
        (1, 8, 8)
    """
    if isinstance(model, FloatModel):
        return model
    return load_model(
        model, scale=scale, mean=mean, std=std, input_shape=input_shape, keep_batch=keep_batch, task=task, decode=decode
    )
