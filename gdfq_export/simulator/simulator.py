"""The simulator in float: the folded graph in torch with a fake quantizer at every point of the plan; it trains.

Its exact integer counterpart is `integer_simulator.py`. Both compute from the same plan; `freeze` gives the encodings
that the integer simulator computes with and the writer stores.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir
import torch
from torch import Tensor, fx, nn

from gdfq_export.frontend.torch_import import import_graph
from gdfq_export.planning.constraints import ClippedCodes
from gdfq_export.planning.plan import QuantPlan, QuantPoint, Role
from gdfq_export.simulator.encoding import (
    Encoding,
    encode_activation,
    encode_bias,
    encode_blocks,
    encode_constant,
    encode_weight,
)
from gdfq_export.simulator.hard_sigmoid import clip_form_of
from gdfq_export.simulator.kernel_sets.equal_sums import equalize_sums
from gdfq_export.simulator.quantizer import Mode, Quantizer
from gdfq_export.targets import Kernel, find_target
from gdfq_export.tasks.outputs import Outputs
from gdfq_export.tasks.task import Task

_SMALLEST_MEAN_RATIO, _LARGEST_MEAN_RATIO = 2.0**-31, 255.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Layer:
    """A Conv, Gemm or MatMul of the simulator.

    Attributes:
        name: of its node in the ONNX graph.
        node: its fx node.
        weight: the parameter, [out, in / groups, kh, kw] of a convolution.
        weight_point: the weight's point in the plan.
        bias: the parameter, [out], if there is one.
        bias_tensor: its name in the ONNX graph.
    """

    name: str
    node: fx.Node
    weight: nn.Parameter
    weight_point: QuantPoint
    bias: nn.Parameter | None
    bias_tensor: str | None

    @property
    def channel_axis(self) -> int:
        """The axis of the output channels in what the layer computes: [N, C, H, W], or [..., C] of a product."""
        return 1 if self.weight.dim() > 2 else -1


class Simulator(nn.Module):
    """Quantized network that computes in float.

    Args:
        folded: canonical graph without BatchNormalization.
        plan: where quantizers stand.
        task: which values are returned, and how their error is measured.
    """

    def __init__(self, folded: ir.Model, plan: QuantPlan, *, task: Task) -> None:
        super().__init__()
        self.plan = plan
        self.folded = folded
        self.task = task
        self.network = import_graph(folded, until=task.compared, any_batch=True)
        self.network.eval()
        self._parameter_of: dict[str, str] = self.network.meta["parameters"]
        self.quantizers: dict[str, Quantizer] = {}
        for point in plan.points:
            if point.role is not Role.BIAS and point.group == point.key:
                self._insert(point)
        for point in plan.points:
            if isinstance(point.constraint, ClippedCodes) and point.key in self.quantizers:
                source = plan.by_tensor[point.constraint.source]
                self.quantizers[point.key].sources = (self.quantizers[source.group],)
        self.network.graph.lint()
        self.network.recompile()

    def _insert(self, point: QuantPoint) -> None:
        sources = [node for node in self.network.graph.nodes if node.meta.get("value") == point.tensor]
        if not sources:  # behind the compared outputs, for instance a quantized tensor that only a final Softmax reads
            return
        shape = self.parameter(point.tensor).shape if point.axis is not None else None
        quantizer = Quantizer(point, shape)
        name = f"quantizer_{len(self.quantizers)}"
        self.network.add_submodule(name, quantizer)
        self.quantizers[point.key] = quantizer
        for source in sources:
            with self.network.graph.inserting_after(source):
                inserted = self.network.graph.call_module(name, (source,))
            inserted.meta["quantizes"] = point.key
            source.replace_all_uses_with(inserted, delete_user_cb=lambda user, new=inserted: user is not new)

    def forward(self, images: Tensor) -> Outputs:
        """The values `task.compared`, [N, ...] each, of images [N, C, H, W] in the network's input range."""
        outputs: Outputs = self.network(images)
        return outputs

    def set_mode(self, mode: Mode) -> None:
        """Switch every quantizer."""
        for quantizer in self.quantizers.values():
            quantizer.mode = mode

    def float_copy(self) -> Simulator:
        """The network as it computes now, in float and with parameters of its own that need no gradient."""
        copy = Simulator(self.folded, self.plan, task=self.task)
        copy.load_state_dict(self.state_dict())
        return copy.to(next(self.network.parameters()).device).requires_grad_(False)

    @contextmanager
    def in_mode(self, mode: Mode) -> Iterator[None]:
        """Run a block in another mode, then return to the old ones."""
        before = {key: quantizer.mode for key, quantizer in self.quantizers.items()}
        self.set_mode(mode)
        try:
            yield
        finally:
            for key, quantizer in self.quantizers.items():
                quantizer.mode = before[key]

    def parameter(self, tensor: str) -> nn.Parameter:
        """The parameter that holds the initializer called `tensor`."""
        parameter = self.network.get_parameter(self._parameter_of[tensor])
        return parameter

    def layers(self) -> list[Layer]:
        """Every quantized layer with weights, in the order of computation."""
        weights = {point.tensor: point for point in self.plan.points if point.role is Role.WEIGHT}
        inputs = {node.name: [value.name if value else None for value in node.inputs] for node in self.folded.graph}
        layers = []
        for node in self.network.graph.nodes:
            names = inputs.get(node.meta.get("node", ""), [])
            weight = names[1] if len(names) > 1 else None
            if "op_type" not in node.meta or weight not in weights:
                continue
            bias = names[2] if len(names) > 2 else None
            layer = Layer(
                name=node.meta["node"],
                node=node,
                weight=self.parameter(weight),
                weight_point=weights[weight],
                bias=None if bias is None else self.parameter(bias),
                bias_tensor=bias,
            )
            layers.append(layer)
        return layers

    def freeze(self) -> Mapping[str, Encoding]:
        """The numbers of every point, by key: what the integer simulator computes with and the writer stores."""
        encodings: dict[str, Encoding] = {}
        self._limit_ratios_of_means()
        equalize_sums(self.folded.graph, self.plan, self.quantizers)
        for point in self.plan.points:
            if point.role in (Role.INPUT, Role.ACTIVATION):
                encodings[point.key] = encode_activation(self.quantizers[point.group])
        for point in self.plan.points:
            if (form := clip_form_of(point, self.plan, encodings)) is not None:
                encodings[point.key] = Encoding(scale=np.asarray(form.scale), zero_point=form.zero_point)
        for node in self.folded.graph:
            names = [value.name if value else None for value in node.inputs]
            for name in names:
                constant = self.plan.by_tensor.get(name or "")
                if constant is not None and constant.role is Role.CONSTANT:
                    value = self.parameter(constant.tensor)
                    encodings[constant.key] = encode_constant(self.quantizers[constant.key], value)
            self._freeze_layer(node.name or "", names, encodings)
        return encodings

    @torch.no_grad()
    def _limit_ratios_of_means(self) -> None:
        """Scales of means that ONNX Runtime's QLinearGlobalAveragePool takes: s_x / (s_y * H * W) in [2**-32, 256)."""
        for node in self.folded.graph:
            planned = self.plan.by_node[node.name or ""]
            x, y = node.inputs[0], node.outputs[0]
            if planned.kernel is not Kernel.GLOBAL_AVERAGE_POOL or x is None or x.shape is None:
                continue
            if planned.absorbed is not None:
                y = next(user for user, _ in y.uses()).outputs[0]
            source, mean = (self.quantizers[self.plan.by_tensor[value.name or ""].group] for value in (x, y))
            area = math.prod(size for size in x.shape[2:] if isinstance(size, int))
            usual = math.log(float(source.scale) / area)
            mean.log_scale.clamp_(usual - math.log(_LARGEST_MEAN_RATIO), usual - math.log(_SMALLEST_MEAN_RATIO))

    def _freeze_layer(self, node: str, names: list[str | None], encodings: dict[str, Encoding]) -> None:
        weight_point = self.plan.by_tensor.get(names[1] or "") if len(names) > 1 else None
        if weight_point is None or weight_point.role is not Role.WEIGHT:
            return
        if weight_point.block is not None:
            quantizer = self.quantizers[weight_point.key]
            encodings[weight_point.key] = encode_blocks(quantizer, self.parameter(weight_point.tensor))
            return
        activation = encodings[self.plan.by_tensor[names[0] or ""].key]
        bias_point = self.plan.bias_of.get(node)
        bias = self.parameter(bias_point.tensor) if bias_point is not None else None
        if weight_point.key not in encodings:
            quantizer = self.quantizers[weight_point.key]
            self._raise_small_scales(quantizer, node, activation, encodings)
            encodings[weight_point.key] = encode_weight(
                quantizer, self.parameter(weight_point.tensor), activation, bias
            )
        if bias_point is not None and bias is not None:
            encodings[bias_point.key] = encode_bias(bias, activation, encodings[weight_point.key])

    @torch.no_grad()
    def _raise_small_scales(
        self, quantizer: Quantizer, node: str, activation: Encoding, encodings: Mapping[str, Encoding]
    ) -> None:
        """Weight scales of dead channels, up to the least multiplier that the target computes with."""
        least = find_target(self.plan.target).smallest_multiplier
        if not least:
            return
        layer = next(each for each in self.folded.graph if each.name == node)
        value = layer.outputs[0]
        while value.name not in self.plan.by_tensor and len(value.uses()) == 1:  # behind its Relu or Clip
            value = next(user for user, _ in value.uses()).outputs[0]
        result = self.plan.by_tensor.get(value.name or "")
        if result is not None:
            smallest = least * float(encodings[result.key].scale) / float(activation.scale)
            quantizer.log_scale.clamp_(min=math.log(smallest))

    def tuned_parameters(self) -> dict[str, Tensor]:
        """Float values of all float initializers the network computes with, by ONNX name."""
        state = dict(self.network.named_parameters())
        return {name: state[key].detach().cpu() for name, key in self._parameter_of.items() if key in state}

    def quantization_parameters(self) -> Iterator[nn.Parameter]:
        """The logarithms of all scales."""
        return (quantizer.log_scale for quantizer in self.quantizers.values())
