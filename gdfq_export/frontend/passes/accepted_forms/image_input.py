"""Images as uint8 or with their channels last: the network behind takes float32 [N, C, H, W], the file does not.

tf2onnx and Keras keep [N, H, W, C] and a Transpose behind the input; networks for cameras take uint8, with a Cast and
their preprocessing in the graph.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from gdfq_export.frontend.passes.batch.symbolic_batch import graph_inputs

_TO_CHANNELS_FIRST, _TO_CHANNELS_LAST = [0, 3, 1, 2], [0, 2, 3, 1]
_COLOURS = (1, 3, 4)
_READS_CHANNELS_FIRST = ("Conv", "ConvTranspose", "BatchNormalization", "MaxPool", "AveragePool", "GlobalAveragePool")
_ELEMENTWISE = ("Add", "Sub", "Mul", "Div")


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageForm:
    """How a file takes its images.

    Attributes:
        pixels: as uint8, not float32.
        channels_last: as [N, H, W, C].
    """

    pixels: bool = False
    channels_last: bool = False

    def __str__(self) -> str:
        """Say it as in `uint8 [N, H, W, C]`."""
        return f"{'uint8' if self.pixels else 'float32'} {'[N, H, W, C]' if self.channels_last else '[N, C, H, W]'}"


FLOAT_IMAGES = ImageForm()
"""float32 [N, C, H, W], or another batch of floats."""


def take_float_images(proto: onnx.ModelProto) -> tuple[onnx.ModelProto, ImageForm]:
    """Return `proto` with an input float32 [N, C, H, W] of the same name, and the form it has; itself if it has none.

    What is done to each pixel in front of the Transpose, with constants for each channel, is done behind it.
    """
    form = _form_of(proto)
    if form == FLOAT_IMAGES:
        return proto, form
    result = onnx.ModelProto()
    result.CopyFrom(proto)
    del result.graph.value_info[:]
    kind = graph_inputs(result)[0].type.tensor_type
    kind.elem_type = TensorProto.FLOAT
    if form.channels_last:
        dims = [onnx.TensorShapeProto.Dimension.FromString(dim.SerializeToString()) for dim in kind.shape.dim]
        for place, source in zip(kind.shape.dim, _TO_CHANNELS_FIRST, strict=True):
            place.CopyFrom(dims[source])
    nodes = list(_Rewiring(result, form).nodes())
    del result.graph.node[:]
    result.graph.node.extend(nodes)
    return result, form


def in_form(proto: onnx.ModelProto, form: ImageForm) -> onnx.ModelProto:
    """Return `proto`, whose input is float32 [N, C, H, W], with an input of this form and of the same name."""
    if form == FLOAT_IMAGES:
        return proto
    result = onnx.ModelProto()
    result.CopyFrom(proto)
    (image,) = graph_inputs(result)
    taken = {name for node in result.graph.node for name in node.output} | {t.name for t in result.graph.initializer}
    kind, added, last = image.type.tensor_type, [], image.name
    if form.pixels:
        kind.elem_type = TensorProto.UINT8
        added.append(helper.make_node("Cast", [last], [_free(f"{image.name}_float", taken)], to=TensorProto.FLOAT))
        last = added[-1].output[0]
    if form.channels_last:
        dims = [onnx.TensorShapeProto.Dimension.FromString(dim.SerializeToString()) for dim in kind.shape.dim]
        for place, source in zip(kind.shape.dim, _TO_CHANNELS_LAST, strict=True):
            place.CopyFrom(dims[source])
        planes = _free(f"{image.name}_planes", taken)
        added.append(helper.make_node("Transpose", [last], [planes], perm=_TO_CHANNELS_FIRST))
        last = planes
    for node in result.graph.node:
        _rename(node, {image.name: last})
    nodes = [*added, *result.graph.node]
    del result.graph.node[:]
    result.graph.node.extend(nodes)
    return result


def _free(name: str, taken: Collection[str]) -> str:
    while name in taken:
        name += "_"
    return name


def _form_of(proto: onnx.ModelProto) -> ImageForm:
    inputs = graph_inputs(proto)
    if len(inputs) != 1:
        return FLOAT_IMAGES
    kind, name = inputs[0].type.tensor_type, inputs[0].name
    pixels = kind.elem_type == TensorProto.UINT8 and not any(
        node.op_type == "DequantizeLinear" and node.input[0] == name for node in proto.graph.node
    )
    if kind.elem_type != TensorProto.FLOAT and not pixels:
        return FLOAT_IMAGES
    return ImageForm(pixels=pixels, channels_last=has_channels_last(proto, inputs[0]))


def has_channels_last(proto: onnx.ModelProto, value: onnx.ValueInfoProto) -> bool:
    """Whether an input of the graph is images [N, H, W, C]."""
    sizes = [dim.dim_value for dim in value.type.tensor_type.shape.dim]
    return len(sizes) == 4 and _has_channels_last(proto, value.name, sizes[1:])


def _has_channels_last(proto: onnx.ModelProto, name: str, sizes: list[int]) -> bool:
    """Whether a Transpose says so, or the sizes and nothing against them; sizes that are open are 0."""
    height, width, channels = sizes
    smallest = 0 < channels < min(size or channels + 1 for size in (height, width))
    if not smallest:
        return False
    readers, behind = [], {name}
    for node in proto.graph.node:
        if not behind & set(node.input):
            continue
        if node.op_type == "Cast" or node.op_type in _ELEMENTWISE:
            behind |= set(node.output)
        else:
            readers.append(node)
    if any(node.op_type == "Transpose" and _perm(node) == _TO_CHANNELS_FIRST for node in readers):
        return True
    by_shape = channels in _COLOURS and height not in _COLOURS
    return by_shape and not any(node.op_type in _READS_CHANNELS_FIRST for node in readers)


def _perm(node: onnx.NodeProto) -> list[int]:
    return next((list(entry.ints) for entry in node.attribute if entry.name == "perm"), [])


def _rename(node: onnx.NodeProto, names: dict[str, str]) -> None:
    """Let `node`, and the nodes of its subgraphs, read other values."""
    for index, name in enumerate(node.input):
        node.input[index] = names.get(name, name)
    for entry in node.attribute:
        for inner in entry.g.node:
            _rename(inner, names)


class _Rewiring:
    """The nodes of a graph as they read a float image with its channels first.

    `planes` are values that have their channels first where the file has them last; `casts` and `upright` say which
    value stands for the output of a Cast and of a Transpose that are left out.
    """

    def __init__(self, proto: onnx.ModelProto, form: ImageForm) -> None:
        self.graph = proto.graph
        self.form = form
        name = graph_inputs(proto)[0].name
        self.image = {name}
        self.planes = {name} if form.channels_last else set()
        self.casts: dict[str, str] = {}
        self.upright: dict[str, str] = {}
        self.turned: dict[str, str] = {}
        self.outputs = {value.name for value in self.graph.output}
        self.constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in self.graph.initializer}
        for node in self.graph.node:
            if node.op_type == "Constant" and node.attribute[0].name == "value":
                self.constants[node.output[0]] = numpy_helper.to_array(node.attribute[0].t)

    def nodes(self) -> Iterator[onnx.NodeProto]:
        for node in list(self.graph.node):
            _rename(node, self.casts)
            if not self._left_out(node):
                yield from self._turned(node)
                _rename(node, self.upright)
                yield node

    def _left_out(self, node: onnx.NodeProto) -> bool:
        """A Cast of the image to float32, or the Transpose of planes that are planes already."""
        if node.output[0] in self.outputs:
            return False
        to = next((entry.i for entry in node.attribute if entry.name == "to"), None)
        cast = node.op_type == "Cast" and to == TensorProto.FLOAT and node.input[0] in self.image
        transpose = node.op_type == "Transpose" and node.input[0] in self.planes and _perm(node) == _TO_CHANNELS_FIRST
        if cast or transpose:
            (self.casts if cast else self.upright)[node.output[0]] = node.input[0]
        return cast or transpose

    def _turned(self, node: onnx.NodeProto) -> Iterator[onnx.NodeProto]:
        """Let an elementwise node work on planes; give any other the value with its channels last."""
        if not self.planes & set(node.input):
            return
        if node.output[0] not in self.outputs and self._works_on_planes(node):
            self.planes.add(node.output[0])
            return
        for name in sorted(self.planes & set(node.input)):
            if name not in self.turned:
                self.turned[name] = f"{name}_channels_last"
                yield helper.make_node("Transpose", [name], [self.turned[name]], perm=_TO_CHANNELS_LAST)
        _rename(node, {name: self.turned[name] for name in self.planes & set(node.input)})

    def _works_on_planes(self, node: onnx.NodeProto) -> bool:
        if node.op_type == "Cast":
            return True
        if node.op_type not in _ELEMENTWISE:
            return False
        index, others = next(((at, name) for at, name in enumerate(node.input) if name not in self.planes), (-1, ""))
        array = self.constants.get(others)
        if index < 0 or array is None or any(size != 1 for size in array.shape[:-1]):
            return index < 0
        if array.size > 1:
            node.input[index] = self._for_planes(others, array)
        return True

    def _for_planes(self, name: str, array: NDArray[Any]) -> str:
        """A constant [C] as [C, 1, 1]."""
        planes = f"{name}_planes"
        if planes not in self.constants:
            self.constants[planes] = np.ascontiguousarray(array.reshape(-1, 1, 1))
            self.graph.initializer.append(numpy_helper.from_array(self.constants[planes], planes))
        return planes
