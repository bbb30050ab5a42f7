"""Random chains of layers for tests of what moves scales and biases between them, and an uncalibrated simulator."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import torch
from hypothesis import strategies as st
from torch import Tensor

from gdfq_export.frontend.passes.canonical import canonicalize
from gdfq_export.frontend.passes.fold_batch_norm import ChannelStatistics, fold_batch_norm
from gdfq_export.planning.placement import build_plan
from gdfq_export.recipe import Bits
from gdfq_export.simulator import Simulator
from gdfq_export.targets import find_target
from gdfq_export.tasks.classification.task import Classification
from tests import tiny_graph
from tests.simulator.quantized import RANGE
from tests.simulator.random_network import CLASSES, SIDE, Network

CHANNELS = 4


def simulated(proto: onnx.ModelProto, bits: int = 8) -> tuple[Simulator, dict[str, ChannelStatistics]]:
    """The simulator of a network, not calibrated, and the statistics of its BatchNorms."""
    folded = fold_batch_norm(canonicalize(proto, "test"))
    logits = str(folded.model.graph.outputs[0].name)
    widths = Bits(weights=bits, activations=bits, first_last=bits, residual=bits)
    plan = build_plan(folded.model, find_target("ort-cpu"), widths, compared=[logits], input_range=RANGE)
    return Simulator(folded.model, plan, task=Classification(classes=CLASSES, compared=(logits,))), folded.statistics


def computed(simulator: Simulator, images: Tensor) -> Tensor:
    with torch.no_grad():
        logits: Tensor = simulator(images)
    return logits


def normal(mean: Any, std: Any) -> ChannelStatistics:
    return ChannelStatistics(mean=np.array(mean, np.float32), std=np.array(std, np.float32))


def shuffle(net: Network) -> None:
    channels, height, width = net.shape
    net.add("Reshape", [net.at, net.constant(np.array([-1, 2, channels // 2, height, width]))])
    net.add("Transpose", [net.at], perm=[0, 2, 1, 3, 4])
    net.add("Reshape", [net.at, net.constant(np.array([-1, channels, height, width]))])


def pool(net: Network, op_type: str) -> None:
    shape = (net.shape[0], net.shape[1] - 1, net.shape[2] - 1)
    net.add(op_type, [net.at], shape, kernel_shape=[2, 2])


def layer(net: Network, kind: str) -> None:
    if kind == "plain":
        net.conv(CHANNELS, pads=[1, 0, 1, 1])
    else:
        net.conv(net.shape[0], group=2 if kind == "grouped" else net.shape[0])


@st.composite
def chains(draw: Any) -> onnx.ModelProto:
    """Two to four convolutions one after the other and a Gemm on all their pixels; factors pass between all of them."""
    net = Network(draw(st.integers(0, 2**16)))
    net.conv(CHANNELS)
    for kind in draw(st.lists(st.sampled_from(["plain", "grouped", "depthwise"]), min_size=1, max_size=3)):
        for op_type in draw(st.permutations(["activation", "pool", "shuffle"])):
            if op_type == "activation":
                between = draw(st.sampled_from(["Relu", "LeakyRelu", "none"]))
                if between != "none":
                    net.add(between, [net.at])
            elif op_type == "pool" and draw(st.booleans()):
                pool(net, draw(st.sampled_from(["MaxPool", "AveragePool"])))
            elif op_type == "shuffle" and draw(st.booleans()):
                shuffle(net)
        layer(net, kind)
    net.add("Relu", [net.at])
    features = int(np.prod(net.shape))
    net.add("Flatten", [net.at])
    net.add("Gemm", [net.at, net.weights(CLASSES, features)], transB=1)
    return tiny_graph.model(
        nodes=net.nodes, inputs={"x": ("batch", 3, SIDE, SIDE)}, outputs=[net.at], initializers=net.initializers
    )
