"""Which kernel computes each node of a file, from which of its inputs and outputs are codes.

The plan decides what a target fuses and writes codes accordingly; here codes are given, and the question is what the
runtime makes of them. The target's rules answer it, with what ONNX Runtime 1.32 asks besides
(`qdq_selectors.cc`, and measured): codes of one type around a kernel, weights of one zero point, int32 biases whose
scale it takes for granted, an output that only QuantizeLinear reads, with at most a Relu or Clip between that changes
no code.

A layer that reads codes and is not fused runs in float, in an order of sums that is not known: it is refused. Other
operators are computed in float as exactly as on codes, but for those that the runtime would compute on codes in a way
not known here.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from gdfq_export.frontend.passes.constants.constant import input_at
from gdfq_export.planning.placement import activation_bounds, rule_of, unsupported_reason
from gdfq_export.planning.plan import PlannedNode
from gdfq_export.qdq.read_back.constant_folding import is_constant, refusal
from gdfq_export.qdq.read_back.constants import Constant
from gdfq_export.qdq.read_back.moves import end_of_moves, is_move, operator_in_plan
from gdfq_export.qdq.read_back.remove_qdq import FloatGraph
from gdfq_export.qdq.reader.layers import weight_output_axis
from gdfq_export.support.quant_params import QuantParams
from gdfq_export.targets import Kernel, Output, Rule, Target
from gdfq_export.targets.operator_traits import LAYERS

_WANT_ZERO_POINT = ("Gemm", "MatMul")
_FUSED_OTHERWISE = ("Einsum", "Where")
_BIAS_TOLERANCE = 1e-5


def fused_nodes(file: FloatGraph, target: Target, *, own: bool = False) -> tuple[PlannedNode, ...]:
    """Every node of the float graph with its kernel, in the graph's order.

    Args:
        file: the float graph, and what its values are in the file.
        target: the runtime's table.
        own: this tool wrote the file, which separates layers that stay float from the pairs around them.

    Raises:
        InputError: a node runs in the runtime in a way that is not simulated.
    """
    return _Walk(file, target, own=own).nodes()


class _Walk:
    def __init__(self, file: FloatGraph, target: Target, *, own: bool) -> None:
        self.file = file
        self.own = own
        self.target = target
        self.planned: dict[str, PlannedNode] = {}

    def nodes(self) -> tuple[PlannedNode, ...]:
        for node in self.file.model.graph:
            if node.name not in self.planned:
                self._choose(node)
        return tuple(self.planned.values())

    def _choose(self, node: ir.Node) -> None:
        rule = rule_of(self.target, node)
        name, activation = str(node.name), self._redundant(node)
        kernel: Kernel | None = None
        if self.own and self._is_wide(node):
            activation = None
        elif self._in_blocks(node):
            kernel = Kernel.WEIGHT_ONLY
            activation = activation if self._written(node, activation) is not None else None
        elif rule is not None and rule.weight is not None and not self._in_float(node):
            self._require_layer(node, rule, activation)
            kernel = rule.kernel
        else:
            kernel = self._softmax(node) if rule is None else self._kernel(node, rule, activation)
        if kernel is None:
            self._require_float(node, rule, activation)
            activation = None
        self.planned[name] = PlannedNode(
            node=name,
            op_type=node.op_type,
            kernel=kernel,
            absorbed=None if activation is None else str(activation.name),
            integer_form=name in self.file.on_codes and rule is not None and rule.integer_form,
            reason="" if kernel is not None else "its inputs and outputs are not codes that a kernel takes",
        )
        if activation is not None:
            self.planned[str(activation.name)] = PlannedNode(
                node=str(activation.name), op_type=activation.op_type, kernel=None, reason=f"absorbed by {name}"
            )

    def _in_float(self, node: ir.Node) -> bool:
        """Whether the simulation leaves a layer to the runtime: its weights are no codes and could be none."""
        weight = input_at(node, 1)
        if self.own and self._is_wide(node):
            return True
        if not self.file.activations or self._constant(weight) is not None:
            return False
        if self._params(node.inputs[0]) is None or not is_constant(weight) or node.op_type not in self.target.rules:
            return True
        return self.own and not self._reaches_codes(node.outputs[0])

    def _is_wide(self, node: ir.Node) -> bool:
        """Whether a node reads or writes codes of 16 bits, for which the runtime has no kernels."""
        found = [self._params(value) for value in (*node.inputs, *node.outputs)]
        return any(params is not None and params.dtype.itemsize > 1 for params in found)

    def _reaches_codes(self, value: ir.Value) -> bool:
        """Whether codes are made of a value, directly or behind what runtimes take away or carry pairs past."""
        if self._params(value) is not None:
            return True
        users = [user for user, _ in value.uses()]
        passing = [user for user in users if is_move(user, self.target) or user.op_type in self.target.absorbed]
        return any(self._reaches_codes(output) for user in passing for output in user.outputs)

    def _in_blocks(self, node: ir.Node) -> bool:
        """Whether the runtime multiplies floats with the layer's weights in blocks."""
        weight = self._constant(input_at(node, 1)) if node.op_type in LAYERS else None
        if weight is None or weight.params.block is None:
            return False
        if node.op_type != "MatMul" or weight.params.axis != 0:
            raise refusal(node, "has weights in blocks and is no MatMul of [..., inputs] and [inputs, outputs]")
        if self._params(node.inputs[0]) is not None:
            raise refusal(node, "has weights in blocks beside quantized activations, and then runs in float")
        return True

    def _kernel(self, node: ir.Node, rule: Rule, activation: ir.Node | None) -> Kernel | None:
        """The kernel of a node without weights."""
        if unsupported_reason(node, rule) or (node.op_type == "HardSigmoid" and node.name not in self.file.gates):
            return None
        if rule.kernel is Kernel.MOVE:
            return rule.kernel if self._moves(node) and activation is None else None
        return rule.kernel if self._computes_on_codes(node, rule, self._written(node, activation)) else None

    def _computes_on_codes(self, node: ir.Node, rule: Rule, written: QuantParams | None) -> bool:
        read = [self._read(value) for value in self._activations(node, rule)]
        if written is None:
            return rule.kernel is Kernel.MATMUL and all(signed is False for signed in read)
        if rule.accumulates and any(self._is_accumulated(value) for value in node.inputs):
            return True
        return all(signed == written.signed for signed in read)

    def _softmax(self, node: ir.Node) -> Kernel | None:
        """ONNX Runtime has an integer Softmax, of which no target makes use."""
        source, result = self._params(node.inputs[0]) if node.inputs else None, self._params(node.outputs[0])
        if node.op_type != "Softmax" or source is None or result is None or source.signed != result.signed:
            return None
        return Kernel.SOFTMAX

    def _moves(self, node: ir.Node) -> bool:
        source = self._params(node.inputs[0])
        results = [self._params(value) for value in node.outputs]
        return source is not None and all(
            result is not None
            and result.same_values(source)
            and result.code_range in (source.code_range, source.storage_range)
            for result in results
        )

    def _require_layer(self, node: ir.Node, rule: Rule, activation: ir.Node | None) -> None:
        """Refuse a layer that the runtime does not compute on integers."""
        if reason := unsupported_reason(node, rule) or self._not_fused(node, rule, activation):
            raise refusal(node, f"runs in float ({reason}), with sums in an order that only the runtime knows")

    def _not_fused(self, node: ir.Node, rule: Rule, activation: ir.Node | None) -> str:
        """Why the runtime does not compute a layer on integers; empty where it does."""
        x = self._params(node.inputs[0])
        weight = self._constant(input_at(node, rule.weight or 1))
        if x is None:
            return "its input is not quantized"
        reason = self._operands_not_fused(node, x, weight)
        return reason or self._output_not_fused(node, rule, self._written(node, activation), x)

    def _operands_not_fused(self, node: ir.Node, x: QuantParams, weight: Constant | None) -> str:
        if weight is None or weight.codes.dtype not in (np.int8, np.uint8):
            return "its weights are not int8 or uint8 codes"
        if weight.zero_point is None:
            return "its weights have several zero points"
        if not weight.has_zero_point and node.op_type in _WANT_ZERO_POINT:
            return "its weights have no zero point"
        if weight.params.scale.size > 1 and weight.params.axis != weight_output_axis(node, weight.codes.ndim):
            return f"the scales of its weights lie along axis {weight.params.axis}"
        if x.signed and not weight.params.signed:
            return "its input is int8 and its weights are uint8"
        return self._bias_not_fused(node, x, weight)

    def _output_not_fused(self, node: ir.Node, rule: Rule, written: QuantParams | None, x: QuantParams) -> str:
        if written is not None:
            return "" if written.signed == x.signed else "its input and output are of different types"
        users = [user for user, _ in node.outputs[0].uses()]
        inside = any(operator_in_plan(user) in self.target.inside_layers for user in users)
        if inside or self._is_accumulated(node.outputs[0]):
            return ""
        if rule.output is not Output.OWN_SCALE_OR_FLOAT:
            return "its output is not quantized, or is read in float too"
        if any(user.op_type == "Identity" and self._params(user.outputs[0]) is not None for user in users):
            return "its output is quantized and read in float too"
        if len(users) == 1 and users[0].op_type in self.target.absorbed:
            return f"{users[0].op_type} {users[0].name} reads its output"
        return ""

    def _bias_not_fused(self, node: ir.Node, x: QuantParams, weight: Constant) -> str:
        value = input_at(node, 2)
        if value is None:
            return ""
        bias = self._constant(value)
        if bias is None or bias.codes.dtype != np.int32 or bias.zero_point != 0:
            return "its bias is not int32 codes"
        if bias.codes.size != weight.codes.shape[weight_output_axis(node, weight.codes.ndim)]:
            return "its bias is not one number a channel"
        scale = np.float64(x.scale) * weight.params.scale.astype(np.float64)
        if not np.allclose(bias.params.scale, scale, rtol=_BIAS_TOLERANCE, atol=0.0):
            worst = float(np.max(np.abs(bias.params.scale / scale - 1)))
            raise refusal(
                node,
                f"has a bias whose scale differs by {worst:.2g} from the product of the scales of its input and its "
                "weights, which is what integer kernels take it for",
            )
        return ""

    def _require_float(self, node: ir.Node, rule: Rule | None, activation: ir.Node | None) -> None:
        """Refuse what the runtime may compute otherwise than in float, node by node."""
        if node.op_type in LAYERS and not self._in_float(node):
            raise refusal(node, "runs in float, with sums in an order that only the runtime knows")
        written = self._written(node, activation)
        from_codes = any(self._params(value) is not None for value in node.inputs)
        if node.op_type in _FUSED_OTHERWISE and written is not None and from_codes:
            raise refusal(node, "stands between codes, and its integer kernel is not known")
        if rule is None or rule.kernel is Kernel.MOVE or unsupported_reason(node, rule):
            return
        if self._may_move_pairs(node, rule, written):
            raise refusal(node, "is not next to its codes: a runtime may carry them past the operators between")

    def _may_move_pairs(self, node: ir.Node, rule: Rule, written: QuantParams | None) -> bool:
        """Whether codes stand on both sides of a node, and behind moves on one of them."""
        if self._params(end_of_moves(node.outputs[0], self.target)) is None:
            return False
        inputs = self._activations(node, rule)
        if all(self._read(value) is not None for value in inputs):
            return written is None
        return all(map(self._comes_from_codes, inputs))

    def _redundant(self, node: ir.Node) -> ir.Node | None:
        """The Relu or Clip that alone reads the node, and changes none of the codes that are made of it."""
        output = node.outputs[0]
        users = [user for user, _ in output.uses()]
        alone = len(users) == 1 and not output.is_graph_output() and self._params(output) is None
        if not alone or users[0].op_type not in self.target.absorbed:
            return None
        params = self._params(users[0].outputs[0])
        if params is None:
            return None
        bounds = np.asarray(activation_bounds(users[0]), np.float32)
        if np.isnan(bounds).any():
            return None
        low, high = np.rint(bounds / params.scale) + params.zero_point
        least, most = params.storage_range
        return users[0] if low <= least and high >= most else None

    def _written(self, node: ir.Node, activation: ir.Node | None) -> QuantParams | None:
        return self._params((activation or node).outputs[0])

    def _activations(self, node: ir.Node, rule: Rule) -> list[ir.Value | None]:
        return list(node.inputs) if rule.activations is None else [input_at(node, index) for index in rule.activations]

    def _read(self, value: ir.Value | None) -> bool | None:
        """Whether a kernel reads signed codes here; None: it reads floats."""
        if (params := self._params(value)) is not None:
            return params.signed
        constant = self._constant(value)
        if constant is None or constant.params.scale.size > 1 or constant.codes.dtype == np.int32:
            return None
        return constant.params.signed if constant.has_zero_point else None

    def _params(self, value: ir.Value | None) -> QuantParams | None:
        activation = None if value is None else self.file.activations.get(str(value.name))
        return None if activation is None else activation.params

    def _constant(self, value: ir.Value | None) -> Constant | None:
        return None if value is None else self.file.constants.get(str(value.name))

    def _is_accumulated(self, value: ir.Value | None) -> bool:
        """Whether one kernel takes the value from the layer that computes it, before it is rounded."""
        node = None if value is None else value.producer()
        if value is None or node is None or self._params(value) is not None or value.is_graph_output():
            return False
        users = [user for user, _ in value.uses()]
        rule = rule_of(self.target, users[0]) if len(users) == 1 else None
        return rule is not None and node.op_type in rule.accumulates

    def _comes_from_codes(self, value: ir.Value | None) -> bool:
        """Whether a value is codes, directly or behind operators that move them."""
        while value is not None and self._read(value) is None and not is_constant(value):
            node = value.producer()
            if node is None or not is_move(node, self.target):
                return False
            value = node.inputs[0]
        return value is not None and self._read(value) is not None
