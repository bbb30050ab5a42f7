"""The shipped weights are the trained network: they read digits they have never seen."""

from __future__ import annotations

import importlib.resources

import pytest
import torch
from torch import nn

from gdfq_export.frontend.demo import held_out_digits, load_demo


def test_it_reads_held_out_digits() -> None:
    pytest.importorskip("sklearn", reason="the demo extra is not installed")
    network, spec, classes = load_demo()
    images, labels = held_out_digits()
    with torch.no_grad():
        logits = network(torch.from_numpy(spec.normalize(images)))
    assert logits.shape == (len(labels), classes)
    assert (logits.argmax(1).numpy() == labels).mean() >= 0.99


def test_it_is_small_and_holds_what_the_line_must_cope_with() -> None:
    network, spec, _ = load_demo()
    weights = sum(parameter.numel() for parameter in network.parameters())
    convolutions = [module for module in network.modules() if isinstance(module, nn.Conv2d)]
    assert 50_000 <= weights <= 120_000
    assert spec.shape == (1, 8, 8)
    assert spec.low == (0.0,)
    assert spec.high == (1.0,)
    assert any(module.stride == (2, 2) and module.kernel_size == (1, 1) for module in convolutions)
    assert sum(isinstance(module, nn.BatchNorm2d) for module in network.modules()) == len(convolutions)
    assert not network.training


def test_the_weights_are_well_under_a_megabyte() -> None:
    weights = importlib.resources.files("gdfq_export.frontend.demo") / "demo.safetensors"
    assert len(weights.read_bytes()) < 500_000
