"""Networks of public bug reports: each script of a folder writes one, which is quantized beside `quantize_static`.

    GDFQ_EXPORT_DATA=FOLDER python -m bench.cases run [CASE ...]
    python -m bench.cases page

The scripts lie in GDFQ_EXPORT_CASES, or in cases/ beside FOLDER.
"""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import asdict
from pathlib import Path

import click
import torch

from bench.case_kinds import KINDS
from bench.case_run import CaseResult, run_case
from bench.results_file import FOLDER, write_results
from gdfq_export.support.files import atomic_output

RESULTS = FOLDER / "cases.json"
PAGE = Path(__file__).parent.parent / "docs" / "cases.md"

_INTRODUCTION = """\
# Kinds of networks

Small networks, each of a kind that public bug reports of quantization tools are about: odd inputs and names, BatchNorm
in unusual places, extreme weights, rare operators, files of other tools. Each is quantized for ONNX Runtime with the
default recipe at 8 bits, on few generated images. Weights are random, so figures compare tools, not networks.

*Signal to noise* is that of the network's outputs on 64 smooth images that no file was calibrated on, in ONNX Runtime;
higher is better, and 200 dB is an output without error. *quantize_static* is ONNX Runtime's own quantizer (per channel,
uint8 activations, int8 weights, pre-processed) on the images that our file was calibrated on. *Exact* means that every
integer that ONNX Runtime computes is the one that was simulated. *Layers* are convolutions and matrix products: on
integers, and in all. `python -m bench.cases run` measures, `python -m bench.cases page` makes this page.
"""


def case_scripts() -> list[Path]:
    """The scripts, in order of their names; none where there is no folder of them."""
    folder = os.environ.get("GDFQ_EXPORT_CASES")
    if folder is None and "GDFQ_EXPORT_DATA" in os.environ:
        folder = str(Path(os.environ["GDFQ_EXPORT_DATA"]).resolve().parent / "cases")
    return [] if folder is None else sorted(path for path in Path(folder).glob("[!_]*.py"))


@click.group()
def main() -> None:
    """Run the cases, and make their page."""


@main.command()
@click.argument("names", nargs=-1)
@click.option("--keep", type=click.Path(file_okay=False, path_type=Path), help="Folder to keep networks and files in.")
def run(names: tuple[str, ...], keep: Path | None) -> None:
    """Run the scripts called NAMES (all by default) and enter their results."""
    torch.set_num_threads(1)
    scripts = [script for script in case_scripts() if not names or script.stem in names]
    if not scripts:
        raise click.UsageError("there are no such scripts; let GDFQ_EXPORT_CASES name their folder")
    results = _results()
    with tempfile.TemporaryDirectory() as temporary:
        folder = keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        for script in scripts:
            results[script.stem] = case = run_case(script, folder)
            click.echo(f"{case.name}: {what_happens(case)}; {figures(case)}; {case.seconds:.0f} s")
            write_results("cases", {"cases": {name: asdict(results[name]) for name in sorted(results)}})


@main.command()
def page() -> None:
    """Make docs/cases.md from what was measured."""
    with atomic_output(PAGE) as temporary:
        temporary.write_text(build_page(_results()), encoding="utf-8")


def build_page(results: dict[str, CaseResult]) -> str:
    """The page as Markdown."""
    parts = [_INTRODUCTION]
    for title, cases in KINDS.items():
        rows = [f"| {text} | {_row(results[name])} |" for name, text in cases.items() if name in results]
        if not rows:
            continue
        foreign = all(results[name].foreign for name in cases if name in results)
        columns = ("file", "`inspect`", "`verify`") if foreign else (
            "network", "what happens", "signal to noise, dB", "quantize_static, dB"
        )  # fmt: skip
        head = [f"| {' | '.join(columns)} |", f"|{' --- |' * len(columns)}"]
        parts.append("\n".join([f"## {title}", "", *head, *rows, ""]))
    return "\n".join(parts)


def _row(case: CaseResult) -> str:
    if case.foreign:
        return " | ".join(_read(*case.foreign[command]) for command in ("inspect", "verify"))
    return f"{what_happens(case)} | {_decibels(case.ours)} | {_decibels(case.static) or _reason(case.static_message)}"


def what_happens(case: CaseResult) -> str:
    """Whether there is a file, or why not."""
    if case.exit_code:
        return f"exit code {case.exit_code}: {_plain(case.message)}"
    layers = "" if case.layers is None else f", layers {case.layers[0]} of {case.layers[1]}"
    return f"{'exact' if case.parity else '**not exact**'}{layers}"


def figures(case: CaseResult) -> str:
    """Signal to noise of every output beside `quantize_static`'s."""
    return f"{_decibels(case.ours)} dB, quantize_static {_decibels(case.static) or case.static_message}"


def _read(code: int, message: str) -> str:
    return f"exit code {code}: {_plain(message)}" if code else "read"


def _decibels(snr: dict[str, float]) -> str:
    return ", ".join(f"{value:.1f}" for value in snr.values())


def _reason(message: str) -> str:
    return f"fails ({message.split(':')[0]})" if message else ""


def _plain(message: str) -> str:
    return message.replace("|", "/")


def _results() -> dict[str, CaseResult]:
    if not RESULTS.exists():
        return {}
    cases = json.loads(RESULTS.read_text(encoding="utf-8"))["cases"]
    return {name: CaseResult(**facts) for name, facts in cases.items()}


if __name__ == "__main__":
    main()
