from __future__ import annotations

import sys
import types
from typing import Any

import pytest
from torch import nn

from gdfq_export.frontend.sources import load_model
from tests.frontend.sources.networks import SmallNet


def _install(monkeypatch: pytest.MonkeyPatch, name: str, **members: Any) -> None:
    module = types.ModuleType(name)
    for key, value in members.items():
        setattr(module, key, value)
    monkeypatch.setitem(sys.modules, name, module)


def _net(**facts: Any) -> nn.Module:
    network = SmallNet()
    for key, value in facts.items():
        setattr(network, key, value)
    return network


def test_pytorchcv(monkeypatch: pytest.MonkeyPatch) -> None:
    _install(monkeypatch, "pytorchcv")
    _install(
        monkeypatch,
        "pytorchcv.model_provider",
        get_model=lambda name, pretrained: _net(in_size=(8, 8), in_channels=3),
    )
    model = load_model("pytorchcv:resnet18")
    assert (model.name, model.input_spec.shape, model.input_spec.mean[0]) == ("resnet18", (3, 8, 8), 0.485)
    assert model.warnings == ()
    assert "scale 255" in load_model("pytorchcv:resnet20_cifar10").warnings[0]


def test_timm(monkeypatch: pytest.MonkeyPatch) -> None:
    facts = {"mean": (0.5, 0.5, 0.5), "std": (0.25, 0.25, 0.25), "input_size": (3, 8, 8)}
    _install(monkeypatch, "timm", create_model=lambda name, pretrained: _net(pretrained_cfg=facts))
    model = load_model("timm:resnet18")
    assert (model.input_spec.shape, model.input_spec.std) == ((3, 8, 8), (0.25, 0.25, 0.25))


def test_torchvision(monkeypatch: pytest.MonkeyPatch) -> None:
    default = types.SimpleNamespace(transforms=lambda: types.SimpleNamespace(crop_size=[8]))
    _install(monkeypatch, "torchvision")
    _install(
        monkeypatch,
        "torchvision.models",
        get_model=lambda name, weights: _net(),
        get_model_weights=lambda name: types.SimpleNamespace(DEFAULT=default),
    )
    model = load_model("torchvision:resnet18")
    assert (model.input_spec.shape, model.input_spec.mean[0]) == ((3, 8, 8), 0.485)
