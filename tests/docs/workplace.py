"""The folder that a reader of the pages stands in: every file that a page speaks of without making it."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import shutil
from pathlib import Path

import numpy as np
import torch
from click.testing import CliRunner
from onnxruntime.quantization import quantize_static
from PIL import Image

from calib.synthetic_set import SyntheticSet
from gdfq_export.cli.main import cli
from gdfq_export.frontend.sources import load_model
from gdfq_export.recipe import load_recipe
from gdfq_export.runtimes.tensorrt import build_engine
from tests.docs.pages import ROOT
from tests.docs.shell import ENGINE
from tests.docs.shortened import shortened
from tests.docs.stand_in import MEAN, SIDECAR, STD, StandIn, labelled_digits
from tests.jobs.runs import synthesize

__all__ = ["make_workplace"]

_MODULE = "from tests.docs.stand_in import StandIn as network\n"
_CLASSES, _PHOTOGRAPHS = ("n01440764", "n01443537", "n01484850"), 2


def make_workplace(folder: Path) -> None:
    """Write what pages take for granted: a network in every form, its images, a file of another quantizer, a recipe."""
    network = StandIn()
    model = load_model(network, input_shape=(3, 32, 32), scale=255.0, mean=MEAN, std=STD)
    (folder / "net.onnx").write_bytes(model.original.SerializeToString())
    (folder / "net.json").write_text(json.dumps(SIDECAR))
    torch.export.save(torch.export.export(network, (torch.zeros(2, 3, 32, 32),)), folder / "net.pt2")
    (folder / "package").mkdir()
    (folder / "package" / "module.py").write_text(_MODULE)
    images, labels = labelled_digits()
    np.savez(folder / "images.npz", images=images, labels=labels)
    noise = synthesize(model, load_recipe("paper/noise"), count=64)
    noise.save(folder / "calib.npz")
    quantize_static(folder / "net.onnx", folder / "other.onnx", SyntheticSet.load(folder / "calib.npz"))
    shutil.copy(ROOT / "examples" / "recipe.yaml", folder)
    for name in ("examples", "scripts"):
        shutil.copytree(ROOT / name, folder / name)
    for name in ("Makefile", "Dockerfile", "constraints.txt", "pyproject.toml"):
        shutil.copy(ROOT / name, folder)
    _evaluation_data(folder)
    _photographs(folder / "ILSVRC2012" / "val")
    _quantized(folder)
    if importlib.util.find_spec("tensorrt_rtx") is not None:
        (folder / ENGINE).write_bytes(build_engine(folder / "net.onnx", batches=(1, 1, 1)).data)


def _quantized(folder: Path) -> None:
    """q.onnx and bundle/, which some pages take from others."""
    words = shortened(["quantize", "net.onnx", "--onnx-out", "q.onnx", "--bundle", "bundle"], folder)
    with contextlib.chdir(folder):
        result = CliRunner().invoke(cli, words)
    assert result.exit_code == 0, result.output


def _evaluation_data(folder: Path) -> None:
    """FOLDER of docs/accuracy.md, under its names."""
    models = folder / "FOLDER" / "models"
    models.mkdir(parents=True)
    for suffix in (".onnx", ".json"):
        shutil.copy(folder / f"net{suffix}", models / f"cifar10_resnet20{suffix}")
    for name in ("cifar10_test_dev.npz", "cifar10_train_5000.npz"):
        shutil.copy(folder / "images.npz", models.parent / name)


def _photographs(folder: Path) -> None:
    rng = np.random.default_rng(0)
    for name in _CLASSES:
        (folder / name).mkdir(parents=True)
        for index in range(_PHOTOGRAPHS):
            pixels = rng.integers(0, 256, (260, 280, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{name}_{index}.png")
