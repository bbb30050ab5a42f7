"""`--target auto` compared with every target it could have chosen and with other tools' files, in one run.

    python -m bench.target_auto run --networks resnet18 --batches 1,8
    python -m bench.target_auto page

The choice is made as the command makes it. Then a file of every target that runs here and the other tools' files are
timed together with the chosen one, interleaved in one process (`gdfq_export.metrics.latency`). Writes
bench/results/target_auto/NETWORK-batchN.json; `page` makes docs/target-auto.md.
"""

from __future__ import annotations

import json
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
import torch

from bench.coverage import BITS, IMAGES, quantize_quickly, recipe_for
from bench.peers import nncf_file, static_default, static_recommended
from bench.results_file import FOLDER, write_results
from bench.usual_networks import USUAL_NETWORKS, drawn_network, load_drawn
from gdfq_export.frontend.float_model import FloatModel
from gdfq_export.jobs.auto_target.choose_target import choose_target
from gdfq_export.jobs.run_context import RunContext
from gdfq_export.metrics.latency import interleave, summarize, versus
from gdfq_export.report.target_choice import TargetChoice
from gdfq_export.runtimes import BACKENDS
from gdfq_export.targets import find_target

RESULTS = FOLDER / "target_auto"
PAGE = FOLDER.parent.parent / "docs" / "target-auto.md"
_FEWEST_ROUNDS = 20


@click.group()
def main() -> None:
    """Time the chosen target and the alternatives, and make the page."""


@main.command()
@click.option("--networks", default="resnet18", show_default=True)
@click.option("--batches", default="1,8", show_default=True)
@click.option("--seconds", default=60.0, show_default=True, help="For each network and batch, warm-up on top.")
def run(networks: str, batches: str, seconds: float) -> None:
    """Choose for each network and batch, and time the choice with all others."""
    torch.set_num_threads(1)
    for name in networks.split(","):
        model = load_drawn(name)
        for batch in map(int, batches.split(",")):
            recipe = recipe_for("ort-cpu", BITS["W8A8"])
            choice = choose_target(model, recipe, RunContext(batch=batch))
            with tempfile.TemporaryDirectory(prefix="gdfq-export-") as folder:
                rows = _time(name, model, choice, batch, Path(folder), seconds)
            body = {"network": name, "batch": batch, "threads": 1, "seed": 0, "calibration_images": IMAGES}
            path = write_results(f"target_auto/{name}-batch{batch}", {**body, "choice": asdict(choice), "rows": rows})
            for title, row in rows.items():
                click.echo(f"{name} batch {batch} {title}: chosen is {row['chosen_faster_by']['value']:.3f} as fast")
            click.echo(f"chosen: {choice.chosen}; wrote {path}")


def _time(
    name: str, model: FloatModel, choice: TargetChoice, batch: int, folder: Path, seconds: float
) -> dict[str, Any]:
    files = _files(name, model, choice, folder)
    images = torch.randn(batch, *model.input_spec.shape, generator=torch.Generator().manual_seed(1)).numpy()
    timers = {title: BACKENDS[backend].load(file, 1).timer(images) for title, (file, backend) in files.items()}
    samples = interleave(timers, budget_seconds=seconds, min_rounds=_FEWEST_ROUNDS)
    chosen = samples[f"ours, {choice.chosen}"]
    return {
        title: {
            "p50_ms": summarize(taken).p50_ms,
            "rounds": len(taken),
            "chosen_faster_by": asdict(versus(taken, chosen)),
        }
        for title, taken in samples.items()
    }


def _files(name: str, model: FloatModel, choice: TargetChoice, folder: Path) -> dict[str, tuple[Path, str]]:
    """Every file with the runtime it runs in."""
    found: dict[str, tuple[Path, str]] = {}
    for candidate in choice.candidates:
        if candidate.timings is not None:
            out = folder / f"{candidate.target}.onnx"
            quantize_quickly(model, candidate.target, BITS["W8A8"], out)
            found[f"ours, {candidate.target}"] = (out, find_target(candidate.target).backend)
    floating = folder / "float.onnx"
    floating.write_bytes(model.original.SerializeToString())
    images = torch.randn(IMAGES, *model.input_spec.shape, generator=torch.Generator().manual_seed(0))
    found["float, ONNX Runtime"] = (floating, "onnxruntime")
    found["float, OpenVINO"] = (floating, "openvino")
    found["quantize_static, default"] = (static_default(floating, images, folder), "onnxruntime")
    found["quantize_static, recommended"] = (static_recommended(floating, images, folder), "onnxruntime")
    found["NNCF, OpenVINO"] = (nncf_file(drawn_network(name), images, folder), "openvino")
    return found


@main.command()
def page() -> None:
    """Make docs/target-auto.md of what was run."""
    titles = {name: title for title, name in USUAL_NETWORKS.items()}
    parts = [_HEAD]
    for path in sorted(RESULTS.glob("*.json")):
        body = json.loads(path.read_text(encoding="utf-8"))
        choice = body["choice"]
        parts += [
            f"## {titles[body['network']]}, batch {body['batch']}: {choice['chosen']}",
            "",
            f"{choice['chosen']}: {choice['reason']}.",
            "",
            "| file | p50 ms | chosen is faster by |",
            "| --- | --- | --- |",
            *(
                f"| {title} | {row['p50_ms']:.2f} | {_ratio(row['chosen_faster_by'])} |"
                for title, row in sorted(body["rows"].items(), key=lambda item: item[1]["p50_ms"])
            ),
            "",
        ]
    PAGE.write_text("\n".join(parts).rstrip() + "\n", encoding="utf-8")
    click.echo(f"wrote {PAGE}")


def _ratio(ratio: dict[str, Any]) -> str:
    return f"{ratio['value']:.2f} [{ratio['low']:.2f}, {ratio['high']:.2f}]"


_HEAD = """# What `--target auto` chooses

The command times a draft of every target that runs on this machine, and chooses. Then a file of every target and
other tools' files are timed together with the chosen one, interleaved in one process, on one thread. *Chosen is
faster by* is a file's time divided by that of the chosen file, with its 95 % interval: above 1, the chosen file is
faster. Networks at 224 x 224 have random weights. `python -m bench.target_auto page` makes this page.
"""


if __name__ == "__main__":
    main()
