"""A ViT, a ConvNeXt and a MobileViT for CIFAR-10, trained in less than ten minutes of one thread each.

    GDFQ_EXPORT_DATA=FOLDER python -m bench.attention.training FOLDER [NAME ...]

They follow the outputs of `cifar10_resnet20` (distillation, Hinton et al., arXiv 1503.02531) on moved, mirrored and
mixed training images, and on images of other classes. FOLDER then has NAME.onnx, with the preprocessing beside it.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import click
import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from bench.attention.convnext import ConvNeXt
from bench.attention.mobilevit import MobileViT
from bench.attention.vit import ViT
from gdfq_export.frontend.sources.module_export import export_module
from gdfq_export.runtimes.onnxruntime import OnnxRuntime

TRAINED: dict[str, Callable[[], nn.Module]] = {
    "vit": lambda: ViT(side=32, patch=4, width=96, depth=4, heads=3),
    "convnext": lambda: ConvNeXt(patch=2, widths=(32, 64, 128), depths=(1, 2, 1)),
    "mobilevit": lambda: MobileViT(channels=(16, 24, 48, 64), widths=(72, 96), depths=(2, 2)),
}
SIDE = 32
_VIEWS = {"cifar10_train_5000": 12, "cifar100_mixed_dev": 4}
"""How often each image is in the pool."""
_MOVED = 4  # pixels, at most
_STEPS = {"vit": 2000, "convnext": 2800, "mobilevit": 2000}
_BATCH = 128
_LEARNING_RATE, _DECAY = 2e-3, 0.05
_TEMPERATURE = 2.0


def views(images: NDArray[np.uint8], count: int, random: np.random.Generator) -> NDArray[np.uint8]:
    """Each image [N, 32, 32, 3] `count` times, moved and mirrored; every second is mixed with another (Mixup)."""
    made = []
    for _ in range(count):
        padded = np.pad(images, ((0, 0), (_MOVED, _MOVED), (_MOVED, _MOVED), (0, 0)), mode="reflect")
        down, right = random.integers(0, 2 * _MOVED + 1, (2, len(images)))
        rows, columns = down[:, None] + np.arange(SIDE), right[:, None] + np.arange(SIDE)
        moved = padded[np.arange(len(images))[:, None, None], rows[:, :, None], columns[:, None, :]]
        moved = np.where(random.random((len(images), 1, 1, 1)) < 0.5, moved[:, :, ::-1], moved)
        share = np.where(random.random(len(images)) < 0.5, 0.0, random.beta(1.0, 1.0, len(images)) / 2)
        mixed = moved + share.reshape(-1, 1, 1, 1) * (moved[random.permutation(len(images))] - moved.astype(np.float32))
        made.append(mixed.astype(np.uint8))
    return np.concatenate(made)


def data_folder() -> Path:
    """The folder with the evaluation networks and images, which the environment names."""
    folder = os.environ.get("GDFQ_EXPORT_DATA")
    if not folder:
        raise click.UsageError("GDFQ_EXPORT_DATA is not set; name the folder with the evaluation networks and images")
    return Path(folder)


def teacher() -> Path:
    """The network whose answers are followed; its sidecar has the preprocessing of all of them."""
    return data_folder() / "models" / "cifar10_resnet20.onnx"


def pool() -> tuple[Tensor, Tensor]:
    """Images float32 [N, 3, 32, 32], normalised, and the teacher's logits [N, 10]."""
    data = data_folder()
    random = np.random.default_rng(0)
    found = [views(np.load(data / f"{name}.npz")["images"], count, random) for name, count in _VIEWS.items()]
    given = json.loads(teacher().with_suffix(".json").read_text())["preprocess"]
    images = np.concatenate(found).transpose(0, 3, 1, 2).astype(np.float32) / given["scale"]
    images -= np.float32(given["mean"]).reshape(1, 3, 1, 1)
    images /= np.float32(given["std"]).reshape(1, 3, 1, 1)
    logits = OnnxRuntime().load(teacher().read_bytes(), 1).run_all(images)[0]
    return torch.from_numpy(images), torch.from_numpy(logits)


def train(name: str, images: Tensor, logits: Tensor, *, steps: int | None = None) -> nn.Module:
    """Train a network of `TRAINED` on what the teacher answers, in bfloat16 where the CPU computes it."""
    steps = steps or _STEPS[name]
    torch.manual_seed(0)
    network = TRAINED[name]().train()
    flat = [parameter for parameter in network.parameters() if parameter.dim() < 2]
    groups = [
        {"params": [parameter for parameter in network.parameters() if parameter.dim() >= 2], "weight_decay": _DECAY},
        {"params": flat, "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, _LEARNING_RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, _LEARNING_RATE, total_steps=steps, pct_start=0.1)
    for _ in range(steps):
        chosen = torch.randint(len(images), (_BATCH,))
        batch = torch.where(torch.rand(_BATCH, 1, 1, 1) < 0.5, images[chosen], images[chosen].flip(3))
        with torch.autocast("cpu", torch.bfloat16):
            found = network(batch)
        wanted = functional.log_softmax(logits[chosen] / _TEMPERATURE, 1)
        answered = functional.log_softmax(found.float() / _TEMPERATURE, 1)
        optimizer.zero_grad()
        functional.kl_div(answered, wanted, reduction="batchmean", log_target=True).backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        schedule.step()
    return network.eval()


@click.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.argument("names", nargs=-1, type=click.Choice([*TRAINED]))
@click.option("--steps", type=click.IntRange(min=1), help="Training steps.  [default: as many as the network needs]")
def main(folder: Path, names: tuple[str, ...], steps: int | None) -> None:
    """Train the networks called NAMES (all by default) into FOLDER."""
    folder.mkdir(parents=True, exist_ok=True)
    started = time.process_time()
    images, logits = pool()
    click.echo(f"pool of {len(images)} images: {time.process_time() - started:.0f} s")
    for name in names or TRAINED:
        started = time.process_time()
        network = train(name, images, logits, steps=steps)
        onnx.save(export_module(network, (3, SIDE, SIDE), name), folder / f"{name}.onnx")
        shutil.copyfile(teacher().with_suffix(".json"), folder / f"{name}.json")
        click.echo(f"{name}: trained in {time.process_time() - started:.0f} s")


if __name__ == "__main__":
    main()
