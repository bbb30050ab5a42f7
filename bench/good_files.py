"""Good files of common networks, checked with the rules of every target: none may raise an alarm.

    python -m bench.good_files

Files have each target's form and ranges from noise. Writes bench/results/good_files.json after every network.
"""

from __future__ import annotations

import click
import onnx
import torch

from bench.results_file import write_results
from bench.usual_networks import USUAL_NETWORKS, load_drawn
from calib.samplers import NoiseSampler
from gdfq_export.frontend.float_model import FloatModel
from gdfq_export.jobs.draft_model import write_draft
from gdfq_export.lint.check import check
from gdfq_export.recipe import Bits
from gdfq_export.targets import TARGETS, find_target

_IMAGES = 4


def draft_file(network: FloatModel, target: str) -> onnx.ModelProto:
    """A W8A8 file in the target's form, with ranges from noise."""
    images = NoiseSampler(network.input_spec, network.num_classes, 0).draw(_IMAGES, _IMAGES)[0]
    return write_draft(network, target, Bits(), images).file


@click.command()
def main() -> None:
    """Check a good file of every common network with the rules of every target."""
    torch.set_num_threads(1)
    found: dict[str, list[str]] = {}
    for title, name in USUAL_NETWORKS.items():
        network = load_drawn(name)
        for target in TARGETS:
            findings = check(draft_file(network, target), find_target(target))
            found[f"{title}, {target}"] = [finding.message for finding in findings]
            click.echo(f"{title}, {target}: {len(findings)} {findings[0].message if findings else ''}")
        write_results("good_files", {"findings": found})


if __name__ == "__main__":
    main()
