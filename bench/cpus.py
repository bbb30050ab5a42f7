"""Files of common networks on CPUs that are not at hand: which integers differ, and how often the answer does.

    GDFQ_EXPORT_DATA=FOLDER python -m bench.cpus run cifar10_resnet20 --files FILES
    python -m bench.cpus page

Our W8A8 files take their ranges from noise, which is quick and decides nothing here; `quantize_static`'s is calibrated
on the same images, with the settings that its documentation recommends. All are verified as `gdfq-export verify --cpu`
does. Without a name, `run` measures all networks; their files are kept in FILES, so that they are made once. FOLDER
holds models/, cifar10_test_dev.npz and imagenet_val/ with labels.csv; the first images of these are run. Writes
bench/results/cpus.json, and `page` the table of docs/cpus.md.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import click
import torch

import gdfq_export as gq
from bench.peers import static_recommended
from bench.results_file import FOLDER, replace_table, write_results
from calib.samplers import RealSet
from calib.synthetic_set import SyntheticSet
from gdfq_export.metrics.parity import ParityResult
from gdfq_export.report.cpu_figures import CpuFigures, NativeComparison
from gdfq_export.support.not_measured import NotMeasured
from gdfq_export.tasks.classification.agreement import Agreement

PAGE = FOLDER.parent.parent / "docs" / "cpus.md"
START, END = "<!-- made by bench.cpus -->\n", "<!-- end -->\n"
NETWORKS = {
    "demo": "demo",
    "cifar10_resnet20": "ResNet-20, CIFAR-10",
    "cifar10_mobilenetv2": "MobileNetV2, CIFAR-10",
    "cifar10_shufflenet": "ShuffleNet, CIFAR-10",
    "imagenet_mobilenetv1_025_224": "MobileNetV1 0.25, 224 x 224",
    "imagenet_mobilenetv2_224": "MobileNetV2, 224 x 224",
}
CPUS = ("native", "cortex-a53", "cortex-a76", "haswell")
TITLES = {"native": "x86-64, VNNI", "cortex-a53": "Cortex-A53", "cortex-a76": "Cortex-A76", "haswell": "Haswell"}
TOOLS = {"ours": "gdfq-export", "every": "gdfq-export, `ort-cpu-avx2`", "static": "quantize_static"}
RECIPE = "paper/noise"
_OBSERVED = 128  # of quantize_static, which keeps every tensor of all images


@click.group()
def main() -> None:
    """Measure files on several CPUs, and make the table of the page."""


@main.command()
@click.argument("networks", nargs=-1, type=click.Choice([*NETWORKS]))
@click.option("--files", type=click.Path(path_type=Path), required=True, help="Folder that keeps the files.")
@click.option("--images", type=int, default=8, help="To run on each CPU.  [default: 8]")
@click.option("--seed", type=int, default=0, help="Of the synthesized images.  [default: 0]")
def run(networks: tuple[str, ...], files: Path, images: int, seed: int) -> None:
    """Make the files of each network, and verify them on every CPU."""
    torch.set_num_threads(1)
    for name in networks or NETWORKS:
        network = gq.load(None if name == "demo" else f"{os.environ['GDFQ_EXPORT_DATA']}/models/{name}.onnx")
        made = _files(network, files / name, seed)
        real = _real_images(network, name, images)
        rows = [row for tool, path in made.items() for row in _rows(network, path, real, tool)]
        kept = [row for row in _results() if row["network"] != name]
        about = {"recipe": RECIPE, "seed": seed, "images": images, "emulator": "qemu-user"}
        write_results("cpus", {"rows": kept + [{"network": name, **about, **row} for row in rows]})


def _files(network: gq.FloatModel, folder: Path, seed: int) -> dict[str, Path]:
    """Our files and `quantize_static`'s, with the images that all were made of beside them."""
    made = {tool: folder / f"{tool}.onnx" for tool in TOOLS}
    folder.mkdir(parents=True, exist_ok=True)
    calibration = folder / "calibration.npz"
    if not made["ours"].exists():
        result = gq.quantize(network, RECIPE, out=made["ours"], run=gq.RunContext(seed=seed, device="cpu"))
        assert result.images is not None
        result.images.save(calibration)
    if not made["every"].exists():
        gq.quantize(
            network,
            RECIPE,
            out=made["every"],
            target="ort-cpu-avx2",
            calibration=SyntheticSet.load(calibration),
            run=gq.RunContext(seed=seed, device="cpu"),
        )
    if not made["static"].exists():
        (folder / "float.onnx").write_bytes(network.original.SerializeToString())
        images = torch.from_numpy(SyntheticSet.load(calibration).images[:_OBSERVED])
        static_recommended(folder / "float.onnx", images, folder).rename(made["static"])
    return made


def _real_images(network: gq.FloatModel, name: str, count: int) -> RealSet:
    """The first labelled images of the data that the network was trained for."""
    if name == "demo":
        every = gq.demo_data()
    else:
        source = "imagenet_val" if name.startswith("imagenet") else "cifar10_test_dev.npz"
        every = RealSet.load(f"{os.environ['GDFQ_EXPORT_DATA']}/{source}", network.input_spec, network.num_classes)
    return RealSet(images=every.images[:count], labels=every.labels[:count], origin=every.origin)


def _rows(network: gq.FloatModel, file: Path, images: RealSet, tool: str) -> list[dict[str, Any]]:
    options = gq.VerifyOptions(target="ort-cpu", cpu_images=len(images.images), timing=gq.Timing(seconds=0))
    report = gq.verify(file, network, data=images, cpus=CPUS, options=options)
    found = () if isinstance(report.findings, NotMeasured) else report.findings
    rules = {rule: sum(each.rule == rule for each in found) for rule in ("weights of -128", "sums differ")}
    rows = [{"tool": tool, **_row(figures), "rules": rules} for figures in report.cpus]
    for row in rows:
        click.echo(f"{network.name} {row}")
    return rows


def _row(figures: CpuFigures) -> dict[str, Any]:
    same, native = figures.parity, figures.native
    compared = {"integers": same.elements, "differing": same.differing} if isinstance(same, ParityResult) else {}
    beside = {}
    if isinstance(native, NativeComparison):
        answers = native.agreement
        beside = {
            "outputs": native.values,
            "outputs_differing": native.differing,
            "same_answers": answers.top1.count if isinstance(answers, Agreement) else None,
        }
    reason = {"reason": same.reason} if isinstance(same, NotMeasured) else {}
    return {"cpu": figures.cpu, "images_run": figures.images, **compared, **beside, **reason}


def _results() -> list[dict[str, Any]]:
    path = FOLDER / "cpus.json"
    rows: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["rows"] if path.exists() else []
    return rows


@main.command()
def page() -> None:
    """Write the table of docs/cpus.md."""
    replace_table(PAGE, _table(_results()), start=START, end=END)


def _table(rows: list[dict[str, Any]]) -> str:
    """One line for each network and file; a cell has integers that differ, and images with the same answer."""
    lines = [f"| network | file | integers | {' | '.join(TITLES.values())} |", "| --- " * (len(CPUS) + 3) + "|"]
    for name, title in NETWORKS.items():
        for tool, said in TOOLS.items():
            cells = {row["cpu"]: row for row in rows if (row["network"], row["tool"]) == (name, tool)}
            if cells:
                count = max(row.get("integers", 0) for row in cells.values())
                texts = [_cell(cells.get(cpu, {})) for cpu in CPUS]
                lines.append(f"| {title} | {said} | {count:,} | {' | '.join(texts)} |")
    return "\n".join(lines) + "\n"


def _cell(row: dict[str, Any]) -> str:
    if "differing" not in row:
        return "not compared"
    answers = row.get("same_answers")
    return f"{row['differing']:,}" + (f"; {answers} of {row['images_run']}" if answers is not None else "")


if __name__ == "__main__":
    main()
