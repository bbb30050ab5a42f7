"""Seconds of the parts of a run that several processes share, and how far their results are from one process's.

    python -m bench.processes [NETWORK.onnx] [--sizes 1,2] [--rounds 2]

Each part runs with few steps in processes of one thread each, which meet over gloo; the sizes are interleaved, and the
shortest of the rounds counts. Seconds are those of the first process. Without NETWORK it is the demo network, whose
batches are small: what is sent between processes weighs most there. Run it on a machine with a free core for each
process. Writes bench/results/processes.json.
"""

from __future__ import annotations

import json
import os
import pickle
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click
import torch
from torch import Tensor

import gdfq_export as gq
from bench.results_file import write_results
from calib.gdfq import GeneratorTraining, train_gdfq
from calib.parallel.launched import launched
from calib.parallel.processes import Processes
from calib.priors.starting_images import starting_images
from calib.refinement import RefinedSampler, RefinementSettings
from calib.teacher import Teacher
from gdfq_export.planning.placement import plan_of
from gdfq_export.recipe import FineTune, Recipe, load_recipe
from gdfq_export.simulator import Simulator
from gdfq_export.support.progress import SilentProgress
from gdfq_export.tuning import tune

Found = dict[str, tuple[float, dict[str, Tensor]]]
"""Seconds and results by the name of the part."""

_BATCH, _IMAGES = 64, 256
_GENERATOR_STEPS, _REFINEMENT_STEPS, _FINETUNE_STEPS = 30, 8, 20
_SEED = 0


@click.command()
@click.argument("network", required=False)
@click.option("--sizes", default="1,2", show_default=True, help="Numbers of processes, separated by commas.")
@click.option("--rounds", default=2, show_default=True, help="How often each size runs.")
@click.option("--worker", hidden=True, type=click.Path(path_type=Path))
def main(network: str | None, sizes: str, rounds: int, worker: Path | None) -> None:
    """Measure, print a table and write the JSON file."""
    if worker is not None:
        _work(network, worker)
        return
    every: dict[int, list[Found]] = {int(size): [] for size in sizes.split(",")}
    for _ in range(rounds):
        for size, found in every.items():
            found.append(_run(network, size))
    parts = {name: _row(name, every) for name in every[min(every)][0]}
    for name, row in parts.items():
        click.echo(f"{name}: {json.dumps(row)}")
    body = {
        "seed": _SEED, "network": Path(network).name if network else "demo", "rounds": rounds, "images": _IMAGES,
        "batch": _BATCH, "steps": {"generator": _GENERATOR_STEPS, "refinement": _REFINEMENT_STEPS,
        "distillation": _FINETUNE_STEPS}, "parts": parts,
    }  # fmt: skip
    click.echo(f"wrote {write_results('processes', body)}")


def _row(name: str, every: Mapping[int, list[Found]]) -> dict[str, Any]:
    """Seconds by the number of processes, and the largest difference from the smallest number, of the largest value."""
    base = min(every)
    wanted = every[base][0][name][1]
    row: dict[str, Any] = {}
    for size, rounds in every.items():
        seconds = min(found[name][0] for found in rounds)
        row[f"{size} processes"] = {
            "seconds": round(seconds, 3),
            "times as fast": round(min(found[name][0] for found in every[base]) / seconds, 2),
            "largest difference": max(_differences(wanted, rounds[0][name][1])),
        }
    return row


def _differences(wanted: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> list[float]:
    """Of each result, by its largest value."""
    pairs = [(value.double(), found[name].double()) for name, value in wanted.items()]
    return [float((one - other).abs().max() / one.abs().max().clamp_min(1e-30)) for one, other in pairs]


def _run(network: str | None, size: int) -> Found:
    """What `size` processes find."""
    with tempfile.TemporaryDirectory() as folder, socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
        free.close()
        out = Path(folder) / "found"
        words = [sys.executable, "-m", "bench.processes", *([network] if network else []), "--worker", str(out)]
        meeting = {"WORLD_SIZE": str(size), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "OMP_NUM_THREADS": "1"}
        started = [
            subprocess.Popen(words, env={**os.environ, **meeting, "RANK": str(rank), "LOCAL_RANK": str(rank)})
            for rank in range(size)
        ]
        if any([process.wait() for process in started]):
            raise click.ClickException(f"a process of {size} failed; its message is above")
        found: Found = pickle.loads(out.read_bytes())
        return found


def _work(network: str | None, out: Path) -> None:
    """Do every part in this process, with the others."""
    torch.set_num_threads(1)
    processes = launched()
    model = gq.load(network)
    teacher = Teacher(network=model.teacher, input_spec=model.input_spec, aim=model.task.aim)
    start = starting_images(model.input_spec, teacher.aim.conditions, _SEED, pages=False)
    images, _ = start.draw(_IMAGES, _BATCH)
    found = {
        name: _timed(part, processes)
        for name, part in {
            "generator": lambda: _generator(teacher, processes),
            "refinement": lambda: _refinement(teacher, processes),
            "layers": lambda: _tuned(model, images, _recipe(layers=True), processes),
            "distillation": lambda: _tuned(model, images, _recipe(layers=False), processes),
        }.items()
    }
    if processes.first:
        out.write_bytes(pickle.dumps(found))


def _timed(part: Callable[[], dict[str, Tensor]], processes: Processes) -> tuple[float, dict[str, Tensor]]:
    """Seconds from where all processes begin, and what the part finds."""
    processes.all_of(None)
    started = time.perf_counter()
    found = part()
    return time.perf_counter() - started, found


def _generator(teacher: Teacher, processes: Processes) -> dict[str, Tensor]:
    settings = load_recipe("w8a8-ort-cpu").data.generator
    short = settings.model_copy(update={"steps": _GENERATOR_STEPS, "batch": _BATCH})
    sampler = train_gdfq(teacher, GeneratorTraining(**short.model_dump()), seed=_SEED, processes=processes)
    return {"images": sampler.draw(_BATCH, _BATCH)[0]}


def _refinement(teacher: Teacher, processes: Processes) -> dict[str, Tensor]:
    settings = load_recipe("w8a8-ort-cpu").data.refinement
    short = settings.model_copy(update={"steps": _REFINEMENT_STEPS, "coarse_steps": 0, "batch": _BATCH})
    sampler = RefinedSampler(teacher, RefinementSettings(**short.model_dump()), seed=_SEED, processes=processes)
    return {"images": sampler.draw(_IMAGES, _BATCH)[0]}


def _recipe(*, layers: bool) -> Recipe:
    """Layers are tuned, or the network is distilled."""
    recipe = load_recipe("w4a4-ort-cpu" if layers else "w8a8-ort-cpu")
    change: dict[str, Any] = {"finetune": None}
    if not layers:
        usual = load_recipe("w8a8-finetuned-ort-cpu").tuning.finetune or FineTune(steps=1)
        finetune = usual.model_copy(update={"steps": _FINETUNE_STEPS, "batch": _BATCH})
        change = {"rounding": False, "bias_correction": "none", "finetune": finetune}
    return recipe.model_copy(update={"tuning": recipe.tuning.model_copy(update=change)})


def _tuned(model: gq.FloatModel, images: Tensor, recipe: Recipe, processes: Processes) -> dict[str, Tensor]:
    """Weights and biases after tuning."""
    simulator = Simulator(model.folded, plan_of(model, recipe.target, recipe.bits), task=model.task)
    progress = SilentProgress()
    progress.processes = processes
    tune(simulator, images, recipe, statistics=model.statistics, seed=_SEED, device="cpu", progress=progress)
    return dict(simulator.tuned_parameters())


if __name__ == "__main__":
    main()
