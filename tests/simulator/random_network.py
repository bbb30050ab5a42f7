"""Random small classifiers, as hypothesis strategies: every operator an integer kernel exists for, in every order."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
from hypothesis import strategies as st

from tests import tiny_graph

SIDE = 9
CHANNELS = 4
CLASSES = 5


class Network:
    """A graph under construction; `at` is the current value, `shape` its [C, H, W]."""

    def __init__(self, seed: int) -> None:
        self.random = np.random.default_rng(seed)
        self.nodes: list[Any] = []
        self.initializers: dict[str, np.ndarray] = {}
        self.at = "x"
        self.shape = (3, SIDE, SIDE)
        self.past: list[tuple[str, tuple[int, int, int]]] = []

    def add(self, op_type: str, inputs: list[str], shape: tuple[int, int, int] | None = None, **attributes: Any) -> str:
        output = f"t{len(self.nodes)}"
        self.nodes.append((op_type, inputs, [output], attributes))
        self.at, self.shape = output, shape or self.shape
        return output

    def constant(self, array: np.ndarray) -> str:
        name = f"c{len(self.initializers)}"
        self.initializers[name] = array
        return name

    def weights(self, *shape: int) -> str:
        scale = self.random.uniform(0.3, 2.0, (shape[0], *[1] * (len(shape) - 1)))
        spread = np.sqrt(1.0 / np.prod(shape[1:]))
        return self.constant((self.random.normal(size=shape) * scale * spread).astype(np.float32))

    def conv(
        self, channels: int, kernel: int = 3, stride: int = 1, group: int = 1, pads: Any = None, bias: bool = True
    ) -> None:
        pads = [kernel // 2] * 4 if pads is None else pads
        before, height, width = self.shape
        sides = (height + pads[0] + pads[2], width + pads[1] + pads[3])
        size = [(side - kernel) // stride + 1 for side in sides]
        inputs = [self.at, self.weights(channels, before // group, kernel, kernel)]
        if bias:
            inputs.append(self.constant(self.random.normal(size=channels).astype(np.float32) * 0.3))
        shape = (channels, size[0], size[1])
        self.add("Conv", inputs, shape, kernel_shape=[kernel] * 2, strides=[stride] * 2, pads=pads, group=group)


def _conv(net: Network, draw: Any) -> None:
    net.conv(draw(st.sampled_from([4, 8])), draw(st.sampled_from([1, 3])), bias=draw(st.booleans()))


def _strided(net: Network, draw: Any) -> None:
    if min(net.shape[1:]) >= 4:
        net.conv(CHANNELS, 3, 2, pads=draw(st.sampled_from([[0, 0, 1, 1], [1, 1, 0, 1], [1, 1, 1, 1]])))


def _depthwise(net: Network, draw: Any) -> None:
    net.conv(net.shape[0], 3, group=net.shape[0])


def _activation(net: Network, draw: Any) -> None:
    op_type = draw(
        st.sampled_from(["Relu", "LeakyRelu", "PRelu", "Sigmoid", "Clip6", "Clip1", "HardSwish", "Elu", "Tanh"])
    )
    if op_type.startswith("Clip"):
        low, high = (0.0, 6.0) if op_type == "Clip6" else (-1.0, 1.0)
        net.add("Clip", [net.at, net.constant(np.float32(low)), net.constant(np.float32(high))])
    elif op_type == "PRelu":
        net.add(op_type, [net.at, net.constant(np.full((1, 1, 1), 0.25, np.float32))])
    else:
        net.add(op_type, [net.at], **({"alpha": 0.1} if op_type == "LeakyRelu" else {}))


def _residual(net: Network, draw: Any) -> None:
    entry, channels = net.at, net.shape[0]
    for _ in range(draw(st.integers(0, 2))):
        net.conv(channels)
        net.add("Relu", [net.at])
    net.conv(channels)
    if draw(st.booleans()):
        net.add("Relu", [net.at])
    body = net.at
    if draw(st.booleans()):
        net.at = entry
        net.conv(channels, 1)
        entry = net.at
    net.add("Add", draw(st.permutations([entry, body])))
    if draw(st.booleans()):
        net.add("Relu", [net.at])


def _joined(net: Network, draw: Any) -> None:
    entry, channels = net.at, net.shape[0]
    net.conv(channels)
    body = net.at
    net.conv(channels, 1)
    net.add(draw(st.sampled_from(["Sum", "Mean"])), [entry, body, net.at][draw(st.integers(0, 1)) :])


def _squeeze_excite(net: Network, draw: Any) -> None:
    entry, shape = net.at, net.shape
    net.add(draw(st.sampled_from(["GlobalAveragePool", "GlobalMaxPool"])), [net.at], (shape[0], 1, 1))
    net.conv(shape[0], 1)
    if draw(st.booleans()):
        net.add("Sigmoid", [net.at])
    else:
        net.add("HardSigmoid", [net.at], alpha=draw(st.sampled_from([1 / 6, 0.2])), beta=0.5)
    net.add("Mul", [entry, net.at], shape)


def _arithmetic(net: Network, draw: Any) -> None:
    op_type = draw(st.sampled_from(["Add", "Mul", "Sub"]))
    shape = (1, net.shape[0], 1, 1) if draw(st.booleans()) else ()
    net.add(op_type, [net.at, net.constant(net.random.normal(size=shape).astype(np.float32))])


def _concat(net: Network, draw: Any) -> None:
    entry, shape = net.at, net.shape
    net.conv(CHANNELS, 1)
    net.add("Concat", [entry, net.at], (shape[0] + CHANNELS, *shape[1:]), axis=1)


def _pool(net: Network, draw: Any) -> None:
    if min(net.shape[1:]) < 4:
        return
    op_type = draw(st.sampled_from(["MaxPool", "AveragePool"]))
    pads = draw(st.sampled_from([[0, 0, 0, 0], [1, 1, 1, 1], [0, 0, 1, 1]]))
    size = [(side + pads[axis] + pads[axis + 2] - 3) // 2 + 1 for axis, side in enumerate(net.shape[1:])]
    extra = {"count_include_pad": int(draw(st.booleans()))} if op_type == "AveragePool" else {}
    shape = (net.shape[0], size[0], size[1])
    net.add(op_type, [net.at], shape, kernel_shape=[3, 3], strides=[2, 2], pads=pads, **extra)


def _shuffle(net: Network, draw: Any) -> None:
    channels, height, width = net.shape
    if channels % 2:
        return
    groups = net.constant(np.array([-1, 2, channels // 2, height, width]))
    net.add("Reshape", [net.at, groups])
    net.add("Transpose", [net.at], perm=[0, 2, 1, 3, 4])
    net.add("Reshape", [net.at, net.constant(np.array([-1, channels, height, width]))])


def _shortcut(net: Network, draw: Any) -> None:
    channels, height, width = net.shape
    bounds = [net.constant(np.array(values)) for values in ([0, 0], [height, width], [2, 3], [2, 2])]
    net.add("Slice", [net.at, *bounds], (channels, -(-height // 2), -(-width // 2)))
    pads = net.constant(np.array([0, 1, 0, 0, 0, 1, 0, 0]))
    net.add("Pad", [net.at, pads], (channels + 2, *net.shape[1:]))


def _moved(net: Network, draw: Any) -> None:
    channels, height, width = net.shape
    kind = draw(st.sampled_from(["Resize", "SpaceToDepth", "DepthToSpace", "Gather", "Tile", "Pad"]))
    if kind == "Resize" and height <= SIDE:
        scales = net.constant(np.array([1, 1, 2, 1], np.float32))
        net.add("Resize", [net.at, "", scales], (channels, 2 * height, width), mode="nearest")
    elif kind == "SpaceToDepth" and not height % 2 and not width % 2:
        net.add("SpaceToDepth", [net.at], (4 * channels, height // 2, width // 2), blocksize=2)
    elif kind == "DepthToSpace" and not channels % 4 and height <= SIDE:
        mode = draw(st.sampled_from(["DCR", "CRD"]))
        net.add("DepthToSpace", [net.at], (channels // 4, 2 * height, 2 * width), blocksize=2, mode=mode)
    elif kind == "Gather":
        net.add("Gather", [net.at, net.constant(np.arange(channels)[::-1].copy())], axis=1)
    elif kind == "Tile" and channels <= CHANNELS:
        net.add("Tile", [net.at, net.constant(np.array([1, 2, 1, 1]))], (2 * channels, height, width))
    elif kind == "Pad" and min(height, width) > 1:
        mode = draw(st.sampled_from(["reflect", "edge"]))
        pads = net.constant(np.array([0, 0, 1, 0, 0, 0, 0, 1]))
        net.add("Pad", [net.at, pads], (channels, height + 1, width + 1), mode=mode)


def _attention(net: Network, draw: Any) -> None:
    entry, (channels, height, width) = net.at, net.shape
    operators = [op_type for op_type, *_ in net.nodes]
    if operators.count("MatMul") > 2 * operators.count("Softmax"):
        return  # products without a Softmax cube the values; the third cube of a cube is no float32
    places = net.constant(np.array([-1, channels, height * width]))
    net.add("Reshape", [net.at, places])
    values = net.at
    net.add("Transpose", [net.at], perm=[0, 2, 1])
    net.add("MatMul", [values, net.at])
    if draw(st.booleans()):
        net.add("Mul", [net.at, net.constant(np.asarray(0.1, np.float32))])
    if draw(st.booleans()):
        net.add("Softmax", [net.at], axis=-1)
    net.add("MatMul", [net.at, values])
    net.add("Reshape", [net.at, net.constant(np.array([-1, channels, height, width]))])
    net.add("Add", [entry, net.at])


def _upsample(net: Network, draw: Any) -> None:
    channels, height, width = net.shape
    if height > SIDE:
        return
    size, pads = draw(st.sampled_from([(2, 0), (3, 0), (4, 1)]))
    more = size - 2 - 2 * pads
    weight = net.constant((net.random.normal(size=(channels, CHANNELS, size, size)) / 4).astype(np.float32))
    shape = (CHANNELS, 2 * height + more, 2 * width + more)
    net.add("ConvTranspose", [net.at, weight], shape, kernel_shape=[size] * 2, strides=[2, 2], pads=[pads] * 4)
    if draw(st.booleans()):
        net.add("Relu", [net.at])


def _split(net: Network, draw: Any) -> None:
    channels, height, width = net.shape
    if channels % 2:
        return
    first, second = f"t{len(net.nodes)}a", f"t{len(net.nodes)}b"
    net.nodes.append(("Split", [net.at], [first, second], {"axis": 1, "num_outputs": 2}))
    net.add("Add", [first, second], (channels // 2, height, width))


STEPS: list[Callable[[Network, Any], None]] = [
    _conv,
    _strided,
    _depthwise,
    _activation,
    _activation,
    _residual,
    _joined,
    _squeeze_excite,
    _arithmetic,
    _concat,
    _pool,
    _shuffle,
    _shortcut,
    _split,
    _moved,
    _moved,
    _upsample,
    _attention,
]

_AMONG_SUMS = [_depthwise, _squeeze_excite, _squeeze_excite, _concat, _pool, _split]


@st.composite
def residual_networks(draw: Any) -> onnx.ModelProto:
    """One to six steps, most of them sums and gates, between two convolutions; the last one's result is the output."""
    net = Network(draw(st.integers(0, 2**16)))
    net.conv(draw(st.sampled_from([4, 8, 16])))
    for step in draw(st.lists(st.sampled_from([*[_residual] * 4, *_AMONG_SUMS]), min_size=1, max_size=6)):
        step(net, draw)
    net.conv(8, draw(st.sampled_from([1, 3])))
    return _model(net)


@st.composite
def networks(draw: Any) -> onnx.ModelProto:
    """A classifier of up to nine random steps, its head a pooled Gemm or a 1x1 convolution."""
    net = Network(draw(st.integers(0, 2**16)))
    net.conv(CHANNELS)
    for step in draw(st.lists(st.sampled_from(STEPS), min_size=1, max_size=8)):
        step(net, draw)
    if draw(st.booleans()):
        net.conv(CLASSES, 1)
        net.add("GlobalAveragePool", [net.at], (CLASSES, 1, 1))
        net.add("Flatten", [net.at])
    else:
        net.add("GlobalAveragePool", [net.at], (net.shape[0], 1, 1))
        net.add("Flatten", [net.at])
        if draw(st.booleans()):
            hidden = [net.at, net.weights(6, net.shape[0]), net.constant(net.random.normal(size=6).astype(np.float32))]
            net.add("Gemm", hidden, (6, 1, 1), transB=1)
            net.add("Relu", [net.at])
        net.add("Gemm", [net.at, net.weights(CLASSES, net.shape[0])], transB=1)
    if draw(st.booleans()):
        net.add("Softmax", [net.at], axis=1)
    return _model(net)


def _model(net: Network) -> onnx.ModelProto:
    return tiny_graph.model(
        nodes=net.nodes,
        inputs={"x": ("batch", 3, SIDE, SIDE)},
        outputs=[net.at],
        initializers=net.initializers,
    )
