"""A file, its facts, and its findings for the targets that are asked about: what `gdfq-export inspect` shows."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gdfq_export.errors import InputError
from gdfq_export.frontend.sources import load_model
from gdfq_export.frontend.sources.onnx_file import read_onnx
from gdfq_export.lint.check import check
from gdfq_export.lint.model_facts import Inspection, bytes_on_disk, inspect_file
from gdfq_export.planning.placement import plan_of
from gdfq_export.recipe import Bits
from gdfq_export.support.finding import Finding
from gdfq_export.support.text import counted
from gdfq_export.targets import TARGETS, Target
from gdfq_export.targets.operator_traits import LAYERS

SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class InspectedFile:
    """`made_for` is the target that the file names itself, empty where it names none; `findings` are by target.

    `quantize` says of a float file whether `gdfq_export.quantize` takes it, and if not, why; empty for other files.
    """

    path: Path
    facts: Inspection
    made_for: str
    findings: Mapping[str, Sequence[Finding]]
    warnings: tuple[str, ...]
    quantize: str = ""

    def to_json(self) -> str:
        """Indented JSON that ends in a newline; numbers that JSON does not know are strings (`"nan"`)."""
        body = {
            "schema_version": SCHEMA_VERSION,
            "file": self.path.name,
            "made_for": self.made_for or None,
            "quantize": self.quantize or None,
            **self.facts.to_plain(),
            "findings": {name: [dataclasses.asdict(each) for each in found] for name, found in self.findings.items()},
        }
        return json.dumps(body, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def inspect_model(path: Path, targets: Sequence[Target] = (), *, task: str | None = None) -> InspectedFile:
    """Read a file and hold it to targets: those given, else the one that it is made for, else all.

    Raises:
        InputError: the file cannot be read or is no ONNX model.
    """
    model = read_onnx(path)
    try:
        facts = inspect_file(model, bytes_on_disk(path))
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    named = facts.metadata.get("target", "")
    made_for = named if named in TARGETS else ""
    warnings = [f"{path} says it is made for {named}, which this version does not know"] if named != made_for else []
    held = targets or ([TARGETS[made_for]] if made_for else list(TARGETS.values()))
    return InspectedFile(
        path=path,
        facts=facts,
        made_for=made_for,
        findings={target.name: check(model, target) for target in held},
        warnings=tuple(warnings),
        quantize="" if facts.quantized else _quantizes(path, held[0], task),
    )


def _quantizes(path: Path, target: Target, task: str | None) -> str:
    """What `quantize` would make of a float file."""
    try:
        network = load_model(path, task=task)
        network.make_teacher()
        plan = plan_of(network, target.name, Bits())
    except InputError as error:
        return f"not taken: {error}"
    layers = [node for node in plan.nodes if node.op_type in LAYERS]
    floats = [f"{node.op_type} {node.node}: {node.reason}" for node in layers if node.kernel is None]
    found = f"taken: {len(layers) - len(floats)} of {counted(len(layers), 'layer')} on integers for {target.name}"
    return "; ".join([found, *floats[:1], f"task {network.task.name}, {network.found_task.reason}"])
