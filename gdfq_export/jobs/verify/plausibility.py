"""Do the file, the float network and the images belong together? What cannot be is refused, what is odd is said."""

from __future__ import annotations

import json

import numpy as np
import onnx

from gdfq_export.errors import InputError
from gdfq_export.frontend.float_model import FloatModel
from gdfq_export.jobs.verify.measure import Verification
from gdfq_export.metrics.preprocessing import preprocessing_findings
from gdfq_export.qdq.metadata import own_metadata
from gdfq_export.runtimes.base import Session
from gdfq_export.support.finding import Finding
from gdfq_export.support.not_measured import NotMeasured

__all__ = [
    "preprocessing_of_file",
    "require_engine_fits",
    "require_file_fits",
    "warn_of_chance",
    "warn_of_other_network",
]


def require_file_fits(model: FloatModel, proto: onnx.ModelProto, name: str) -> None:
    """Refuse a file that takes other images or gives other classes than the float network.

    Raises:
        InputError: it does.
    """
    advice = "give the float network that the file was made from as --reference"
    given = [*proto.graph.input]
    shape = [dim.dim_value for dim in given[0].type.tensor_type.shape.dim[1:]] if len(given) == 1 else []
    if len(given) != 1 or (min(shape, default=0) > 0 and tuple(shape) != model.input_spec.shape):
        found = f"images of {shape}" if len(given) == 1 else f"{len(given)} inputs"
        raise InputError(
            f"{name} takes {found}, the float network {model.source} images of {list(model.input_spec.shape)}; {advice}"
        )
    sizes = [dim.dim_value for dim in proto.graph.output[0].type.tensor_type.shape.dim]
    if len(sizes) == 2 and sizes[1] not in (0, model.num_classes):
        raise InputError(
            f"{name} has {sizes[1]} classes, the float network {model.source} has {model.num_classes}; {advice}"
        )


def require_engine_fits(model: FloatModel, session: Session, name: str) -> None:
    """Refuse an engine that takes other images or gives other classes; it is asked by running one image.

    Raises:
        InputError: it does.
    """
    advice = "give the float network that the engine was built from as --reference"
    try:
        outputs = session.run(np.zeros((1, *model.input_spec.shape), np.float32))
    except InputError as error:
        raise InputError(f"{error}; {advice}") from error
    if outputs.shape != (1, model.num_classes):
        raise InputError(
            f"{name} answers an image with {list(outputs.shape[1:])} numbers, the float network {model.source} has "
            f"{model.num_classes} classes; {advice}"
        )


def preprocessing_of_file(model: FloatModel, proto: onnx.ModelProto, measured: Verification) -> tuple[Finding, ...]:
    """Whether images are prepared as the file expects."""
    stated = own_metadata(proto).get("preprocessing")
    layers = None if isinstance(measured.layers, NotMeasured) else measured.layers
    return preprocessing_findings(model.input_spec, json.loads(stated) if stated else None, layers)


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


def warn_of_chance(measured: Verification, model: FloatModel) -> tuple[str, ...]:
    """A float network at chance level was not given what it was trained on."""
    accuracy = measured.accuracy
    if isinstance(accuracy, NotMeasured):
        return ()
    top1 = accuracy.top1.float_network
    if top1.high >= 2 / model.num_classes or top1.images < 20:
        return ()
    return (
        f"the float network itself is right on {100 * top1.value:.1f} % of {accuracy.source}, which is "
        "chance; check --scale, --mean, --std and the order of the labels",
    )
