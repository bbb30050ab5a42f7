"""FloatModel: the network to quantize, as every room after the entrance sees it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import onnx
import onnx_ir as ir
from torch import nn

from calib.input_spec import InputSpec
from gdfq_export.errors import InputError
from gdfq_export.frontend.passes.acceptance import require_float_classifier
from gdfq_export.frontend.passes.canonical import canonicalize
from gdfq_export.frontend.passes.fold_batch_norm import ChannelStatistics, fold_batch_norm
from gdfq_export.frontend.torch_import.importer import import_graph

__all__ = ["FloatModel", "build"]

_NO_BATCH_NORM = (
    "{where} has no BatchNormalization left (it was folded into the weights before), so what the training data looked "
    "like inside the network is lost: synthetic data is made from class scores alone and bias correction cannot use "
    "statistics; expect lower accuracy, or export the network again with BatchNormalization kept"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FloatModel:
    """A float classifier in all the forms the work needs.

    Attributes:
        name: short name, for instance of the file without its suffix.
        source: what the user gave.
        sha256: of the source's bytes; of graph and weights where there is no file.
        original: the float network as a user would run it, the baseline of every comparison.
        graph: canonical form, BatchNormalization kept.
        folded: canonical form, BatchNormalization folded.
        statistics: per channel statistics by value name of `folded`.
        teacher: torch module [N, C, H, W] -> logits [N, classes], in eval mode and without gradients of its own.
        input_spec: shape and preprocessing of an image.
        input_name: name of the graph's input.
        output_name: name of the graph's output.
        logits_name: value before a final Softmax or LogSoftmax, else the output.
        num_classes: columns of the output.
        warnings: sentences for the user about what was assumed or is lost.
    """

    name: str
    source: str
    sha256: str
    original: onnx.ModelProto
    graph: ir.Model
    folded: ir.Model
    statistics: dict[str, ChannelStatistics]
    teacher: nn.Module
    input_spec: InputSpec
    input_name: str
    output_name: str
    logits_name: str
    num_classes: int
    warnings: tuple[str, ...]


def build(
    proto: onnx.ModelProto,
    *,
    name: str,
    source: str,
    sha256: str,
    input_spec: InputSpec,
    classes: int | None = None,
    exported: bool = False,
    warnings: Sequence[str] = (),
) -> FloatModel:
    """Check `proto` and bring it into every form.

    Args:
        proto: the network as it was read or exported; not modified.
        name: short name.
        source: what the user gave; messages call the network this.
        sha256: of the source's bytes.
        input_spec: shape and preprocessing of an image; the shape must be the graph's.
        classes: number of classes the user stated, checked against the output.
        exported: `proto` is an exporter's raw output, so that the canonical graph is what a user would run.
        warnings: sentences found on the way here.

    Raises:
        InputError: the network is not a float classifier or uses operators that are not supported.
    """
    require_float_classifier(proto, source)
    graph = canonicalize(proto, source)
    output = graph.graph.outputs[0]
    num_classes = _classes(output, source)
    if classes is not None and classes != num_classes:
        raise InputError(
            f"the sidecar of {source} says {classes} classes but the output {output.name} has {num_classes}; correct it"
        )
    logits = _logits(output)
    teacher = import_graph(graph, until=str(logits.name)).eval().requires_grad_(False)
    folded = fold_batch_norm(graph)
    notes = list(warnings)
    if not folded.statistics:
        notes.append(_NO_BATCH_NORM.format(where=source))
    return FloatModel(
        name=name,
        source=source,
        sha256=sha256,
        original=ir.to_proto(graph) if exported else proto,
        graph=graph,
        folded=folded.model,
        statistics=folded.statistics,
        teacher=teacher,
        input_spec=input_spec,
        input_name=str(graph.graph.inputs[0].name),
        output_name=str(output.name),
        logits_name=str(logits.name),
        num_classes=num_classes,
        warnings=tuple(notes),
    )


def _classes(output: ir.Value, source: str) -> int:
    shape = list(output.shape or [])
    found = f"[{', '.join(str(size) for size in shape)}]"
    if len(shape) != 2 or isinstance(shape[0], int) or not isinstance(shape[1], int) or shape[1] < 2:
        raise InputError(
            f"{source} is not a classifier: its output {output.name} is {found} where class scores are [N, classes] "
            "with at least 2 classes; give a network that ends in class scores"
        )
    return shape[1]


def _logits(output: ir.Value) -> ir.Value:
    node = output.producer()
    if node is None or node.op_type not in ("Softmax", "LogSoftmax"):
        return output
    x = node.inputs[0]
    along_classes = node.attributes.get_int("axis", -1) in (-1, 1)
    return x if x is not None and x.producer() is not None and along_classes else output
