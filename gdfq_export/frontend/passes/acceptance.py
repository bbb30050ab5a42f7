"""What a float network must be before any work starts: cheap checks on the file, each with its way out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import onnx
from onnx import TensorProto, numpy_helper

from gdfq_export.errors import InputError
from gdfq_export.frontend.passes.accepted_forms.float32 import every_node
from gdfq_export.frontend.passes.accepted_forms.image_input import has_channels_last
from gdfq_export.frontend.passes.batch.symbolic_batch import graph_inputs
from gdfq_export.frontend.passes.opset import OLDEST_OPSET, OPSET, opset_of

NOT_QUANTIZED = (
    "{} is not quantized: it computes in float; give the file that gdfq-export quantize or another tool made of it"
)

_QUANTIZED = ("QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear", "ConvInteger", "MatMulInteger")
_USUAL_SIZES = {2: (1, 1024), 3: (3, 224, 224), 4: (1, 32, 64, 64)}  # by the number of sizes behind the batch
_STANDARD_DOMAINS = ("", "ai.onnx")


def require_float_network(proto: onnx.ModelProto, where: str) -> None:
    """Check what can be seen without running the network.

    Raises:
        InputError: wrong opset, already quantized, an input is no batch of floats of static size,
            weights that are not finite, training mode, custom operators, or not valid ONNX.
    """
    _require_opset(proto, where)
    _require_operators(proto, where)
    _require_inputs(proto, where)
    _require_finite(proto, where)
    try:
        onnx.checker.check_model(proto)
    except Exception as error:  # ValidationError, and ValueError above 2 GiB
        reason = " ".join(str(error).split())[:300]
        raise InputError(f"{where} is not a valid ONNX model ({reason}); export it again") from error


def fix_input_shape(
    proto: onnx.ModelProto, shape: Sequence[int] | Mapping[str, Sequence[int]], where: str, origin: str
) -> None:
    """Write sizes, as C, H, W, into the graph's input where they are dynamic; `proto` is changed.

    Args:
        proto: the network.
        shape: without the batch, (C, H, W) of images; of several inputs by name.
        where: what the user calls the network.
        origin: where `shape` comes from, for the message.

    Raises:
        InputError: the graph's input has another rank or other static dimensions.
    """
    inputs = {value.name: value for value in graph_inputs(proto)}
    if len(inputs) == 1 and not isinstance(shape, Mapping):
        shape = dict.fromkeys(inputs, shape)
    if not isinstance(shape, Mapping) or (unknown := [name for name in shape if name not in inputs]):
        said = f"the input {unknown[0]}" if isinstance(shape, Mapping) else "one input"
        raise InputError(
            f"{origin} gives the shape of {said}, and the inputs of {where} are {', '.join(inputs)}; name each, as in "
            "--input-shape NAME=C,H,W"
        )
    for name, sizes in shape.items():
        _fix_shape(inputs[name], tuple(sizes), where, origin)


def _fix_shape(value: onnx.ValueInfoProto, shape: tuple[int, ...], where: str, origin: str) -> None:
    dims = value.type.tensor_type.shape.dim
    if not dims:
        for _ in range(1 + len(shape)):
            dims.add()
    found = [dim.dim_param or (dim.dim_value if dim.HasField("dim_value") else "?") for dim in dims]
    fixed = [isinstance(size, int) and size > 0 for size in found[1:]]
    if len(fixed) != len(shape) or any(fix and a != b for fix, a, b in zip(fixed, found[1:], shape, strict=True)):
        raise InputError(
            f"{origin} says that images are {list(shape)} but the input {value.name} of {where} is {found}; "
            "make the two agree, without the batch"
        )
    for dim, size in zip(dims[1:], shape, strict=True):
        dim.dim_value = size


def assume_input_shape(proto: onnx.ModelProto, where: str) -> tuple[str, ...]:
    """Write a usual size into the graph's input where it is still dynamic, and say so; `proto` is changed."""
    return tuple(said for value in graph_inputs(proto) for said in _assume_shape(value, where))


def _assume_shape(value: onnx.ValueInfoProto, where: str) -> tuple[str, ...]:
    dims = value.type.tensor_type.shape.dim[1:]
    usual = _USUAL_SIZES.get(len(dims), ())
    open_sizes = [(dim, size) for dim, size in zip(dims, usual, strict=False) if dim.dim_value <= 0]
    if not open_sizes:
        return ()
    for dim, size in open_sizes:
        dim.dim_value = size
    sizes = ",".join(str(dim.dim_value) for dim in dims)
    return (
        f"nothing says how large the input {value.name} of {where} is: {sizes} is assumed; pass --input-shape or "
        "put the size it is used at into the sidecar file",
    )


def _require_opset(proto: onnx.ModelProto, where: str) -> None:
    version = opset_of(proto)
    if not proto.graph.node:
        raise InputError(f"{where} is not an ONNX model or holds no operators; export it again")
    if version < OLDEST_OPSET:
        raise InputError(
            f"{where} uses opset {version}; accepted are {OLDEST_OPSET} and later, so export it with opset {OPSET}"
        )


def not_quantized(proto: onnx.ModelProto, where: str) -> tuple[str, ...]:
    """The warning to who gives a float network where a quantized file is looked for; nothing for a quantized one."""
    if any(map(_quantizes, every_node(proto))):
        return ()
    return (f"{where} is a float network: nothing in it is quantized; give the file that was made of it",)


def _quantizes(node: onnx.NodeProto) -> bool:
    return node.op_type in _QUANTIZED or node.op_type.startswith("QLinear")


def _require_operators(proto: onnx.ModelProto, where: str) -> None:
    own = {(function.domain, function.name) for function in proto.functions}
    for node in proto.graph.node:
        if _quantizes(node):
            raise InputError(
                f"{where} is already quantized (node {node.name or node.output[0]} is a {node.op_type}); "
                "give the float network it was made from"
            )
        if node.domain not in _STANDARD_DOMAINS and (node.domain, node.op_type) not in own:
            raise InputError(
                f"{where} uses the operator {node.domain}.{node.op_type} (node {node.name or node.output[0]}), which "
                "is not standard ONNX; export the network without runtime optimisations"
            )
        training = any(entry.name == "training_mode" and entry.i for entry in node.attribute)
        if node.op_type == "BatchNormalization" and training:
            raise InputError(
                f"{where} was exported in training mode (node {node.name or node.output[0]}); "
                "call eval() on the network before exporting it"
            )


def _require_inputs(proto: onnx.ModelProto, where: str) -> None:
    inputs = graph_inputs(proto)
    if not inputs:
        raise InputError(f"{where} has no inputs; export it with the image [N, C, H, W], or another batch, as one")
    for value in inputs:
        _require_batch_of_floats(value, where)
        if len(inputs) > 1 and has_channels_last(proto, value):
            raise InputError(
                f"the input {value.name} of {where} has its channels last, which is accepted of a single input; export "
                "the network with channels first, [N, C, H, W]"
            )


def _require_batch_of_floats(value: onnx.ValueInfoProto, where: str) -> None:
    kind = value.type.tensor_type
    if kind.elem_type != TensorProto.FLOAT:
        raise InputError(
            f"the input {value.name} of {where} is {_type_name(kind.elem_type)}, not float32; export the network in "
            "float32, with integers such as indices or masks as constants, or from behind what looks them up"
        )
    dims = [dim.dim_param or (dim.dim_value if dim.HasField("dim_value") else "?") for dim in kind.shape.dim]
    if len(dims) < 2:
        raise InputError(
            f"the input {value.name} of {where} is {dims}, which is no batch such as [N, C, H, W] or [N, F]; "
            "export a network whose input's first dimension is the batch"
        )
    if not all(isinstance(size, int) and size > 0 for size in dims[1:]):
        raise InputError(
            f"the input {value.name} of {where} is {dims}: its size must be fixed; "
            "pass --input-shape, for images C,H,W, or put it into the sidecar file"
        )


def _tensors(proto: onnx.ModelProto) -> Iterator[tuple[str, TensorProto]]:
    for tensor in proto.graph.initializer:
        yield tensor.name, tensor
    for node in proto.graph.node:
        for entry in node.attribute:
            if entry.type == onnx.AttributeProto.TENSOR:
                yield node.output[0], entry.t


def _require_finite(proto: onnx.ModelProto, where: str) -> None:
    for name, tensor in _tensors(proto):
        if tensor.data_type != TensorProto.FLOAT:
            continue
        try:
            array = numpy_helper.to_array(tensor)
        except Exception as error:  # numpy_helper raises ValueError and TypeError for damaged data
            reason = " ".join(str(error).split())
            raise InputError(f"the weight {name} of {where} cannot be read ({reason}); export it again") from error
        if np.isnan(array).any() or (array.ndim > 0 and np.isinf(array).any()):
            bad = int((~np.isfinite(array)).sum())
            raise InputError(
                f"the weight {name} of {where} holds NaN or infinity in {bad:,} of {array.size:,} values; "
                "the training diverged or the file is damaged, so give an intact network"
            )


def _type_name(data_type: int) -> str:
    return TensorProto.DataType.Name(data_type).lower() if data_type else "of unknown type"
