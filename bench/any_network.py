"""Networks of pytorchcv, a family each, as `torch.onnx.export` writes them: what is taken, and what stays float.

    python -m bench.any_network [NAME ...] [--exporter dynamo|torchscript]

Weights are random: this is about graphs. Each network is exported with default arguments, loaded
and planned for ONNX Runtime at 8 bits; with `--check`, a draft is written and compared with its simulation too.
"""

from __future__ import annotations

import json
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import click
import torch
from torch import nn

from bench.results_file import FOLDER, write_results
from gdfq_export.errors import GdfqExportError
from gdfq_export.frontend.sources.load import load_model
from gdfq_export.jobs.draft_model import draft_of
from gdfq_export.metrics.parity import parity
from gdfq_export.planning.placement import plan_of
from gdfq_export.recipe import Bits
from gdfq_export.targets.operator_traits import LAYERS

RESULTS = FOLDER / "any_network.json"
SMALLER = {"dabnet_cityscapes": (128, 256), "lwopenpose2d_mobilenet_cmupan_coco": (128, 128)}
"""Sizes of images that keep a run short, for fully convolutional networks."""
EXPORTERS = {"dynamo": True, "torchscript": False}
NETWORKS = (
    "resnet20_cifar10",
    "preresnet20_cifar10",
    "seresnet20_cifar10",
    "densenet40_k12_cifar10",
    "diaresnet20_cifar10",
    "nin_cifar10",
    "squeezenet_v1_1",
    "squeezeresnet_v1_1",
    "mobilenet_wd4",
    "mobilenetv2_wd4",
    "mobilenetv3_small_w1",
    "shufflenet_g1_wd4",
    "shufflenetv2_wd2",
    "menet108_8x1_g3",
    "igcv3_wd4",
    "mnasnet_small",
    "proxylessnas_cpu",
    "fbnet_cb",
    "efficientnet_b0",
    "ghostnet",
    "darknet_tiny",
    "peleenet",
    "dla46c",
    "hardnet39ds",
    "vovnet27s",
    "bagnet9",
    "resnestabc14",
    "cbam_resnet18",
    "bam_resnet18",
    "ibn_resnet50",
    "mixnet_s",
    "dabnet_cityscapes",
    "lwopenpose2d_mobilenet_cmupan_coco",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class AnyNetwork:
    """One network as one exporter writes it.

    Attributes:
        name: in pytorchcv.
        exporter: a key of `EXPORTERS`.
        size: of an image, `[C, H, W]`.
        refused: the message, None where the network is taken.
        layers: convolutions and matrix products.
        integer_layers: those of them with an integer kernel.
        float_layers: how many of the others have which reason.
        float_operators: other nodes that stay float and are no part of a kernel, by operator.
        exact: whether ONNX Runtime computes the simulated integers; None where that was not asked.
        seconds: of loading and planning.
    """

    name: str
    exporter: str
    size: tuple[int, ...]
    refused: str | None = None
    layers: int = 0
    integer_layers: int = 0
    float_layers: dict[str, int] = field(default_factory=dict)
    float_operators: dict[str, int] = field(default_factory=dict)
    exact: bool | None = None
    seconds: float = 0.0


def measure(name: str, exporter: str, folder: Path, *, check: bool = False) -> AnyNetwork:
    """Export, load and plan one network."""
    network, size = _network(name)
    path = folder / f"{name}_{exporter}.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(network, (torch.rand(1, *size),), str(path), dynamo=EXPORTERS[exporter], verbose=False)
    started = time.perf_counter()
    facts: dict[str, Any] = {"name": name, "exporter": exporter, "size": size}
    try:
        model = load_model(path)
        plan = plan_of(model, "ort-cpu", Bits())
    except GdfqExportError as error:
        return AnyNetwork(**facts, refused=str(error))
    seconds = time.perf_counter() - started
    nodes = [node for node in plan.nodes if node.node not in plan.absorbed]
    layers = [node for node in nodes if node.op_type in LAYERS]
    floats = [node for node in nodes if node.kernel is None]
    exact = None
    if check:
        images = torch.rand(2, *size, generator=torch.Generator().manual_seed(0))
        draft = draft_of(model, plan, images, {"target": "ort-cpu"})
        exact = parity(draft.file, draft.exact.run, images.numpy(), 2).exact
    return AnyNetwork(
        **facts,
        layers=len(layers),
        integer_layers=sum(node.kernel is not None for node in layers),
        float_layers=dict(Counter(f"{node.op_type}: {node.reason}" for node in floats if node.op_type in LAYERS)),
        float_operators=dict(Counter(node.op_type for node in floats if node.op_type not in LAYERS)),
        exact=exact,
        seconds=round(seconds, 1),
    )


def _network(name: str) -> tuple[nn.Module, tuple[int, int, int]]:
    from pytorchcv.model_provider import get_model

    torch.manual_seed(0)
    stated = {"in_size": SMALLER[name]} if name in SMALLER else {}
    network = get_model(name, pretrained=False, **stated).eval()
    height, width = getattr(network, "in_size", (224, 224))
    return network, (getattr(network, "in_channels", 3), height, width)


def row(found: AnyNetwork) -> str:
    """One line for people."""
    if found.refused is not None:
        return f"{found.name:36} {found.exporter:12} refused: {found.refused}"
    floats = ", ".join(f"{count} {what}" for what, count in (found.float_layers | found.float_operators).items())
    exact = {None: "", True: " exact", False: " NOT EXACT"}[found.exact]
    return (
        f"{found.name:36} {found.exporter:12} {found.integer_layers:4} of {found.layers:4} layers{exact} "
        f"{found.seconds:5.1f} s  {floats}"
    )


def _earlier() -> Iterator[AnyNetwork]:
    if RESULTS.is_file():
        for entry in json.loads(RESULTS.read_text())["networks"]:
            yield AnyNetwork(**{**entry, "size": tuple(entry["size"])})


@click.command()
@click.argument("names", nargs=-1)
@click.option("--exporter", type=click.Choice([*EXPORTERS]), help="One of the two; both by default.")
@click.option("--check", is_flag=True, help="Also write a draft and compare it with its simulation.")
def main(names: tuple[str, ...], exporter: str | None, check: bool) -> None:
    """Run the networks called NAMES (all by default) and enter their results."""
    results = {(found.name, found.exporter): found for found in _earlier()}
    with tempfile.TemporaryDirectory() as folder:
        for name in names or NETWORKS:
            for each in [exporter] if exporter else EXPORTERS:
                found = measure(name, each, Path(folder), check=check)
                click.echo(row(found))
                results[name, each] = found
                write_results("any_network", {"networks": [asdict(entry) for entry in results.values()]})


if __name__ == "__main__":
    main()
