"""A model card of a quantized network, as README.md of its bundle, made from the report.

Its front matter is that of the Hugging Face Hub (https://huggingface.co/docs/hub/model-cards). What the report does not
know, the card does not say: the licence and the intended use are those of the float network.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import yaml

from gdfq_export.report.report import Report
from gdfq_export.report.summary_table import summary_rows
from gdfq_export.runtimes import runtime_title
from gdfq_export.support.not_measured import NotMeasured
from gdfq_export.support.text import counted, shapes_text
from gdfq_export.views.markdown_text import escaped, table

_PIPELINES = {
    "classify": "image-classification",
    "detect": "object-detection",
    "segment": "image-segmentation",
    "embed": "image-feature-extraction",
}
_IMAGE_RANK = 3


def model_card(report: Report) -> str:
    """The card of the network of a `quantize` report, in Markdown with YAML front matter."""
    name = report.files.float_network.name
    sections = {
        f"# {escaped(name)}, quantized": _introduction(report),
        "## Use": _use(report),
        "## Measured": _measured(report),
        "## Limits": _limits(report),
        "## How it was made": _made(report),
        "## Check": _check(report),
    }
    head = yaml.safe_dump(_front_matter(report), sort_keys=False, allow_unicode=True, width=10**6)
    parts = [f"---\n{head}---", *(f"{title}\n\n{text}" for title, text in sections.items())]
    return "\n\n".join(parts) + "\n"


def _front_matter(report: Report) -> dict[str, Any]:
    task = None if report.task is None else _PIPELINES.get(report.task.name)
    body: dict[str, Any] = {"library_name": "onnx", "license": "unknown"}
    if task is not None and len(report.input.shape) == _IMAGE_RANK:
        body["pipeline_tag"] = task
    target = [] if report.recipe is None else [report.recipe.target]
    body["tags"] = ["onnx", "quantized", "data-free-quantization", "gdfq-export", *target]
    if not isinstance(report.accuracy, NotMeasured):
        top1 = report.accuracy.top1.quantized
        metric = {"type": "accuracy", "name": "Top-1 accuracy", "value": round(top1.value, 6)}
        body["model-index"] = [
            {
                "name": report.files.quantized.name,
                "results": [
                    {
                        "task": {"type": "image-classification"},
                        "dataset": {"name": report.accuracy.source, "type": "other"},
                        "metrics": [metric],
                    }
                ],
            }
        ]
    return body


def _introduction(report: Report) -> str:
    bits = "" if report.recipe is None else _bits(report.recipe.used)
    return (
        f"`model.onnx` is the network {escaped(report.source)}{bits}, quantized without its training data by "
        f"gdfq-export {escaped(report.tool_version)}. `float.onnx` is the float network it was made from. Licence, "
        "intended use and training data are those of the float network."
    )


def _bits(used: Any) -> str:
    bits = used.get("bits") if isinstance(used, dict) else None
    if not isinstance(bits, dict):
        return ""
    return f" with {bits.get('weights')}-bit weights and {bits.get('activations')}-bit activations"


def _use(report: Report) -> str:
    image, runtime = report.input, report.runtime
    where = "its runtime" if runtime is None else runtime_title(runtime.name)
    rows = [
        (each.name, shapes_text(each.shape), f"{each.scale:g}", _numbers(each.mean), _numbers(each.std))
        for each in image.inputs
    ] or [("input", shapes_text(image.shape), f"{image.scale:g}", _numbers(image.mean), _numbers(image.std))]
    head = ("input", "shape without the batch", "scale", "mean", "std")
    return (
        f"It runs in {escaped(where)}. Inputs are (pixel / scale - mean) / std, with the channels in the order of the "
        f"float network:\n\n{table(head, rows)}"
    )


def _numbers(values: Any) -> str:
    return ", ".join(f"{value:.6g}" for value in values)


def _measured(report: Report) -> str:
    head = ("figure", "value", "sample")
    gates = [(gate.name, str(gate.limit), gate.verdict.value) for gate in report.gates]
    text = table(head, summary_rows(report)[1:])
    return text if not gates else f"{text}\n\n{table(('gate', 'limit', 'verdict'), gates)}"


def _limits(report: Report) -> str:
    """Warnings, and which figures were not measured."""
    said = [f"- {escaped(warning)}" for warning in report.warnings]
    if report.task is not None and not report.task.real_images:
        said.append("- All figures are measured on synthetic images. On real images of the user they may differ.")
    missing = ", ".join(_not_measured(report))
    if missing:
        said.append(f"- Not measured: {missing}. `report.json` says why.")
    return "\n".join(said) or "None was found by the run."


def _not_measured(report: Report) -> Iterator[str]:
    for name in ("accuracy", "parity", "coverage", "latency"):
        if isinstance(getattr(report, name), NotMeasured):
            yield name


def _made(report: Report) -> str:
    rows = [("network", report.source)]
    if report.recipe is not None:
        rows += [("recipe", f"{report.recipe.name}, SHA-256 {report.recipe.sha256}"), ("target", report.recipe.target)]
    if report.calibration is not None:
        images = counted(report.calibration.images, "image")
        rows.append(("tuned on", f"{images}: {report.calibration.source}"))
    if report.seed is not None:
        rows.append(("seed", str(report.seed)))
    machine = report.machine
    rows.append(("machine", f"{machine.cpu}, {counted(machine.cores, 'core')}, {machine.system}"))
    rows.append(("versions", ", ".join(f"{name} {version}" for name, version in report.versions.items())))
    return f"{table(('what', 'value'), rows)}\n\n`provenance.json` and `sbom.cdx.json` have all of it for machines."


def _check(report: Report) -> str:
    return (
        "`manifest.json` has the SHA-256 of every file: `gdfq-export verify --manifest manifest.json` compares them "
        "and measures again, and with `--public-key KEY` checks who signed the bundle. Where `check.py` is among the "
        "files, it compares this device's outputs with those here; it needs numpy and onnxruntime alone. The quantized "
        f"file's SHA-256 is `{report.files.quantized.sha256}`."
    )
