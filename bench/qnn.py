"""Files for QNN beside those of ONNX Runtime's own tools: which tensors carry pairs, with which types and scales.

    python -m bench.qnn cifar10_resnet20.onnx imagenet_mobilenetv2_224.onnx

Both get the same folded float network for one image and the same images for ranges. ONNX Runtime's file is made with
`qnn_preprocess_model`, `get_qnn_qdq_config` (uint8 activations, int8 weights, a scale per channel) and `quantize`.
Where onnxruntime-qnn is installed, its provider says which nodes of each file the processor takes. Writes
bench/results/qnn.json.
"""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import click
import numpy as np
import onnx
import onnx_ir as ir
import torch
from onnxruntime.quantization import CalibrationDataReader, QuantType
from onnxruntime.quantization import quantize as quantize_onnx
from onnxruntime.quantization.execution_providers.qnn import get_qnn_qdq_config, qnn_preprocess_model

from bench.attention.networks import NETWORKS, SIDE, drawn
from bench.results_file import FOLDER, write_results
from bench.usual_networks import USUAL_NETWORKS, load_drawn
from gdfq_export.errors import BackendUnavailable, InputError
from gdfq_export.frontend.float_model import FloatModel
from gdfq_export.frontend.passes.batch.symbolic_batch import with_fixed_batch
from gdfq_export.frontend.sources import load_model
from gdfq_export.jobs.draft_model import write_draft
from gdfq_export.lint.check import check
from gdfq_export.lint.tensor_facts import TensorFacts, quantized_tensors
from gdfq_export.recipe import Bits
from gdfq_export.runtimes.qnn import Qnn
from gdfq_export.targets.qnn import QNN

RESULTS = FOLDER / "qnn.json"
_IMAGES = 8
_SUFFIXES = ("_q", "_quantized", "_QuantizeLinear_Input", "_float", "_output_0")


class _Images(CalibrationDataReader):  # type: ignore[misc]
    def __init__(self, name: str, images: np.ndarray) -> None:
        self._batches = iter([{name: image[None]} for image in images])

    def get_next(self) -> dict[str, np.ndarray] | None:
        return next(self._batches, None)


def of_onnxruntime(network: onnx.ModelProto, images: np.ndarray, folder: Path) -> onnx.ModelProto:
    """The file that ONNX Runtime's tools for QNN make of a float network for one image."""
    prepared, quantized = folder / "prepared.onnx", folder / "quantized.onnx"
    del network.metadata_props[:]  # ONNX Runtime 1.32 raises TypeError where there are any
    onnx.save(network, folder / "float.onnx")
    if not qnn_preprocess_model(folder / "float.onnx", prepared):
        prepared = folder / "float.onnx"
    reader = _Images(network.graph.input[0].name, images)
    config = get_qnn_qdq_config(
        prepared, reader, activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8, per_channel=True
    )
    quantize_onnx(prepared, quantized, config)
    return onnx.load(quantized)


def _tensors(file: onnx.ModelProto) -> dict[str, TensorFacts]:
    found = {}
    for each in quantized_tensors(file):
        name = each.name
        for suffix in _SUFFIXES:
            name = name.removesuffix(suffix)
        found[name] = each
    return found


def compared(model: FloatModel) -> dict[str, Any]:
    """How the two files of one network differ, and what the processor takes of each."""
    low, high = (min(model.input_spec.low), max(model.input_spec.high))
    random = np.random.default_rng(0)
    images = random.uniform(low, high, (_IMAGES, *model.input_spec.shape)).astype(np.float32)
    draft = write_draft(model, QNN.name, Bits(), torch.from_numpy(images))
    folded = ir.to_proto(model.folded)
    with tempfile.TemporaryDirectory() as folder:
        theirs = of_onnxruntime(with_fixed_batch(folded, 1), images, Path(folder))
    ours, peers = _tensors(draft.file), _tensors(theirs)
    differing: Counter[str] = Counter()
    same = 0
    for name in ours.keys() | peers.keys():
        difference = _difference(ours.get(name), peers.get(name))
        same += not difference
        if difference:
            differing[difference] += 1
    return {
        "tensors": {"ours": len(ours), "onnxruntime": len(peers), "same": same},
        "differences": dict(sorted(differing.items())),
        "float nodes of ours": dict(
            Counter(f"{node.op_type}: {node.reason}" for node in draft.plan.nodes if _is_float(node))
        ),
        "broken rules": {
            "ours": dict(Counter(each.rule for each in check(draft.file, QNN))),
            "onnxruntime": dict(Counter(each.rule for each in check(theirs, QNN))),
        },
        "on the CPU": {"ours": _on_cpu(draft.file), "onnxruntime": _on_cpu(theirs)},
    }


def _is_float(node: Any) -> bool:
    return node.kernel is None and not node.reason.startswith("absorbed")


def _difference(ours: TensorFacts | None, theirs: TensorFacts | None) -> str:
    if ours is None or theirs is None:
        there = theirs or ours
        assert there is not None
        return f"{there.role} only in {'ONNX Runtime' if ours is None else 'ours'}"
    if (ours.dtype, ours.role) != (theirs.dtype, theirs.role):
        return f"{ours.role} {ours.dtype}, in ONNX Runtime's {theirs.role} {theirs.dtype}"
    if (ours.scales, ours.axis) != (theirs.scales, theirs.axis):
        return f"{ours.role} with {'several scales' if ours.scales > 1 else 'one scale'}, in ONNX Runtime's otherwise"
    return ""


def _on_cpu(file: onnx.ModelProto) -> dict[str, int] | str:
    """Operators that the processor does not take."""
    try:
        names = Qnn().load(file.SerializeToString(), 1).on_cpu
    except (BackendUnavailable, InputError) as error:
        return str(error)
    return dict(Counter(node.op_type for node in file.graph.node if node.name in names and node.op_type != "Mul"))


def _attention(name: str, folder: Path) -> FloatModel:
    path = folder / "network.onnx"
    torch.onnx.export(drawn(name), (torch.zeros(1, 3, SIDE, SIDE),), path, dynamo=False, opset_version=17)
    return load_model(path)


def _load(name: str, folder: Path) -> FloatModel:
    if name in NETWORKS:
        return _attention(name, folder)
    return load_drawn(name) if name in USUAL_NETWORKS.values() else load_model(name)


@click.command()
@click.argument("networks", nargs=-1, required=True)
def main(networks: tuple[str, ...]) -> None:
    """Compare the files of NETWORKS: paths, or names in bench/attention/networks.py or bench/usual_networks.py."""
    results = json.loads(RESULTS.read_text(encoding="utf-8"))["networks"] if RESULTS.exists() else {}
    for network in networks:
        with tempfile.TemporaryDirectory() as folder:
            model = _load(network, Path(folder))
            results[Path(network).stem] = found = compared(model)
        click.echo(f"{network}: {json.dumps(found, indent=1)}")
    write_results(RESULTS.stem, {"networks": dict(sorted(results.items()))})


if __name__ == "__main__":
    main()
