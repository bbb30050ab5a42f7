"""What a file holds, in the form that everything behind it takes; what is changed is said in notices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import onnx

from gdfq_export.errors import InputError
from gdfq_export.frontend.passes.accepted_forms.float32 import in_float32
from gdfq_export.frontend.passes.accepted_forms.image_input import FLOAT_IMAGES, ImageForm, take_float_images
from gdfq_export.frontend.passes.accepted_forms.node_names import with_own_names
from gdfq_export.frontend.passes.accepted_forms.optimized_by_runtime import without_fused_operators


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """A network in that form: the file's own message where nothing had to be changed.

    Attributes:
        proto: the network.
        form: how the file takes its images; `proto` takes them as float32 [N, C, H, W].
        notices: sentences for the user about what was changed.
    """

    proto: onnx.ModelProto
    form: ImageForm = FLOAT_IMAGES
    notices: tuple[str, ...] = ()


def accept(proto: onnx.ModelProto, where: str) -> Accepted:
    """Bring `proto`, which is not modified, to the accepted form.

    Args:
        proto: the network as it was read or exported.
        where: what the user calls it.

    Raises:
        InputError: a weight cannot be read.
    """
    try:
        result, fused = without_fused_operators(proto)
        result, types = in_float32(with_own_names(result))
        result, form = take_float_images(result)
    except Exception as error:  # numpy_helper raises ValueError and TypeError for damaged data
        reason = " ".join(str(error).split())
        raise InputError(f"a weight of {where} cannot be read ({reason}); export it again") from error
    return Accepted(proto=result, form=form, notices=(*_taken_apart(where, fused), *converted_to_float32(where, types)))


def _taken_apart(where: str, operators: Sequence[str]) -> tuple[str, ...]:
    """The notice that operators of ONNX Runtime's optimiser are taken apart; none where there are none."""
    if not operators:
        return ()
    return (
        f"{where} was optimised by ONNX Runtime: {', '.join(operators)} are taken apart into operators of ONNX, and "
        "joined again where ONNX Runtime loads the file",
    )


def converted_to_float32(where: str, types: Sequence[str]) -> tuple[str, ...]:
    """The notice that a network of these types is converted; none where there are none."""
    if not types:
        return ()
    return (f"{where} computes in {' and '.join(types)}: it is converted to float32, inputs and outputs too",)
