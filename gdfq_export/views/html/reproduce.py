"""The command that reproduces this report, and its recipe."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import dataclass

import yaml

from gdfq_export.report.report import Report
from gdfq_export.support.not_measured import NotMeasured
from gdfq_export.support.text import counted
from gdfq_export.tasks.registry import AS_STATED

_DEMO = "demo"
_RECIPE = "recipe.yaml"
_BASELINE = "baseline.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reproduction:
    """`command` for a shell, one option a line; `recipe` as YAML, "" where there was none; `notes` on what it takes."""

    command: str
    recipe: str
    notes: tuple[str, ...]


def reproduction(report: Report) -> Reproduction:
    """From what the report holds; files are named as they were given."""
    words = _quantize(report) if report.command == "quantize" else _verify(report)
    lines = [" ".join(shlex.quote(word) for word in group) for group in (*words, *_gates(report))]
    recipe = (
        ""
        if report.recipe is None
        else yaml.safe_dump(dict(report.recipe.used), sort_keys=False, allow_unicode=True, width=100)
    )
    return Reproduction(command=" \\\n  ".join(lines), recipe=recipe, notes=tuple(_notes(report)))


def _quantize(report: Report) -> Iterator[list[str]]:
    demo = report.source == _DEMO
    yield ["gdfq-export", "quantize", *([] if demo else [report.source])]
    yield ["--onnx-out", report.files.quantized.name]
    if report.recipe is not None:
        yield ["--recipe", _RECIPE]
    if report.seed is not None:
        yield ["--seed", str(report.seed)]
    if not demo:
        yield from _preprocessing(report)
        yield from _data(report)
    yield from _batch(report)


def _verify(report: Report) -> Iterator[list[str]]:
    yield ["gdfq-export", "verify", report.files.quantized.name]
    yield ["--reference", report.source]
    yield from _preprocessing(report)
    yield from _data(report)
    yield from _batch(report)


def _preprocessing(report: Report) -> Iterator[list[str]]:
    spec = report.input
    if spec.inputs:
        return
    yield ["--scale", f"{spec.scale:g}"]
    yield ["--mean", ",".join(f"{value:.9g}" for value in spec.mean)]
    yield ["--std", ",".join(f"{value:.9g}" for value in spec.std)]


def _data(report: Report) -> Iterator[list[str]]:
    task = report.task
    if not isinstance(report.accuracy, NotMeasured):
        yield ["--data", report.accuracy.source]
    elif task is not None and task.real_images:
        yield ["--data", task.source]
    if task is not None and task.reason.startswith(AS_STATED):
        yield ["--task", task.name]


def _batch(report: Report) -> Iterator[list[str]]:
    if not isinstance(report.latency, NotMeasured) and report.latency.batch != 1:
        yield ["--batch", str(report.latency.batch)]


def _gates(report: Report) -> Iterator[list[str]]:
    if any(" " in gate.name for gate in report.gates):
        yield ["--baseline", _BASELINE]
    for gate in report.gates:
        flag, _, figure = gate.name.partition(" ")
        limit = gate.limit if isinstance(gate.limit, str) else f"{gate.limit:g}"
        if figure:
            yield [f"--{flag}", f"{figure}={limit}"]
        elif gate.limit is True:
            yield [f"--{flag}"]
        elif gate.limit is not False:
            yield [f"--{flag}", limit]


def _computed(report: Report) -> str:
    """What the bytes were computed with."""
    computing = report.computing
    if computing is None:
        return ""
    threads = counted(computing.threads, "thread")
    return f", which was computed with {threads} and the instruction set {computing.instruction_set}"


def _notes(report: Report) -> Iterator[str]:
    if report.input.inputs:
        yield "The network takes several inputs: the sidecar file beside it says how they are prepared."
    if report.recipe is not None:
        yield (
            f"{_RECIPE} is the recipe below as it was run, independent of time budgets. The same seed, recipe, "
            f"versions and machine give the same file{_computed(report)}."
        )
    if report.calibration is not None and report.calibration.provenance:
        yield "The calibration images were given: pass the same ones with --calibration."
    if any(" " in gate.name for gate in report.gates):
        yield f"{_BASELINE} is the earlier report that this one was compared with; its name is not in the report."
    if report.command != "quantize":
        yield "The file is named without its folder; compare its SHA-256 with the one below."
