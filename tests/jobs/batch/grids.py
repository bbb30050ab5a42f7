"""A file of jobs on a network of a few weights, by a recipe that takes no time."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import yaml

from tests.tiny_graph import model

QUICK = {
    "name": "quick",
    "data": {"method": "noise"},
    "calibration": {"images": 8},
    "tuning": {"rounding": False, "bias_correction": "none"},
    "verify": {"agreement_images": 8, "parity_images": 8, "latency_seconds": 0},
}
MEASURED = ("seconds", "warnings")  # what differs between runs of one job


def write_grid(folder: Path, *, networks: int = 1, seeds: Sequence[int] = (0,), **more: Any) -> Path:
    """Write `jobs.yaml` with its networks and recipe, and give its path."""
    names = [f"net{number}.onnx" for number in range(networks)]
    for number, name in enumerate(names):
        write_network(folder / name, seed=number)
    (folder / "quick.yaml").write_text(yaml.safe_dump(QUICK), encoding="utf-8")
    grid = {"networks": names, "recipes": ["quick.yaml"], "seeds": [*seeds], "device": "cpu", **more}
    (folder / "jobs.yaml").write_text(yaml.safe_dump(grid), encoding="utf-8")
    return folder / "jobs.yaml"


def write_network(path: Path, *, seed: int = 0) -> None:
    """One convolution, pooling and three classes, with random weights."""
    random = np.random.default_rng(seed)
    proto = model(
        nodes=[
            ("Conv", ["x", "w"], ["y"], {"pads": [1, 1, 1, 1]}),
            ("Relu", ["y"], ["z"]),
            ("GlobalAveragePool", ["z"], ["p"]),
            ("Flatten", ["p"], ["f"]),
            ("Gemm", ["f", "v", "b"], ["scores"], {"transB": 1}),
        ],
        inputs={"x": ("batch", 1, 8, 8)},
        outputs=["scores"],
        initializers={
            "w": random.normal(size=(4, 1, 3, 3)).astype(np.float32),
            "v": random.normal(size=(3, 4)).astype(np.float32),
            "b": np.zeros(3, np.float32),
        },
    )
    onnx.save(proto, path)


def table(address: Path) -> list[dict[str, Any]]:
    """The rows of batch.json without what a clock measured."""
    rows = json.loads((address / "batch.json").read_text(encoding="utf-8"))["rows"]
    return [{name: value for name, value in row.items() if name not in MEASURED} for row in rows]
