"""Ablation of a low-bit recipe: one step is changed at a time, over several seeds.

    GDFQ_EXPORT_DATA=FOLDER python -m bench.ablation run cifar10_mobilenetv2 w4a4 --seeds 0,1,2
    python -m bench.ablation page

`run` scores exported files in ONNX Runtime on the first half of the labelled images, the half that settings were
chosen on, and writes bench/results/ablation/NETWORK-BITS.json, after every run; results of other changes and seeds in
the file stay. `page` makes docs/ablation.md from these files. Rows that differ in tuning only share the images of a
seed.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import mean
from typing import Any

import click
import torch

import gdfq_export as gq
from bench.accuracy_cells import BIT_WIDTHS, NETWORKS, Cell, bits_title, recipe_of
from bench.accuracy_run import Place, load_network, unscored_images
from bench.results_file import FOLDER, write_results
from calib.samplers import RealSet
from calib.synthetic_set import SyntheticSet
from gdfq_export.frontend.float_model import FloatModel
from gdfq_export.recipe import Recipe, recipe_sha256
from gdfq_export.runtimes.onnxruntime import OnnxRuntime

RESULTS = FOLDER / "ablation"
PAGE = FOLDER.parent.parent / "docs" / "ablation.md"

Change = Callable[[Recipe], Recipe]


def _changed(section: str, **update: Any) -> Change:
    return lambda recipe: recipe.model_copy(update={section: getattr(recipe, section).model_copy(update=update)})


def _not_refined(recipe: Recipe) -> Recipe:
    """The same images before any pixel is refined."""
    if recipe.data.method == "refined":
        refinement = recipe.data.refinement.model_copy(update={"steps": 0, "coarse_steps": 0})
        return _changed("data", refinement=refinement)(recipe)
    return _changed("data", method="gdfq")(recipe)


WHOLE = "the recipe"
CHANGES: dict[str, Change] = {
    WHOLE: lambda recipe: recipe,
    "images not refined": _not_refined,
    "Gaussian noise as images": _changed("data", method="noise"),
    "outliers kept": _changed("calibration", outliers=None),
    "not equalized": _changed("tuning", equalization="none"),
    "equalized by weights (DFQ)": _changed("tuning", equalization="weights"),
    "layers not fitted": _changed("tuning", refit=False),
    "neither fitted nor adaptively rounded": _changed("tuning", rounding=False),
    "biases not corrected": _changed("tuning", bias_correction="none"),
    "activation scales not re-optimised": _changed("tuning", activation_scales=False),
    "not fine-tuned": _changed("tuning", finetune=None),
}
OF_MIXED_BITS: dict[str, Change] = {
    "none raised": _changed("bits", mixed=None),
    "the first and the last raised": _changed("bits", mixed=None, first_last=8),
}
"""Changes of recipes with mixed bits."""
_NEW_IMAGES = ("images not refined", "Gaussian noise as images")


@click.group()
def main() -> None:
    """Measure what each step is worth, and make the page."""


@main.command()
@click.argument("network", type=click.Choice(NETWORKS))
@click.argument("bits", type=click.Choice(tuple(BIT_WIDTHS)))
@click.option("--seeds", default="0,1,2", show_default=True)
@click.option("--changes", help="Names, comma-separated; the recipe itself is always run.  [default: all]")
@click.option("--threads", type=click.IntRange(min=1), help="For torch.  [default: all cores]")
def run(network: str, bits: str, seeds: str, changes: str | None, threads: int | None) -> None:
    """Run every change for every seed on one network at one grid."""
    known = CHANGES if BIT_WIDTHS[bits].mixed is None else CHANGES | OF_MIXED_BITS
    asked = list(known) if changes is None else changes.split(",")
    for name in asked:
        if name not in known:
            raise click.UsageError(f"{name!r} is none of {', '.join(known)}")
    names = [name for name in known if name in (WHOLE, *asked)]
    if threads is not None:
        torch.set_num_threads(threads)
    folder = os.environ.get("GDFQ_EXPORT_DATA")
    place = Place(folder=Path(folder) if folder else None, images=None)
    runs = _runs_before(RESULTS / f"{network}-{bits}.json")
    for seed in map(int, seeds.split(",")):
        cell = Cell(network=network, bits=bits, method="ours", seed=seed)
        model = load_network(cell, place)
        scored = unscored_images(cell, place, model)
        recipe = recipe_of(cell, model.input_spec.shape).for_input(model.input_spec.shape)
        made = _images(model, recipe, seed)
        for name in names:
            facts = _run_one(model, known[name](recipe), name, made, scored, seed)
            runs[name, seed] = {"change": name, "seed": seed, **facts}
            click.echo(f"{network} {bits} seed {seed}, {name}: {facts['drop_pp']:+.2f}, error {facts['error']:.4f}")
            body = {"network": network, "bits": bits, "images": len(scored), "threads": torch.get_num_threads()}
            write_results(f"ablation/{network}-{bits}", {**body, "runs": list(runs.values())})


def _runs_before(path: Path) -> dict[tuple[str, int], dict[str, Any]]:
    """What the file holds, by change and seed."""
    if not path.exists():
        return {}
    return {(run["change"], run["seed"]): run for run in json.loads(path.read_text(encoding="utf-8"))["runs"]}


def _images(model: FloatModel, recipe: Recipe, seed: int) -> SyntheticSet:
    count = recipe.images_drawn
    return gq.synthesize(model, recipe, count=count, run=gq.RunContext(seed=seed, device="cpu"))


def _run_one(
    model: FloatModel, recipe: Recipe, name: str, made: SyntheticSet, scored: RealSet, seed: int
) -> dict[str, Any]:
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "quantized.onnx"
        report = gq.quantize(
            model,
            recipe,
            out,
            data=scored,
            calibration=None if name in _NEW_IMAGES else made,
            run=gq.RunContext(seed=seed, device="cpu"),
        ).report
        error = _error_of_logits(model, out, scored)
    body = json.loads(report.to_json())
    return {
        "drop_pp": body["accuracy"]["top1"]["drop_pp"],
        "agreement": body["accuracy"]["agreement"]["value"],
        "error": error,
        "size_ratio": body["files"]["size_ratio"],
        "seconds": time.perf_counter() - started,
        "recipe_sha256": recipe_sha256(recipe),
    }


def _error_of_logits(model: FloatModel, file: Path, scored: RealSet) -> float:
    """Mean squared error of the logits over their variance."""
    images, backend = scored.images.numpy(), OnnxRuntime()
    wanted = backend.load(model.original.SerializeToString(), 1).run(images)
    found = backend.load(file, 1).run(images)
    return float(((found - wanted) ** 2).mean() / wanted.var())


@main.command()
def page() -> None:
    """Make docs/ablation.md of what was run."""
    parts = [_HEAD]
    for path in sorted(RESULTS.glob("*.json")):
        parts.append(_section(json.loads(path.read_text(encoding="utf-8"))))
    PAGE.write_text("\n".join(parts), encoding="utf-8")
    click.echo(f"wrote {PAGE}")


_HEAD = """# Ablation: what each step is worth

One step of a recipe is changed, everything else stays, over several seeds. Every number is that of the exported file
in ONNX Runtime on the first half of the labelled images, the half that settings were chosen on. *Error* is the mean
squared error of the logits relative to their variance. It shows effects that are too small for the Top-1 of a few
thousand images. *Drop* is the Top-1 accuracy drop, float - quantized, in points. Single seeds are in parentheses.
`python -m bench.ablation page` makes this page.
"""


def _section(body: dict[str, Any]) -> str:
    lines = [f"## {body['network']}, {bits_title(body['bits'])}", ""]
    has_sizes = any("size_ratio" in run for run in body["runs"])
    lines += [
        f"| changed | error of the logits | relative to the recipe | drop, points |{' bytes / float |' * has_sizes}"
    ]
    lines += [f"| --- | --- | --- | --- |{' --- |' * has_sizes}"]
    whole = _by_seed(body, WHOLE, "error")
    for name in CHANGES | OF_MIXED_BITS:
        errors, drops = _by_seed(body, name, "error"), _by_seed(body, name, "drop_pp")
        if errors:
            ratio = mean(errors[seed] / whole[seed] for seed in errors)
            against = "" if name == WHOLE else f"x {ratio:.2f}"
            row = f"| {name} | {_mean_and_each(errors, '.4f')} | {against} | {_mean_and_each(drops, '+.2f')} |"
            if has_sizes:
                sizes = _by_seed(body, name, "size_ratio").values()
                row += f" {mean(sizes):.3f} |" if sizes else " not kept |"
            lines.append(row)
    return "\n".join([*lines, ""])


def _mean_and_each(values: dict[int, float], form: str) -> str:
    return f"{mean(values.values()):{form}} ({', '.join(f'{value:{form}}' for value in values.values())})"


def _by_seed(body: dict[str, Any], change: str, key: str) -> dict[int, float]:
    """A change's values on the seeds that the recipe itself was run on."""
    seeds = {run["seed"] for run in body["runs"] if run["change"] == WHOLE}
    runs = (run for run in body["runs"] if run["change"] == change and run["seed"] in seeds and key in run)
    return {run["seed"]: run[key] for run in runs}


if __name__ == "__main__":
    main()
