"""Trained networks by name from pytorchcv, timm and torchvision, none of which is imported before it is asked for."""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable
from importlib import metadata
from types import ModuleType

from torch import nn

from gdfq_export.errors import InputError
from gdfq_export.frontend.sources.preprocessing import Stated

_IMAGENET_MEAN = (0.485, 0.456, 0.406)
_IMAGENET_STD = (0.229, 0.224, 0.225)
_OTHER_DATASETS = ("cifar", "svhn", "cub", "voc", "coco", "cityscapes", "ade20k", "celeba")


def _from_pytorchcv(name: str) -> tuple[nn.Module, Stated]:
    provider = _import("pytorchcv", "pytorchcv.model_provider")
    module = _fetch(f"pytorchcv:{name}", lambda: provider.get_model(name, pretrained=True))
    size = getattr(module, "in_size", None)
    shape = None if size is None else (int(getattr(module, "in_channels", 3)), int(size[0]), int(size[1]))
    if any(dataset in name for dataset in _OTHER_DATASETS):
        return module, Stated(origin="pytorchcv", input_shape=shape)
    return module, _imagenet("pytorchcv", shape)


def _from_timm(name: str) -> tuple[nn.Module, Stated]:
    timm = _import("timm", "timm")
    module = _fetch(f"timm:{name}", lambda: timm.create_model(name, pretrained=True))
    facts = getattr(module, "pretrained_cfg", None) or {}
    stated = Stated.of(
        scale=255.0,
        mean=facts.get("mean", _IMAGENET_MEAN),
        std=facts.get("std", _IMAGENET_STD),
        input_shape=facts.get("input_size"),
        origin="timm",
    )
    return module, stated


def _from_torchvision(name: str) -> tuple[nn.Module, Stated]:
    models = _import("torchvision", "torchvision.models")
    module = _fetch(f"torchvision:{name}", lambda: models.get_model(name, weights="DEFAULT"))
    size = _torchvision_size(models, name)
    return module, _imagenet("torchvision", None if size is None else (3, size, size))


def _torchvision_size(models: ModuleType, name: str) -> int | None:
    crop = getattr(models.get_model_weights(name).DEFAULT.transforms(), "crop_size", None)
    return None if not crop else int(crop[0])


ZOOS: dict[str, Callable[[str], tuple[nn.Module, Stated]]] = {
    "pytorchcv": _from_pytorchcv,
    "timm": _from_timm,
    "torchvision": _from_torchvision,
}


def _imagenet(origin: str, shape: tuple[int, int, int] | None) -> Stated:
    return Stated(origin=origin, input_shape=shape, scale=255.0, mean=_IMAGENET_MEAN, std=_IMAGENET_STD)


def _import(zoo: str, module: str) -> ModuleType:
    try:
        return importlib.import_module(module)
    except Exception as error:  # a broken installation raises more than ImportError
        reason = " ".join(str(error).split())[:200]
        if isinstance(error, ModuleNotFoundError) and error.name == zoo:
            raise InputError(
                f"{zoo}: names need the package {zoo}, which is not installed; "
                "pip install --constraint constraints.txt 'gdfq-export[zoo]' installs it and keeps torch"
            ) from error
        raise InputError(
            f"{zoo}: names need the package {zoo}, which is installed and cannot be imported "
            f"({type(error).__name__}: {reason}); {_remedy()}"
        ) from error


def _remedy() -> str:
    """What to install, from the versions that are there."""
    torch, torchvision = _version("torch"), _version("torchvision")
    if torchvision is None:
        return f"torch is {torch}: repair or reinstall the package that the error names"
    needs = [line for line in metadata.requires("torchvision") or () if re.match(r"torch\b", line)]
    return (
        f"torchvision {torchvision} is installed, which requires {needs[0] if needs else 'one release of torch'}, with "
        f"torch {torch}: install a torchvision that is made for it, from the index that torch came from, for instance "
        "pip install --constraint constraints.txt --force-reinstall --no-deps torchvision"
    )


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _fetch(text: str, get: Callable[[], nn.Module]) -> nn.Module:
    try:
        return get()
    except Exception as error:  # unknown names, failed downloads and damaged caches, each zoo with its own types
        reason = " ".join(str(error).split())[:200]
        raise InputError(
            f"{text} cannot be loaded with its trained weights ({type(error).__name__}: {reason}); "
            "check the name and the connection to the internet, or give the network as a file"
        ) from error
