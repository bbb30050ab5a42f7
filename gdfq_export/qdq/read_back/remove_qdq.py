"""Takes QuantizeLinear and DequantizeLinear out of a prepared file, and remembers what they said.

What is left is a float graph and, by the names of its values, the activations that are codes and the constants that
were. The forms, each the inverse of one in `writer/`:

1. constant -> DequantizeLinear: a float initializer.
2. QuantizeLinear [-> Clip of codes] -> DequantizeLinear: the value that was quantized. Where others read that value in
   float, an Identity stands between, so that they still do.
3. Operators that move codes, between QuantizeLinear and DequantizeLinear: the same operators on float values; the
   padding of a Pad must be the code of zero.
4. Add of a constant, quantized with one scale and read with another, or a Clip of codes that others read as they are,
   read with another zero point: the HardSigmoid it was.

Values that become graph outputs take the names of the DequantizeLinear outputs they replace.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from gdfq_export.frontend.passes.constants.constant import constant_array, input_at, unused_name
from gdfq_export.frontend.passes.rewrites.recognize_hard_swish import ALPHA, BETA
from gdfq_export.qdq.read_back.constant_folding import is_constant, refusal
from gdfq_export.qdq.read_back.constants import Constant, activation_params, constant_of
from gdfq_export.simulator.hard_sigmoid import clip_form, sum_form
from gdfq_export.support.quant_params import QuantParams
from gdfq_export.targets import Kernel, Target


@dataclass(frozen=True, slots=True, kw_only=True)
class Activation:
    """A value that is codes in the file: `codes` is their name there; `clips` those of what the value's node reads."""

    codes: str
    params: QuantParams
    scale_name: str
    clips: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class FloatGraph:
    """A float graph, what its values are in the file, and names of nodes that are there in another form."""

    model: ir.Model
    activations: dict[str, Activation]
    constants: dict[str, Constant]
    gates: frozenset[str]
    on_codes: frozenset[str]


def float_graph(model: ir.Model, target: Target) -> FloatGraph:
    """The float graph of a prepared file, which is changed.

    Raises:
        InputError: codes are used in a way that is none of the forms above.
    """
    return _Reading(model, target).read()


class _Reading:
    def __init__(self, model: ir.Model, target: Target) -> None:
        self.model = model
        self.graph = model.graph
        self.moves = {op_type for op_type, rule in target.rules.items() if rule.kernel is Kernel.MOVE}
        self.codes: dict[
            ir.Value, tuple[Activation, ir.Value]
        ] = {}  # a value of codes -> what it says, the float value
        self.activations: dict[ir.Value, Activation] = {}
        self.constants: dict[ir.Value, Constant] = {}
        self.gates: set[ir.Node] = set()
        self.on_codes: set[str] = set()
        self.done: list[ir.Node] = []

    def read(self) -> FloatGraph:
        for node in list(self.graph):
            if node.op_type == "QuantizeLinear":
                self._quantize(node)
            elif node.op_type == "DequantizeLinear":
                self._dequantize(node)
            elif any(value in self.codes for value in node.inputs if value is not None):
                self._on_codes(node)
        for node in reversed(self.done):
            self.graph.remove(node, safe=True)
        self.graph.sort()
        return FloatGraph(
            model=self.model,
            activations={str(value.name): activation for value, activation in self.activations.items()},
            constants={str(value.name): constant for value, constant in self.constants.items()},
            gates=frozenset(str(node.name) for node in self.gates),
            on_codes=frozenset(self.on_codes),
        )

    def _quantize(self, node: ir.Node) -> None:
        value, codes, params = node.inputs[0], node.outputs[0], activation_params(node)
        assert value is not None
        if value in self.activations:
            if self.activations[value].params.dtype.itemsize == params.dtype.itemsize:
                raise refusal(node, "changes the scale of what another pair quantized, which runtimes rewrite")
            value = self._copy(value, node)  # between 8 and 16 bits
        users = [user for user, _ in codes.uses()]
        self.done.append(node)
        if len(users) == 1 and users[0].op_type == "Clip":
            low, high = (constant_array(input_at(users[0], index)) for index in (1, 2))
            if codes.is_graph_output() or low is None or high is None:
                raise refusal(users[0], "limits codes to no constant range")
            params = dataclasses.replace(params, code_range=(int(low), int(high)))
            codes = users[0].outputs[0]
            self.done.append(users[0])
        self._is_codes(
            codes,
            Activation(codes=str(codes.name), params=params, scale_name=_scale_name(node)),
            self._alone(value, node),
        )

    def _alone(self, value: ir.Value, quantize: ir.Node) -> ir.Value:
        """The value that is quantized and read nowhere else."""
        if len(list(value.uses())) == 1 and not value.is_graph_output():
            return value
        return self._copy(value, quantize)

    def _copy(self, value: ir.Value, quantize: ir.Node) -> ir.Value:
        """What an Identity makes of the value, in the place of what is quantized."""
        copy = ir.node("Identity", [value], name=f"{quantize.name}_of_{value.name}")
        copy.outputs[0].name = unused_name(self.graph, f"{value.name}_quantized_here")
        copy.outputs[0].type, copy.outputs[0].shape = value.type, value.shape
        self.graph.insert_before(quantize, copy)
        quantize.replace_input_with(0, copy.outputs[0])
        return copy.outputs[0]

    def _is_codes(self, codes: ir.Value, activation: Activation, value: ir.Value) -> None:
        if codes.is_graph_output():
            producer = codes.producer()
            assert producer is not None
            raise refusal(producer, f"writes the graph's output {codes.name} as codes")
        self.codes[codes] = (activation, value)
        self.activations[value] = activation

    def _dequantize(self, node: ir.Node) -> None:
        source = node.inputs[0]
        if is_constant(source):
            self._constant(node)
            return
        if source is None or source not in self.codes:
            raise refusal(node, "reads codes that no QuantizeLinear wrote")
        activation, value = self.codes[source]
        params = activation_params(node)
        if not params.same_values(activation.params):
            value = self._hard_sigmoid(node, source, params)
        real = node.outputs[0]
        if real.is_graph_output():
            value = self._as_output(value, real)
        real.replace_all_uses_with(value, replace_graph_outputs=True)
        self.done.append(node)

    def _as_output(self, value: ir.Value, real: ir.Value) -> ir.Value:
        """The value under the name of the graph output it becomes."""
        if value.is_graph_input() or value.is_graph_output():
            node = real.producer()
            assert node is not None
            raise refusal(node, f"makes a second output of {value.name}")
        name, real.name = real.name, f"{real.name}_dequantized"
        value.name = name
        return value

    def _constant(self, node: ir.Node) -> None:
        constant = constant_of(node)
        numbers = constant.values
        name = unused_name(self.graph, key_of(constant.name))
        value = ir.Value(name=name, const_value=ir.tensor(numbers, name=name), shape=ir.Shape(numbers.shape))
        value.type = ir.TensorType(ir.DataType.FLOAT)
        self.graph.register_initializer(value)
        node.outputs[0].replace_all_uses_with(value, replace_graph_outputs=True)
        self.constants[value] = constant
        self.done.append(node)

    def _on_codes(self, node: ir.Node) -> None:
        """An operator between codes and codes, put on the float values."""
        source, *others = node.inputs
        if node.op_type == "Clip" and source in self.codes:
            self._clipped_codes(node, source)
            return
        if source not in self.codes or node.op_type not in self.moves or any(other in self.codes for other in others):
            raise refusal(node, "computes with codes")
        activation, value = self.codes[source]
        if node.op_type == "Pad":
            _pad_with_zero(node, activation)
        node.replace_input_with(0, value)
        self.on_codes.add(str(node.name))
        for output in node.outputs:
            if not output.uses() and not output.is_graph_output():
                continue
            codes = ir.Value(name=output.name, type=output.type, shape=output.shape)
            output.replace_all_uses_with(codes, replace_graph_outputs=True)
            output.name = unused_name(self.graph, key_of(str(codes.name)))
            output.dtype = ir.DataType.FLOAT
            self._is_codes(codes, dataclasses.replace(activation, codes=str(codes.name)), output)

    def _hard_sigmoid(self, node: ir.Node, codes: ir.Value, params: QuantParams) -> ir.Value:
        """The HardSigmoid that was written as an Add, in its place; `params` is what the codes are read with."""
        activation, total = self.codes[codes]
        add = total.producer()
        written = activation.params
        if total in self.activations and add is not None and add.op_type == "Add" and len(add.inputs) == 2:
            x, offset = add.inputs
            one = None if offset is None else self.constants.get(offset)
            if x is not None and one is not None and one.codes.size == 1 and int(one.codes) == 1:
                alpha = float(np.float64(params.scale) / np.float64(written.scale))
                attributes = {"alpha": alpha, "beta": one.params.step * alpha}
                gate = ir.node("HardSigmoid", [x], attributes, name=add.name)
                form = sum_form(gate, params.scale)
                same = (form.offset, form.scale) == (np.float32(one.params.scale), written.scale)
                if same and (one.zero_point, params.zero_point, written.zero_point) == (0, 0, 0):
                    return self._put_gate(node, add, gate, codes, params)
        raise refusal(node, "reads codes with another scale or zero point than they were written with")

    def _clipped_codes(self, node: ir.Node, source: ir.Value) -> None:
        """The HardSigmoid of a HardSwish, if the limits and what reads them are its (`simulator/hard_sigmoid.py`)."""
        activation, value = self.codes[source]
        arrays = [constant_array(input_at(node, index)) for index in (1, 2)]
        limits = [None if array is None or array.size != 1 else int(array.reshape(())) for array in arrays]
        users = [user for user, _ in node.outputs[0].uses()]
        form = clip_form(activation.params.scale, activation.params.zero_point)
        found = form is not None and users and all(user.op_type == "DequantizeLinear" for user in users)
        if (
            form is None
            or not found
            or [None if each is None else int(each) for each in limits] != [form.low, form.high]
        ):
            raise refusal(node, "limits codes that are read beside it")
        read = activation_params(users[0])
        if (read.scale, read.zero_point, read.signed) != (form.scale, form.zero_point, False):
            raise refusal(users[0], "reads codes with another scale or zero point than they were written with")
        gate = ir.node("HardSigmoid", [value], {"alpha": ALPHA, "beta": BETA}, name=node.name)
        output, codes = gate.outputs[0], node.outputs[0]
        output.name = unused_name(self.graph, key_of(str(codes.name)))
        output.dtype, output.shape = ir.DataType.FLOAT, value.shape
        self.graph.insert_after(node, gate)
        self.done.append(node)
        self._is_codes(
            codes, Activation(codes=str(codes.name), params=read, scale_name=_scale_name(users[0]), clips=True), output
        )
        self.gates.add(gate)

    def _put_gate(self, node: ir.Node, add: ir.Node, gate: ir.Node, codes: ir.Value, params: QuantParams) -> ir.Value:
        activation, total = self.codes[codes]
        value = gate.outputs[0]
        value.name = unused_name(self.graph, str(total.name).removesuffix("_sum"))
        value.dtype, value.shape = ir.DataType.FLOAT, total.shape
        self.graph.insert_after(add, gate)
        total.replace_all_uses_with(value)
        self.done.insert(0, add)
        del self.activations[total]
        read = dataclasses.replace(activation.params, scale=params.scale)
        self._is_codes(codes, dataclasses.replace(activation, params=read, scale_name=_scale_name(node)), value)
        self.gates.add(gate)
        return value


def _pad_with_zero(pad: ir.Node, activation: Activation) -> None:
    """Leave out the padding of a Pad on codes, which is the code of zero."""
    if pad.attributes.get_string("mode", "constant") != "constant":
        return
    padding = constant_array(input_at(pad, 2))
    if (0 if padding is None else int(padding)) != activation.params.zero_point:
        raise refusal(pad, "pads codes with another number than that of zero")
    if len(pad.inputs) > 2:
        pad.replace_input_with(2, None)


def _scale_name(node: ir.Node) -> str:
    value = input_at(node, 1)
    return "" if value is None else str(value.name)


def key_of(codes: str) -> str:
    """What a tensor is called whose codes are called `codes`, by our writer and by others."""
    for suffix in ("_q", "_quantized"):
        if codes.endswith(suffix) and codes != suffix:
            return codes.removesuffix(suffix)
    return codes
