"""`--precision auto` beside simpler rules for which layers stay float, at equal time.

    GDFQ_EXPORT_DATA=FOLDER python -m bench.precision [NETWORK...] [--snr-db 30]

Each network is quantized with the goal. Then drafts are made, measured on the same held-out images, of what each rule
keeps float: the layers from both ends of the network inwards ("first and last"), and those of the largest error when
they alone are quantized (the list that a user of `quantize_static` puts into `nodes_to_exclude` after a debug run, here
with our own sensitivities). A rule takes layers until the measured time is that of the choice. FOLDER holds models/ and
other_networks/. Writes bench/results/precision.json.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import gdfq_export as gq

# isort: split
import click

from bench.results_file import FOLDER, write_results
from gdfq_export.jobs.precision.choice import Choice
from gdfq_export.jobs.precision.drafts import MeasuredDraft
from gdfq_export.recipe import DEFAULT_RECIPE, load_recipe

NETWORKS = {
    "imagenet_mobilenetv2_224": "models",
    "doc_orientation_pplcnet_224": "other_networks",
    "text_detection_dbnet": "other_networks",
    "doc_layout_picodet_800x608": "other_networks",
}
_SHAPES = {"text_detection_dbnet": (3, 320, 320)}


@click.command()
@click.argument("networks", nargs=-1, type=click.Choice(tuple(NETWORKS)))
@click.option("--snr-db", default=30.0, show_default=True, help="Least signal to noise of every output, dB.")
@click.option("--seed", default=0, show_default=True)
def main(networks: Sequence[str], snr_db: float, seed: int) -> None:
    """Measure the networks, and enter the results beside those that are there."""
    data, path = Path(os.environ["GDFQ_EXPORT_DATA"]), FOLDER / "precision.json"
    found = json.loads(path.read_text(encoding="utf-8"))["networks"] if path.exists() else {}
    for name in networks or NETWORKS:
        found[name] = measure(data / NETWORKS[name] / f"{name}.onnx", snr_db, seed, _SHAPES.get(name))
        write_results("precision", {"seed": seed, "networks": found})
        click.echo(f"{name}: {json.dumps({key: found[name][key] for key in ('chosen', 'rules')}, indent=1)}")


def measure(file: Path, snr_db: float, seed: int, shape: tuple[int, ...] | None) -> dict[str, Any]:
    """The choice for one network, and the rules at its time."""
    recipe = load_recipe(DEFAULT_RECIPE).with_precision("auto")
    model = gq.load(file, input_shape=shape)
    result = gq.quantize(model, recipe, gates={"min-output-snr-db": snr_db}, run=gq.RunContext(seed=seed, device="cpu"))
    facts, tuned = result.report.precision, result.tuned.precision
    assert facts is not None and tuned is not None
    gate, choice = result.report.gates[0], tuned.choice
    return {
        "goal_db": snr_db,
        "images": facts.images,
        "gate": {"verdict": str(gate.verdict), "message": gate.message},
        "seconds": result.report.seconds_by_phase,
        "chosen": _figures(choice.chosen),
        "rules": {} if choice.programme is None else _rules(choice),
        "frontier": [asdict(point) for point in facts.frontier],
        "floats": sorted(choice.floats),
    }


def _rules(choice: Choice) -> dict[str, Any]:
    """Each rule at the time of the choice, as the programme predicts it for both."""
    programme, limit = choice.programme, choice.predicted_ratio(choice.chosen.floats)
    assert programme is not None
    names = [unit.name for unit in programme.units.units]
    alone = programme.noise_by_unit(frozenset())
    orders = {
        "first and last": [name for pair in zip(names, reversed(names), strict=True) for name in pair],
        "largest error first": sorted(names, key=lambda name: float(alone[name].max()), reverse=True),
    }
    found = {}
    for rule, order in orders.items():
        floats: frozenset[str] = frozenset()
        for count in range(1, len(order) + 1):
            more = frozenset(order[:count])
            if choice.predicted_ratio(more) <= limit:
                floats = more
        found[rule] = _figures(choice.drafts.make(floats))
    found["first and last layer only"] = _figures(choice.drafts.make(frozenset((names[0], names[-1]))))
    return found


def _figures(draft: MeasuredDraft) -> dict[str, Any]:
    return {
        "float_layers": len(draft.floats),
        "snr_db": draft.snr_db,
        "latency_ratio": draft.latency_ratio,
        "size_ratio": draft.size_ratio,
    }


if __name__ == "__main__":
    main()
