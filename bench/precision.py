"""`--precision auto` beside simpler rules for which layers stay float, at equal time and at an equal goal.

    GDFQ_EXPORT_DATA=FOLDER python -m bench.precision run [NETWORK...] [--snr-db 30]
    python -m bench.precision table

Each network is quantized with the goal. Then files are made that keep float what a rule of `bench/precision_rules.py`
says, for several shares of the layers. ONNX Runtime's are its own (`quantize_static` with `nodes_to_exclude`), the
others have our Q/DQ, ranges and bias correction, so that only the lists differ. All are measured alike: signal to noise
of the noisiest output of the file on the same held-out images, and latency relative to the float file, interleaved.
"At equal time" is the most accurate file of a rule that is no slower than ours; "at the goal" the fastest that reaches
the goal. FOLDER holds models/ and other_networks/. Writes bench/results/precision.json; `table` prints it as Markdown.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import gdfq_export as gq

# isort: split
import click
import numpy as np
import onnx_ir as ir

from bench.peers import static_recommended
from bench.precision_rules import by_loss, by_reverting, counts, few_channels, first_and_last
from bench.results_file import FOLDER, write_results
from gdfq_export.jobs.network_file import NetworkFile
from gdfq_export.jobs.precision.choice import Choice
from gdfq_export.jobs.precision.drafts import Drafts
from gdfq_export.jobs.precision.measured_draft import decibels
from gdfq_export.planning.precision.units import units_of
from gdfq_export.recipe import DEFAULT_RECIPE, load_recipe
from gdfq_export.runtimes.onnxruntime import OnnxRuntime

NETWORKS = {
    "imagenet_mobilenetv2_224": "models",
    "doc_orientation_pplcnet_224": "other_networks",
    "text_detection_dbnet": "other_networks",
    "doc_layout_picodet_800x608": "other_networks",
}
_SHAPES = {"text_detection_dbnet": (3, 320, 320)}
_EQUAL = 1.02  # of a latency: two that differ less are equal
Figures = dict[str, Any]


@click.group()
def main() -> None:
    """Measure networks, and print the table."""


@main.command()
@click.argument("networks", nargs=-1, type=click.Choice(tuple(NETWORKS)))
@click.option("--snr-db", default=30.0, show_default=True, help="Least signal to noise of every output, dB.")
@click.option("--seed", default=0, show_default=True)
def run(networks: Sequence[str], snr_db: float, seed: int) -> None:
    """Measure the networks, and enter the results beside those that are there."""
    data, path = Path(os.environ["GDFQ_EXPORT_DATA"]), FOLDER / "precision.json"
    found = json.loads(path.read_text(encoding="utf-8"))["networks"] if path.exists() else {}
    for name in networks or NETWORKS:
        found[name] = measure(data / NETWORKS[name] / f"{name}.onnx", snr_db, seed, _SHAPES.get(name))
        write_results("precision", {"seed": seed, "networks": found})
        click.echo("\n".join(table({name: found[name]})))


@main.command("table")
def print_table() -> None:
    """The results as Markdown."""
    body = json.loads((FOLDER / "precision.json").read_text(encoding="utf-8"))
    click.echo("\n".join(table(body["networks"])))


def table(networks: dict[str, Any]) -> Iterator[str]:
    """Rows of Markdown: ours, then each rule at equal time and at the goal."""
    yield "| network | rule | at equal time: SNR, latency, float layers | at the goal: latency, SNR, float layers |"
    yield "| --- | --- | --- | --- |"
    for name, each in networks.items():
        ours, goal = each["chosen"], each["goal_db"]
        yield f"| {name} | auto | {_cell(ours)} | {_cell(ours) if ours['snr_db'] >= goal else 'not reached'} |"
        for rule, files in each["rules"].items():
            in_time = [file for file in files if file["latency_ratio"] <= _EQUAL * ours["latency_ratio"]]
            reached = [file for file in files if file["snr_db"] >= goal]
            equal = max(in_time, key=lambda file: float(file["snr_db"]), default=None)
            fastest = min(reached, key=lambda file: float(file["latency_ratio"]), default=None)
            yield f"| {name} | {rule} | {_cell(equal)} | {_cell(fastest)} |"


def _cell(file: Figures | None) -> str:
    if file is None:
        return "none"
    return f"{file['snr_db']:.1f} dB, {file['latency_ratio']:.2f}x, {file['float_layers']}"


def measure(file: Path, snr_db: float, seed: int, shape: tuple[int, ...] | None) -> Figures:
    """The choice for one network, and files of all rules."""
    recipe = load_recipe(DEFAULT_RECIPE).with_precision("auto")
    model = gq.load(file, input_shape=shape)
    result = gq.quantize(model, recipe, gates={"min-output-snr-db": snr_db}, run=gq.RunContext(seed=seed, device="cpu"))
    facts, tuned = result.report.precision, result.tuned.precision
    assert facts is not None and tuned is not None
    gate, choice = result.report.gates[0], tuned.choice
    assert isinstance(choice.drafts, Drafts)
    rules = _Rules(file, choice.drafts, NetworkFile.of_float(model), tuned.job.model.folded)
    return {
        "goal_db": snr_db,
        "images": facts.images,
        "gate": {"verdict": str(gate.verdict), "message": gate.message},
        "seconds": result.report.seconds_by_phase,
        "scaled_channels": tuned.job.recipe.bits.scaled_channels,
        "predicted_latency_ratio": _predicted(choice),
        "chosen": rules.ours(choice.floats),
        "everything_quantized": rules.ours(frozenset()),
        "rules": {name: list(files()) for name, files in rules.all().items()},
        "frontier": [asdict(point) for point in facts.frontier],
        "floats": sorted(choice.floats),
    }


def _predicted(choice: Choice) -> float | None:
    return None if choice.programme is None else choice.predicted_ratio(choice.floats)


class _Rules:
    """Files of one network that keep lists of layers float."""

    def __init__(self, file: Path, drafts: Drafts, source: NetworkFile, folded: ir.Model) -> None:
        self._file, self._drafts, self._source = file, drafts, source
        self._proto = ir.to_proto(folded)
        self._units = units_of(folded.graph, drafts.everything_quantized.simulator.plan)
        self._wanted = OnnxRuntime().load(source.data, 1).run_all(drafts.held_out_images.numpy())

    def all(self) -> dict[str, Callable[[], Iterator[Figures]]]:
        """The files of each rule, by its name."""
        return {
            "first and last layer": lambda: iter([self.ours(frozenset(first_and_last(self._units)[:2]))]),
            "first and last inwards": partial(self._by_order, lambda: first_and_last(self._units)),
            "NNCF's order": partial(self._by_order, lambda: by_reverting(self._units, self._drafts)),
            "ModelOpt's list": lambda: iter([self.ours(frozenset(few_channels(self._proto, self._units)))]),
            "ONNX Runtime": self._of_onnx_runtime,
        }

    def ours(self, floats: frozenset[str]) -> Figures:
        """Our draft with these units float."""
        written = self._drafts.written(floats) if floats else self._drafts.everything_quantized
        return self._figures(self._drafts.file_of(written.draft.file), len(floats))

    def _by_order(self, order: Callable[[], list[str]]) -> Iterator[Figures]:
        names = order()
        for count in counts(len(names)):
            yield self.ours(frozenset(names[:count]))

    def _of_onnx_runtime(self) -> Iterator[Figures]:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            order = by_loss(self._file, self._drafts.fitted, folder)
            for count in (0, *counts(len(order))):
                made = static_recommended(self._file, self._drafts.fitted, folder, excluded=order[:count])
                yield self._figures(NetworkFile(name=made.name, data=made.read_bytes()), count)

    def _figures(self, file: NetworkFile, float_layers: int) -> Figures:
        found = OnnxRuntime().load(file.data, 1).run_all(self._drafts.held_out_images.numpy())
        pairs = zip(found, self._wanted, strict=True)
        noise = [np.square(one - two).sum() / max(np.square(two).sum(), 1e-30) for one, two in pairs]
        return {
            "float_layers": float_layers,
            "snr_db": decibels(np.asarray(noise, np.float64)),
            "latency_ratio": self._drafts.latency_ratio(file),
            "size_ratio": len(file.data) / len(self._source.data),
        }


if __name__ == "__main__":
    main()
