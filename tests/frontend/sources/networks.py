"""Small networks for the tests of sources: as a torch module and as the ONNX file an exporter would write."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from torch import Tensor, nn

from tests import tiny_graph


class SmallNet(nn.Module):
    """[N, 3, 8, 8] -> [N, 5], with BatchNorm, a residual and a dropout."""

    def __init__(self, norm: bool = True, classes: int = 5) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv1 = nn.Conv2d(3, 4, 3, padding=1)
        self.conv2 = nn.Conv2d(4, 4, 3, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(4) if norm else nn.Identity()
        self.norm2 = nn.BatchNorm2d(4) if norm else nn.Identity()
        self.drop = nn.Dropout(0.5)
        self.head = nn.Linear(4, classes)
        for module in (self.norm1, self.norm2):
            if isinstance(module, nn.BatchNorm2d):
                nn.init.normal_(module.running_mean)
                nn.init.uniform_(module.running_var, 0.5, 2.0)

    def forward(self, x: Tensor) -> Tensor:
        y = torch.relu(self.norm1(self.conv1(x)))
        y = torch.relu(y + self.norm2(self.conv2(y)))
        return self.head(self.drop(y.mean((2, 3))))


class BatchOfTwo(nn.Module):
    """Refuses any batch but 2, so that torch cannot make it dynamic; with `mixed`, what it gives depends on both."""

    def __init__(self, *, mixed: bool) -> None:
        super().__init__()
        self.mixed = mixed

    def forward(self, x: Tensor) -> Tensor:
        logits = x.reshape(2, 3 * 8 * 8)[:, :5]
        return logits - torch.softmax(logits, dim=0) if self.mixed else logits


class Untraceable(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        raise RuntimeError("no such thing")


def make() -> nn.Module:
    return SmallNet()


def make_number() -> int:
    return 7


def make_with_argument(width: int) -> nn.Module:
    return SmallNet()


def broken() -> nn.Module:
    raise ValueError("weights are elsewhere")


NOT_CALLABLE = "text"


def classifier(**changes: Any) -> onnx.ModelProto:
    """Conv, BatchNormalization, Relu, pooling and Gemm on x [batch, 3, 8, 8]; `changes` go to the builder."""
    random = np.random.default_rng(0)
    arguments: dict[str, Any] = {
        "nodes": [
            ("Conv", ["x", "w"], ["c"], {"pads": [1, 1, 1, 1]}),
            ("BatchNormalization", ["c", "gamma", "beta", "mean", "var"], ["b"]),
            ("Relu", ["b"], ["r"]),
            ("GlobalAveragePool", ["r"], ["g"]),
            ("Flatten", ["g"], ["f"]),
            ("Gemm", ["f", "w2", "b2"], ["y"], {"transB": 1}),
        ],
        "inputs": {"x": ("batch", 3, 8, 8)},
        "outputs": ["y"],
        "initializers": {
            "w": random.normal(size=(4, 3, 3, 3)).astype(np.float32),
            "gamma": random.normal(size=4).astype(np.float32),
            "beta": random.normal(size=4).astype(np.float32),
            "mean": random.normal(size=4).astype(np.float32),
            "var": random.uniform(0.5, 2, 4).astype(np.float32),
            "w2": random.normal(size=(5, 4)).astype(np.float32),
            "b2": random.normal(size=5).astype(np.float32),
        },
        "opset": 17,
    }
    return tiny_graph.model(**{**arguments, **changes})


def saved(folder: Path, proto: onnx.ModelProto | None = None, sidecar: str | None = None) -> Path:
    path = folder / "net.onnx"
    onnx.save(classifier() if proto is None else proto, path)
    if sidecar is not None:
        path.with_suffix(".json").write_text(sidecar)
    return path


def weights(proto: onnx.ModelProto) -> dict[str, np.ndarray]:
    return {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in proto.graph.initializer}
