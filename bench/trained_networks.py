"""Two small networks, trained from scratch on drawn shapes and quantized without data: a detector and an embedding.

    python -m bench.trained_networks          # a few minutes on one core
    python -m bench.trained_networks --quick  # less training, fewer images

The detector has non-maximum suppression in its graph and is scored by mAP@[.5:.95] on labelled images; the embedding by
the cosine of its float and its quantized vectors.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn
from torch.nn import functional

import gdfq_export as gq
from bench.drawn_shapes import KINDS, SIDE, Drawn, draw_scenes, draw_single
from bench.results_file import write_results
from gdfq_export.frontend.sources.module_export import export_module
from gdfq_export.runtimes.onnxruntime import OnnxRuntime
from gdfq_export.tasks.detection.average_precision import with_interval
from gdfq_export.tasks.detection.decoders.final_boxes import BoxTable
from gdfq_export.tasks.detection.matching import Matches, match

CLASSES = 3

Network = TypeVar("Network", bound=nn.Module)

_STRIDE = 8
_CELLS = (SIDE // _STRIDE) ** 2
_ROWS = 20  # of the detector's table
_OVERLAPS = np.arange(0.5, 1.0, 0.05)


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """How long is trained, and on how many images is scored."""

    steps: int = 1500
    batch: int = 32
    scored: int = 500


QUICK = Effort(steps=400, scored=200)


def block(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    """A depthwise separable convolution with BatchNorm and ReLU."""
    return nn.Sequential(
        nn.Conv2d(inputs, inputs, 3, stride, 1, groups=inputs, bias=False),
        nn.BatchNorm2d(inputs),
        nn.ReLU(),
        nn.Conv2d(inputs, outputs, 1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(),
    )


def backbone() -> nn.Sequential:
    """From [N, 3, 64, 64] to [N, 64, 8, 8]."""
    stem = nn.Sequential(nn.Conv2d(3, 16, 3, 2, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU())
    return nn.Sequential(stem, block(16, 32, 2), block(32, 48), block(48, 64, 2), block(64, 64), block(64, 64))


class Detector(nn.Module):
    """One box for each cell: boxes [N, cells, 4] in pixels and scores [N, classes, cells]."""

    def __init__(self) -> None:
        super().__init__()
        self.features = backbone()
        self.sides, self.scores = nn.Conv2d(64, 4, 1), nn.Conv2d(64, CLASSES, 1)
        rows, columns = torch.meshgrid(*[torch.arange(SIDE // _STRIDE)] * 2, indexing="ij")
        self.register_buffer("centres", (torch.stack([columns, rows], -1).reshape(1, -1, 2) + 0.5) * _STRIDE)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Distances to the four sides are exponentials, in strides."""
        features = self.features(image)
        sides = self.sides(features).flatten(2).transpose(1, 2).exp() * _STRIDE
        corners = torch.cat([self.centres - sides[..., :2], self.centres + sides[..., 2:]], -1)
        return corners, self.scores(features).flatten(2).sigmoid()


class Embedding(nn.Module):
    """Vectors [N, 32] of length 1."""

    def __init__(self) -> None:
        super().__init__()
        self.features = backbone()
        self.project = nn.Linear(64, 32)

    def forward(self, image: Tensor) -> Tensor:
        """The mean over the map, projected."""
        return functional.normalize(self.project(self.features(image).mean((2, 3))), dim=1)


def train_detector(effort: Effort) -> Detector:
    """Trained on drawn scenes: cross-entropy of the scores, absolute error of the corners in cells with an object."""
    torch.manual_seed(0)
    network = Detector()

    def loss(batch: int, step: int) -> Tensor:
        scenes = draw_scenes(batch, 1_000_000 + step, kinds=CLASSES)
        corners, scores = network(torch.from_numpy(scenes.images))
        wanted, boxes, where = torch.zeros_like(scores), torch.zeros_like(corners), torch.zeros_like(corners[..., 0])
        for index, objects in enumerate(scenes.objects):
            for box, label in zip(objects.boxes, objects.classes, strict=True):
                column, row = ((box[:2] + box[2:]) / 2 // _STRIDE).astype(int).clip(0, SIDE // _STRIDE - 1)
                cell = row * (SIDE // _STRIDE) + column
                wanted[index, label, cell], where[index, cell] = 1.0, 1.0
                boxes[index, cell] = torch.from_numpy(box)
        objectness = functional.binary_cross_entropy(scores, wanted, reduction="sum") / batch
        return objectness + ((corners - boxes).abs().mean(-1) * where).sum() / where.sum() / 2

    return _trained(network, loss, effort)


def train_embedding(effort: Effort) -> Embedding:
    """Trained to be near the vector of its kind: scaled cosines as logits (NormFace, Wang et al., arXiv 1704.06369)."""
    torch.manual_seed(0)
    network, kinds = Embedding(), nn.Linear(32, len(KINDS), bias=False)

    def loss(batch: int, step: int) -> Tensor:
        images, labels = draw_single(batch, 2_000_000 + step)
        cosines = network(torch.from_numpy(images)) @ functional.normalize(kinds.weight, dim=1).T
        return functional.cross_entropy(16 * cosines, torch.from_numpy(labels))

    return _trained(network, loss, effort, kinds)


def _trained(network: Network, loss: Callable[[int, int], Tensor], effort: Effort, *others: nn.Module) -> Network:
    parameters = [parameter for module in (network, *others) for parameter in module.parameters()]
    optimizer = torch.optim.Adam(parameters, 3e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 6e-3, total_steps=effort.steps)
    network.train()
    for step in range(effort.steps):
        optimizer.zero_grad()
        loss(effort.batch, step).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
    return network.eval()


def with_suppression(proto: onnx.ModelProto) -> onnx.ModelProto:
    """The detector's graph with NonMaxSuppression behind it, and a table [N, 20, 6] as its only output."""
    boxes, scores = (output.name for output in proto.graph.output)
    numbers = {
        "most": np.int64([_ROWS]),
        "overlap": np.float32([0.6]),
        "least": np.float32([0.01]),
        "none": np.float32(0),
        "flat": np.int64([0, -1]),
        "rows": np.int64([_ROWS]),
        "cells": np.int64(_CELLS),
        "last": np.int64([-1]),
        "four": np.int64([1, 1, 4]),
        "first": np.int64([0]),
        "one": np.int64([1]),
    }
    nodes = [
        ("NonMaxSuppression", [boxes, scores, "most", "overlap", "least"], ["chosen"], {}),
        ("Shape", ["chosen"], ["shape"], {}),
        ("Slice", ["shape", "first", "one"], ["count"], {}),
        ("ConstantOfShape", ["count"], ["ones"], {"value": numpy_helper.from_array(np.float32([1]))}),
        ("Mul", [scores, "none"], ["zeros"], {}),
        ("ScatterND", ["zeros", "chosen", "ones"], ["kept"], {}),
        ("Mul", [scores, "kept"], ["suppressed"], {}),
        ("Reshape", ["suppressed", "flat"], ["flattened"], {}),
        ("TopK", ["flattened", "rows"], ["best", "places"], {"axis": -1}),
        ("Div", ["places", "cells"], ["labels"], {}),
        ("Mod", ["places", "cells"], ["places_of_boxes"], {}),
        ("Unsqueeze", ["places_of_boxes", "last"], ["place_column"], {}),
        ("Expand", ["place_column", "four"], ["corner_places"], {}),
        ("GatherElements", [boxes, "corner_places"], ["corners"], {"axis": 1}),
        ("Unsqueeze", ["best", "last"], ["score_column"], {}),
        ("Cast", ["labels"], ["label_numbers"], {"to": TensorProto.FLOAT}),
        ("Unsqueeze", ["label_numbers", "last"], ["label_column"], {}),
        ("Concat", ["corners", "score_column", "label_column"], ["detections"], {"axis": 2}),
    ]
    result = onnx.ModelProto()
    result.CopyFrom(proto)
    result.graph.initializer.extend(numpy_helper.from_array(array, name) for name, array in numbers.items())
    result.graph.node.extend(helper.make_node(op, read, made, name=made[0], **given) for op, read, made, given in nodes)
    del result.graph.output[:], result.graph.value_info[:]
    table = helper.make_tensor_value_info("detections", TensorProto.FLOAT, ["batch", _ROWS, 6])
    result.graph.output.append(table)
    onnx.checker.check_model(result)
    return result


def quantized(proto: onnx.ModelProto, folder: Path, name: str, *, target: str = "ort-cpu") -> tuple[bytes, gq.Result]:
    """The quantized file and what was measured on the way; parity is exact, or it is no result."""
    path = folder / f"{name}.onnx"
    onnx.save(proto, path)
    path.with_suffix(".json").write_text(
        json.dumps({"input": [3, SIDE, SIDE], "preprocess": {"scale": 255.0, "mean": [0.0] * 3, "std": [1.0] * 3}})
    )
    result = gq.quantize(path, "w8a8-ort-cpu", target=target, gates={"require-parity": True})
    file = folder / f"{name}_{target}.onnx"
    result.save(file)
    return file.read_bytes(), result


def matches_of(file: bytes, scenes: Drawn) -> list[Matches]:
    """Matches of every class and every overlap from 0.50 to 0.95."""
    found = BoxTable()(OnnxRuntime().load(file, 1).run_all(scenes.images))
    return [
        matches for overlap in _OVERLAPS for matches in match(found, scenes.objects, threshold=float(overlap)).values()
    ]


def detector_row(effort: Effort, folder: Path) -> dict[str, float]:
    """mAP of the float and the quantized detector on new scenes, and the drop in percentage points."""
    network = train_detector(effort)
    proto = with_suppression(export_module(network, (3, SIDE, SIDE), "detector"))
    file, _ = quantized(proto, folder, "detector")
    scenes = draw_scenes(effort.scored, 1, kinds=CLASSES)
    both = [matches_of(each, scenes) for each in (proto.SerializeToString(), file)]
    values = [with_interval(each) for each in both]
    drop = with_interval(both[0], minus=both[1])
    return {
        "images": effort.scored,
        "float_map": values[0].value,
        "quantized_map": values[1].value,
        "drop_pp": 100 * drop.value,
        "drop_low_pp": 100 * drop.low,
        "drop_high_pp": 100 * drop.high,
    }


def embedding_row(effort: Effort, folder: Path) -> dict[str, float]:
    """Cosine of float and quantized vectors, mean and least, and how often the nearest other image is the same."""
    network = train_embedding(effort)
    proto = export_module(network, (3, SIDE, SIDE), "embedding")
    file, _ = quantized(proto, folder, "embedding")
    images, kinds = draw_single(effort.scored, 2)
    both = [OnnxRuntime().load(each, 1).run_all(images)[0] for each in (proto.SerializeToString(), file)]
    cosines = (both[0] * both[1]).sum(1) / np.linalg.norm(both[0], axis=1) / np.linalg.norm(both[1], axis=1)
    nearest = [(each @ each.T - 2 * np.eye(len(each))).argmax(1) for each in both]
    return {
        "images": effort.scored,
        "cosine": float(cosines.mean()),
        "least_cosine": float(cosines.min()),
        "same_kind_float": float((kinds[nearest[0]] == kinds).mean()),
        "same_kind_quantized": float((kinds[nearest[1]] == kinds).mean()),
    }


def rows(effort: Effort) -> Iterator[tuple[str, dict[str, float]]]:
    """Both networks, one after the other."""
    with TemporaryDirectory() as folder:
        yield "detector", detector_row(effort, Path(folder))
        yield "embedding", embedding_row(effort, Path(folder))


def main() -> None:
    """Train, quantize, score, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="less training, fewer images; writes no results")
    quick = parser.parse_args().quick
    found = {}
    for name, row in rows(QUICK if quick else Effort()):
        print(name, ", ".join(f"{key} {value:.4g}" for key, value in row.items()), flush=True)
        found[name] = row
    if not quick:
        write_results("trained_networks", {"networks": found})


if __name__ == "__main__":
    main()
