"""FloatModel: the network to quantize, as every room after the entrance sees it."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import onnx
import onnx_ir as ir
from torch import nn

from calib.input_spec import InputSpec
from gdfq_export.errors import GdfqExportError, InputError, errors_name
from gdfq_export.frontend.passes.acceptance import require_float_network
from gdfq_export.frontend.passes.accepted_forms.image_input import FLOAT_IMAGES, ImageForm
from gdfq_export.frontend.passes.accepted_forms.open_sizes import OpenSizes
from gdfq_export.frontend.passes.canonical import canonicalize
from gdfq_export.frontend.passes.fold_batch_norm import ChannelStatistics, fold_batch_norm
from gdfq_export.frontend.sources.export_hint import EXPORT_ARGUMENTS, OLD_EXPORT_ARGUMENTS
from gdfq_export.frontend.torch_import.cut import Gradients
from gdfq_export.frontend.torch_import.failing_node import failing_node
from gdfq_export.frontend.torch_import.importer import import_graph
from gdfq_export.support.fixed_batch.graph_batch import graph_batch
from gdfq_export.support.text import counted
from gdfq_export.tasks.outputs import network_outputs
from gdfq_export.tasks.registry import NOTHING_STATED, FoundTask, StatedTask, find_task
from gdfq_export.tasks.task import Task

_NO_BATCH_NORM = (
    "{where} has no BatchNormalization left; statistics measured on images from priors stand in for it: the same "
    "agreement at 8 bits, half a point of accuracy less at 4 bits (docs/measured.md); to keep it: "
    f"torch.onnx.export(network, (image,), FILE, {EXPORT_ARGUMENTS}), with the older exporter {OLD_EXPORT_ARGUMENTS}"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FloatModel:
    """A float network in all the forms the work needs.

    Attributes:
        name: short name, for instance of the file without its suffix.
        source: what the user gave.
        sha256: of the source's bytes; of graph and weights where there is no file.
        original: the float network as a user would run it, the baseline of every comparison.
        graph: canonical form, BatchNormalization kept.
        folded: canonical form, BatchNormalization folded.
        statistics: per channel statistics by value name of `folded`.
        make_teacher: gives `teacher`, the same module at each call.
        input_spec: shape and preprocessing of an image; of several inputs joined to one (`calib.joined_inputs`).
        input_name: name of the graph's input, of several the first.
        found_task: what the outputs mean, and why.
        warnings: sentences for the user about what was assumed or is lost.
        source_batch: the batch that the source is fixed to, None where it is dynamic.
        image_form: how the source takes its images; every form here takes float32 [N, C, H, W].
        keep_batch: the user asks that the quantized file is fixed to it too.
        open_sizes: the sizes that the source leaves open, None where it leaves none.
        stand_ins: whether `statistics` were measured on images that were made, as BatchNorm left too few.
    """

    name: str
    source: str
    sha256: str
    original: onnx.ModelProto
    graph: ir.Model
    folded: ir.Model
    statistics: dict[str, ChannelStatistics]
    make_teacher: Callable[[], nn.Module]
    input_spec: InputSpec
    input_name: str
    found_task: FoundTask
    warnings: tuple[str, ...]
    source_batch: int | None = None
    keep_batch: bool = False
    image_form: ImageForm = FLOAT_IMAGES
    open_sizes: OpenSizes | None = None
    stand_ins: bool = False

    @property
    def file_batch(self) -> int | None:
        """The batch that the quantized file is fixed to, None where it takes any.

        It is the source's where the user asks for it, or where the network computes otherwise with another.
        """
        return self.source_batch if self.keep_batch else graph_batch(self.graph.graph)

    @property
    def batch_notice(self) -> tuple[str, ...]:
        """The sentence that says what becomes of the source's fixed batch, where the user does not."""
        if self.source_batch is None or self.keep_batch:
            return ()
        taken = counted(self.source_batch, "image")
        if self.file_batch is not None:
            return (
                f"{self.source} takes exactly {taken} at a time and computes otherwise with another batch, so the "
                "quantized file takes as many; other numbers of images are computed in such pieces here",
            )
        return (f"{self.source} takes exactly {taken} at a time, the quantized file any number; --keep-batch keeps it",)

    @property
    def teacher(self) -> nn.Module:
        """The torch module [N, C, H, W] -> the values `task.compared`, in eval mode and without gradients of its own.

        It is imported when it is first asked for: measuring a file on given images does without.

        Raises:
            InputError: it uses operators that are not supported.
        """
        return self.make_teacher()

    @property
    def task(self) -> Task:
        """What the outputs mean."""
        return self.found_task.task

    @property
    def task_notice(self) -> str:
        """The sentence that says what the outputs are taken for, and why."""
        return f"{self.source} is a network of the task {self.task.name}, {self.found_task.reason}"

    @property
    def num_classes(self) -> int | None:
        """Number of classes of a classifier, for `RealSet.load`; None for a network of another task."""
        return self.task.facts.get("classes")


def build(
    proto: onnx.ModelProto,
    *,
    name: str,
    source: str,
    sha256: str,
    input_spec: InputSpec,
    stated: StatedTask = NOTHING_STATED,
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
        stated: what the user states of the task.
        exported: `proto` is an exporter's raw output, so that the canonical graph is what a user would run.
        warnings: sentences found on the way here.

    Raises:
        InputError: the stated task does not have such outputs, the network is not float, or uses operators that are
            not supported.
    """
    require_float_network(proto, source)
    try:
        graph = canonicalize(proto, source)
    except GdfqExportError:
        raise
    except Exception as error:  # passes of onnx_ir raise what they like of graphs that they do not expect
        reason = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
        raise InputError(
            f"{source} cannot be brought into its canonical form ({reason}); export it again, or report it with the "
            "file if ONNX Runtime runs it"
        ) from error
    found = _find_task(graph, source, input_spec, stated)

    @functools.cache
    def make_teacher() -> nn.Module:
        with errors_name(source):
            return import_graph(graph, until=found.task.compared, any_batch=True).eval().requires_grad_(False)

    with errors_name(source):
        folded = fold_batch_norm(graph, found.task.compared)
    notes = list(warnings)
    if not folded.statistics:
        notes.append(_NO_BATCH_NORM.format(where=source))
    return FloatModel(
        name=name,
        source=source,
        sha256=sha256,
        original=ir.to_proto(graph) if exported or graph_batch(graph.graph) is not None else proto,
        graph=graph,
        folded=folded.model,
        statistics=folded.statistics,
        make_teacher=make_teacher,
        input_spec=input_spec,
        input_name=str(graph.graph.inputs[0].name),
        found_task=found,
        warnings=tuple(notes),
    )


def _find_task(graph: ir.Model, source: str, input_spec: InputSpec, stated: StatedTask) -> FoundTask:
    """The task; what torch does not compute as the runtime does is behind the graph cut.

    A graph that torch does not take at all is an error where its teacher is first asked for.
    """
    failing: list[str] = []
    while True:
        cuts = Gradients(graph.graph, failing).cuts()
        found = find_task(network_outputs(graph, input_spec.image_shape, cuts=cuts), source, stated=stated)
        try:
            module = import_graph(graph, until=found.task.compared, any_batch=True)
            node = failing_node(module, graph.graph, input_spec.shape)
        except InputError:
            return found
        if node is None or node in failing:
            return found
        failing.append(node)
