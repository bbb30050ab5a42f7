"""The networks people deploy, at 224 x 224, with weights that were drawn and BatchNorm statistics that fit them.

Their graphs are what placement and runtimes have to cope with; their answers mean nothing. Gains and offsets of
BatchNorm are drawn too, and its statistics are those of the network's own activations, layer by layer, so that
activations neither die nor explode.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor, nn

from gdfq_export.frontend.float_model import FloatModel
from gdfq_export.frontend.sources import load_model

__all__ = ["USUAL_NETWORKS", "drawn_network", "load_drawn"]

_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_IMAGES = 8

USUAL_NETWORKS = {
    "ResNet-18": "resnet18",
    "ResNet-50": "resnet50",
    "MobileNetV2": "mobilenetv2_w1",
    "ShuffleNet": "shufflenet_g1_w1",
    "ShuffleNet, 3 groups": "shufflenet_g3_w1",
    "MobileNetV1": "mobilenet_w1",
    "MobileNetV3 small": "mobilenetv3_small_w1",
    "MobileNetV3 large": "mobilenetv3_large_w1",
    "EfficientNet-B0": "efficientnet_b0",
    "ShuffleNetV2": "shufflenetv2_w1",
    "SqueezeNet 1.1": "squeezenet_v1_1",
    "DenseNet-121": "densenet121",
    "BN-Inception": "bninception",
    "RegNetX-200MF": "regnetx002",
    "VGG-16-BN": "bn_vgg16",
}
"""What a reader calls them, and their names in pytorchcv."""


def drawn_network(name: str, *, seed: int = 0, side: int = 224) -> nn.Module:
    """A network of pytorchcv in evaluation mode."""
    from pytorchcv.model_provider import get_model

    torch.manual_seed(seed)
    with _aliases_of_old_numpy():
        module = get_model(name, pretrained=False, in_size=(side, side))
    for layer in module.modules():
        if isinstance(layer, nn.BatchNorm2d):
            nn.init.uniform_(layer.weight, 0.5, 1.5)
            nn.init.normal_(layer.bias, 0.0, 0.3)
            layer.momentum = None  # the mean over all batches
    with torch.no_grad():
        module.train()
        for layer in module.modules():
            if isinstance(layer, nn.Dropout):
                layer.eval()
        module(_images(side))
    return module.eval()


@contextmanager
def _aliases_of_old_numpy() -> Iterator[None]:
    """pytorchcv 0.0.67 makes RegNet with `np.int`, which NumPy 1.24 took away."""
    np.int = int
    try:
        yield
    finally:
        del np.int


def load_drawn(name: str, *, seed: int = 0, side: int = 224) -> FloatModel:
    """The same as `FloatModel`."""
    return load_model(drawn_network(name, seed=seed, side=side), mean=_MEAN, std=_STD, input_shape=(3, side, side))


def _images(side: int) -> Tensor:
    """Noise of several sizes of grain, normalised as images are."""
    grains = [torch.randn(_IMAGES, 3, max(side // size, 1), max(side // size, 1)) for size in (1, 4, 16, 64)]
    grown = [nn.functional.interpolate(grain, size=(side, side), mode="bilinear") for grain in grains]
    return torch.stack(grown).sum(0).clamp(-2.1, 2.6)
