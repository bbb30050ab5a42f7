"""One script of the cases: write its network, quantize it, and compare the outputs with `quantize_static`'s file.

A script is called as `python NAME.py OUT.onnx`. Those named `q_*` also write `OUT_q.onnx`, a file of another tool,
which is inspected and verified.
"""

from __future__ import annotations

import contextlib
import math
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import gdfq_export as gq

# isort: split
import click
import numpy as np
import onnx
import onnxruntime as ort
import torch
from click.testing import CliRunner
from numpy.typing import NDArray
from torch.nn.functional import interpolate

from bench.peers import static_recommended
from gdfq_export.cli.main import cli
from gdfq_export.recipe import DEFAULT_RECIPE, Recipe, load_recipe

Array = NDArray[np.float32]

EXACT_DB = 200.0
"""Signal to noise of an output without any error."""


@dataclass(kw_only=True)
class CaseResult:
    """What became of one script.

    Attributes:
        name: of the script.
        exit_code: of `quantize`: 0 for a file, else that of the error.
        message: of the error, or the file's warnings.
        ours: signal to noise in dB of each output of our file.
        static: the same of `quantize_static`'s, on the images ours was calibrated on.
        static_message: why there is no file of `quantize_static`.
        parity: whether the integers are exact; None where there is no file.
        layers: convolutions and products on integers, and in all.
        seconds: of `quantize`.
        foreign: exit code and message of `inspect` and `verify` of the other tool's file.
    """

    name: str
    exit_code: int = 0
    message: str = ""
    ours: dict[str, float] = field(default_factory=dict)
    static: dict[str, float] = field(default_factory=dict)
    static_message: str = ""
    parity: bool | None = None
    layers: tuple[int, int] | None = None
    seconds: float = 0.0
    foreign: dict[str, tuple[int, str]] = field(default_factory=dict)

    @property
    def behind(self) -> float:
        """By how many dB our worst output is behind `quantize_static`'s; at most 0 where none is."""
        return max((self.static[name] - self.ours[name] for name in self.static if name in self.ours), default=0.0)


def quick() -> Recipe:
    """The default recipe with few images and steps, and without timing; every step of its path is there."""
    full = load_recipe(DEFAULT_RECIPE)
    steps = {"generator": full.data.generator.model_copy(update={"steps": 40})}
    large = full.large_images.data
    few = {"images": 8, "refinement": large.refinement.model_copy(update={"steps": 5, "batch": 8})}
    measured = {"agreement_images": 32, "parity_images": 32, "latency_seconds": 0.0}
    return full.model_copy(
        update={
            "data": full.data.model_copy(update=steps),
            "calibration": full.calibration.model_copy(update={"images": 128}),
            "verify": full.verify.model_copy(update=measured),
            "large_images": full.large_images.model_copy(
                update={"data": large.model_copy(update=few), "calibration_images": 8, "agreement_images": 8}
            ),
        }
    )


def write_network(script: Path, out: Path) -> Path:
    """Run the script, unless it has written `out` before.

    Raises:
        click.ClickException: the script failed.
    """
    if not out.exists():
        done = subprocess.run([sys.executable, script, out], cwd=script.parent, capture_output=True, text=True)
        if done.returncode:
            raise click.ClickException(f"{script} failed: {done.stderr[-500:]}")
    return out


def with_unique_node_names(network: Path) -> Path:
    """`network`, or a copy without node names where two nodes share one, which ONNX Runtime does not load."""
    names = [node.name for node in onnx.load(network, load_external_data=False).graph.node if node.name]
    if len(names) == len(set(names)):
        return network
    model = onnx.load(network)
    for node in model.graph.node:
        node.name = ""
    copy = network.with_suffix(".unnamed.onnx")
    onnx.save(model, copy)
    return copy


def run_case(script: Path, folder: Path) -> CaseResult:
    """Write the script's network into `folder`, quantize it, compare."""
    network = write_network(script, folder / f"{script.stem}.onnx")
    result, saved = CaseResult(name=script.stem), folder / "images.npz"
    started = time.perf_counter()
    try:
        made = gq.quantize(network, quick(), folder / f"{script.stem}.ours.onnx", run=gq.RunContext(device="cpu"))
    except Exception as error:  # whatever goes wrong is what is recorded
        result.exit_code = getattr(error, "exit_code", 2 if isinstance(error, gq.DataError) else 4)
        result.message = _one_line(f"{'' if result.exit_code == 2 else type(error).__name__ + ': '}{error}", folder)
        saved.unlink(missing_ok=True)
    else:
        assert made.images is not None
        made.images.save(saved)
        _compare(result, made, folder)
    result.seconds = time.perf_counter() - started
    foreign = folder / f"{script.stem}_q.onnx"
    if foreign.exists():
        images = ["--images", str(saved)] if saved.exists() else []
        verify = ["--reference", str(network), "--latency-seconds", "0", *images]
        result.foreign = {"inspect": _call("inspect", foreign), "verify": _call("verify", foreign, *verify)}
    return result


def _compare(result: CaseResult, made: gq.Result, folder: Path) -> None:
    """Parity, layers, and the outputs of both files beside the float network's."""
    report = made.report
    result.message = _one_line(" ".join(report.warnings), folder)
    result.parity = getattr(report.parity, "exact", None)
    coverage: Any = report.coverage
    with contextlib.suppress(AttributeError):
        result.layers = (coverage.integer_compute, coverage.integer_compute + len(coverage.float_compute))
    network = with_unique_node_names(folder / f"{result.name}.onnx")
    images = evaluation_images(network)
    expected = outputs_of(network, images)
    try:
        result.ours = snr(expected, outputs_of(folder / f"{result.name}.ours.onnx", images))
    except Exception as error:  # a file that does not run
        result.exit_code, result.message = 4, _one_line(f"the file does not run: {error}", folder)
    assert made.images is not None
    _add_static(result, network, torch.from_numpy(made.images.images), images, expected)


def _one_line(text: str, folder: Path) -> str:
    return " ".join(text.replace(f"{folder}/", "").split())


def _add_static(
    result: CaseResult, network: Path, calibration: torch.Tensor, images: Array, expected: dict[str, Array]
) -> None:
    batch = _first_input(network).dim[0].dim_value or 1
    if calibration.dim() == 4 and calibration.shape[1] != _first_input(network).dim[1].dim_value:
        calibration = calibration.movedim(1, -1).contiguous()  # the network takes [N, H, W, C]
    if batch > 1:
        calibration = calibration[: len(calibration) // batch * batch].unflatten(0, (-1, batch))
    try:
        file = static_recommended(network, calibration, network.parent, batched=batch > 1)
        result.static = snr(expected, outputs_of(file, images))
    except Exception as error:  # the peer's own failures are recorded, too
        result.static_message = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"


def _first_input(network: Path) -> onnx.TensorShapeProto:
    return onnx.load(network, load_external_data=False).graph.input[0].type.tensor_type.shape


def _call(command: str, file: Path, *more: str) -> tuple[int, str]:
    done = CliRunner().invoke(cli, [command, str(file), *more])
    said = f"\n{done.stderr}".rpartition("\nError: ")[2]
    return done.exit_code, _one_line(said, file.parent) if done.exit_code else ""


def evaluation_images(network: Path, count: int = 64) -> Array:
    """Smooth images in 0..1 of the shape that the network's first input has, from no generator of ours."""
    shape = [dim.dim_value or 0 for dim in _first_input(network).dim][1:]
    last = len(shape) == 3 and shape[-1] in (1, 3, 4) and shape[0] > 4
    planes = [shape[-1], *shape[:-1]] if last else shape
    random = torch.Generator().manual_seed(7)
    channels, sides = planes[0], planes[1:]
    mode = {1: "linear", 2: "bilinear", 3: "trilinear"}.get(len(sides))
    total = torch.zeros(count, *planes)
    for coarse, share in ((16, 0.5), (8, 0.3), (2, 0.2)):
        small = torch.rand(count, channels, *(max(1, side // coarse) for side in sides), generator=random)
        total += share * (small if mode is None else interpolate(small, tuple(sides), mode=mode))
    return np.ascontiguousarray(total.movedim(1, -1).numpy() if last else total.numpy())


def outputs_of(file: Path, images: Array) -> dict[str, Array]:
    """The outputs of ONNX Runtime for all images, in batches as the file takes them."""
    options = ort.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 3
    session = ort.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    taken = session.get_inputs()[0]
    batch = taken.shape[0] if isinstance(taken.shape[0], int) else 8
    names = [value.name for value in session.get_outputs()]
    parts = [session.run(names, {taken.name: images[k : k + batch]}) for k in range(0, len(images), batch)]
    return {name: np.concatenate(runs) for name, runs in zip(names, zip(*parts, strict=True), strict=True)}


def snr(expected: dict[str, Array], found: dict[str, Array]) -> dict[str, float]:
    """Signal to noise in dB of each output."""
    result = {}
    for name, x in expected.items():
        x64 = x.astype(np.float64)
        signal, error = np.square(x64).sum(), np.square(x64 - found[name]).sum()
        result[name] = EXACT_DB if error == 0 else float(10 * math.log10(max(signal, 1e-300) / error))
    return result
