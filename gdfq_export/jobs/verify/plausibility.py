"""Do the file, the float network and the images belong together? What cannot be is refused, what is odd is said."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx

from gdfq_export.errors import InputError
from gdfq_export.frontend.float_model import FloatModel
from gdfq_export.frontend.passes.accepted_forms.image_input import take_float_images
from gdfq_export.frontend.passes.batch.symbolic_batch import graph_inputs
from gdfq_export.jobs.verify.measure import Verification
from gdfq_export.metrics.preprocessing import preprocessing_findings
from gdfq_export.qdq.metadata import own_metadata
from gdfq_export.runtimes.session import Session
from gdfq_export.support.files import parse_json
from gdfq_export.support.finding import Finding
from gdfq_export.support.not_measured import NotMeasured
from gdfq_export.support.text import shapes_text, shown
from gdfq_export.tasks.classification.task import Classification


def require_file_fits(model: FloatModel, proto: onnx.ModelProto, name: str) -> None:
    """Refuse a file that takes other images or gives other outputs than the float network.

    Raises:
        InputError: it does.
    """
    advice = "give the float network that the file was made from as --reference"
    given = graph_inputs(take_float_images(proto)[0])
    sizes = [(value.name, [dim.dim_value for dim in value.type.tensor_type.shape.dim[1:]]) for value in given]
    wanted = [spec.shape for spec in model.input_spec.by_name.values()] or [model.input_spec.shape]
    known = zip(sizes, wanted, strict=False)
    if len(given) != len(wanted) or any(min(a, default=0) > 0 and tuple(a) != b for (_, a), b in known):
        found = f"images of {sizes[0][1]}" if len(given) == 1 else f"inputs of {shapes_text(dict(sizes))}"
        own = {name: spec.shape for name, spec in model.input_spec.by_name.items()}
        taken = f"inputs of {shapes_text(own)}" if own else f"images of {list(model.input_spec.shape)}"
        raise InputError(f"{name} takes {found}, the float network {model.source} {taken}; {advice}")
    outputs = [[dim.dim_value for dim in value.type.tensor_type.shape.dim] for value in proto.graph.output]
    _require_same_outputs(model, outputs, name, advice)


def require_engine_fits(model: FloatModel, session: Session, name: str) -> None:
    """Refuse an engine that takes other images or gives other outputs; it is asked by running one image.

    Raises:
        InputError: it does.
    """
    advice = "give the float network that the engine was built from as --reference"
    try:
        outputs = session.run_all(np.zeros((1, *model.input_spec.shape), np.float32))
    except InputError as error:
        raise InputError(f"{error}; {advice}") from error
    _require_same_outputs(model, [output.shape for output in outputs], name, advice)


def _require_same_outputs(model: FloatModel, shapes: Sequence[Sequence[int]], name: str, advice: str) -> None:
    task = model.task
    if not task.fits(shapes):
        raise InputError(
            f"{name} has {task.describe(shapes)}, the float network {model.source} has {task.describe()}; {advice}"
        )


def preprocessing_of_file(model: FloatModel, proto: onnx.ModelProto, measured: Verification) -> tuple[Finding, ...]:
    """Whether images are prepared as the file expects."""
    stated = own_metadata(proto).get("preprocessing")
    layers = None if isinstance(measured.layers, NotMeasured) else measured.layers
    try:
        return preprocessing_findings(model.input_spec, parse_json(stated) if stated else None, layers)
    except (AttributeError, TypeError, ValueError) as error:
        raise InputError(
            f"the metadata gdfq_export.preprocessing of the file is {shown(stated)}, which this tool never writes; "
            "write the file again"
        ) from error


def warn_of_other_network(
    measured: Verification, model: FloatModel, proto: onnx.ModelProto, name: str
) -> tuple[str, ...]:
    """A float network that shares no tensor name with the file is seldom the one that it was made from."""
    layers = measured.layers
    if isinstance(layers, NotMeasured) or not layers.unmatched_tensors:
        return ()
    ends = {value.name for value in (*proto.graph.input, *proto.graph.output)}
    if any(layer.tensor not in ends for layer in layers.layers):
        return ()
    return (
        f"no tensor inside {name} has the name of one of {model.source}: if it was made from another network, give "
        "that as --reference; if a tool gave new names, layers cannot be compared",
    )


def warn_of_accuracy(measured: Verification, model: FloatModel) -> tuple[str, ...]:
    """What the accuracy of the float network says against the data."""
    accuracy, task = measured.accuracy, model.task
    if isinstance(accuracy, NotMeasured) or not isinstance(task, Classification):
        return ()
    return task.warnings(accuracy)
