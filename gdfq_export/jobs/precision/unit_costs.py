"""What each node costs as integers and in float: measured in ONNX Runtime's profile, or tabulated.

Two drafts are profiled, the float network and the one with everything quantized. Their nodes carry a mark in their
names and in those of their outputs, which survives the runtime's fusions, so that a fused node counts for the node it
is named after. Where a quantized node meets a float one, a tensor is quantized or dequantized and brought into the
other's layout; both cost the time by value that the drafts show for QuantizeLinear, DequantizeLinear, Transpose and the
reordering of float convolutions.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

import onnx
import onnx_ir as ir

from gdfq_export.frontend.float_model import FloatModel
from gdfq_export.jobs.draft_model import Draft
from gdfq_export.planning.plan import QuantPlan
from gdfq_export.planning.precision.costs import Costs, UnitTime
from gdfq_export.planning.precision.units import Boundary, Units
from gdfq_export.runtimes.base import Images
from gdfq_export.runtimes.onnxruntime_profile import NodeTime, profile
from gdfq_export.support.named_bytes import NamedBytes

_MARK = re.compile(r"~(\d+)~")
_ROUNDS = 15
_USUAL = {  # nanoseconds by value, where the drafts have no such node; ONNX Runtime 1.32, one thread, AVX-512
    "QuantizeLinear": 0.3,
    "DequantizeLinear": 0.3,
    "Transpose": 0.5,
    "ReorderInput": 0.4,
    "ReorderOutput": 0.4,
}
_FEWEST_ELEMENTS = 20_000  # of a node whose time by value is taken
_PICOSECONDS_BY_OPERATION = {"float": 50.0, "integer": 20.0}
_NANOSECONDS_BY_BYTE = 0.1


def measured_costs(model: FloatModel, draft: Draft, units: Units, images: Images) -> Costs:
    """Times from the profiles of both drafts.

    Args:
        model: the float network that the draft was made of.
        draft: with everything quantized.
        units: of the draft's plan.
        images: a batch `[N, C, H, W]`; the times are those of the batch.

    Raises:
        InputError: ONNX Runtime does not accept a draft.
    """
    marks = _marks(draft.plan, units)
    files = {"the float draft": ir.to_proto(model.folded), "the quantized draft": draft.file}
    data = [NamedBytes(_marked(proto, marks).SerializeToString(), name) for name, proto in files.items()]
    floating, integer = profile(data, images, rounds=_ROUNDS)
    by_value = _nanoseconds((*floating, *integer))
    floats, integers = (_by_unit(times) for times in (floating, integer))
    convolutions = {unit.name for unit in units.units if unit.op_type == "Conv"}
    flat = {name: by_value[name] for name in ("QuantizeLinear", "DequantizeLinear")}
    blocked = {name: by_value["Transpose"] + by_value[name] for name in ("ReorderInput", "ReorderOutput")}

    def milliseconds(each: Boundary, conversion: str, reordering: str, floats: Iterable[str | None]) -> float:
        layout = 0.0 if convolutions.isdisjoint(floats) else blocked[reordering]
        return 1e-6 * each.elements * len(images) * (flat[conversion] + layout)

    return Costs(
        units={
            unit.name: UnitTime(integer=integers.get(place, 0.0), floating=floats.get(place, 0.0))
            for place, unit in enumerate(units.units)
        },
        quantize={
            each.tensor: milliseconds(each, "QuantizeLinear", "ReorderOutput", [each.writer])
            for each in units.boundaries
        },
        dequantize={
            each.tensor: milliseconds(each, "DequantizeLinear", "ReorderInput", each.readers)
            for each in units.boundaries
        },
        whole=sum(each.milliseconds for each in integer),
        whole_float=sum(each.milliseconds for each in floating),
        measured=True,
    )


def tabulated_costs(units: Units) -> Costs:
    """Times by multiply-accumulates and bytes, where no runtime can be asked: only their ratios mean something."""
    names = {unit.name: unit for unit in units.units}

    def time(name: str, kind: str, bytes_by_value: int) -> float:
        unit = names[name]
        moved = unit.elements * bytes_by_value + unit.weight_bytes * bytes_by_value
        return 1e-9 * unit.operations * _PICOSECONDS_BY_OPERATION[kind] + 1e-6 * moved * _NANOSECONDS_BY_BYTE

    conversion = {each.tensor: 1e-6 * each.elements * 5 * _NANOSECONDS_BY_BYTE for each in units.boundaries}
    times = {name: UnitTime(integer=time(name, "integer", 1), floating=time(name, "float", 4)) for name in names}
    return Costs(
        units=times,
        quantize=conversion,
        dequantize=conversion,
        whole=sum(each.integer for each in times.values()),
        whole_float=sum(each.floating for each in times.values()),
    )


def _marks(plan: QuantPlan, units: Units) -> dict[str, str]:
    """The mark of each unit by the names of its nodes, the absorbed activation included."""
    places = {unit.name: place for place, unit in enumerate(units.units)}
    marks = {name: f"~{place}~" for name, place in places.items()}
    return marks | {each.absorbed: marks[each.node] for each in plan.nodes if each.absorbed and each.node in marks}


def _marked(proto: onnx.ModelProto, marks: Mapping[str, str]) -> onnx.ModelProto:
    """A copy whose nodes and values carry marks; values that subgraphs may read keep their names."""
    marked = onnx.ModelProto()
    marked.CopyFrom(proto)
    graph = marked.graph
    del graph.value_info[:]
    inner = any(attribute.HasField("g") for node in graph.node for attribute in node.attribute)
    kept = {value.name for value in graph.output}
    renamed: dict[str, str] = {}
    for node in graph.node:
        mark = marks.get(node.name)
        if mark is not None:
            node.name = f"{mark}{node.name}"
            renamed |= {name: f"{mark}{name}" for name in node.output if name and name not in kept and not inner}
    for node in graph.node:
        for names in (node.input, node.output):
            names[:] = [renamed.get(name, name) for name in names]
    return marked


def _marked_with(time: NodeTime) -> int | None:
    found = _MARK.search(time.name)
    return None if found is None else int(found[1])


def _by_unit(times: Iterable[NodeTime]) -> dict[int, float]:
    """Milliseconds by the place of the unit."""
    found: dict[int, float] = {}
    for each in times:
        place = _marked_with(each)
        if place is not None:
            found[place] = found.get(place, 0.0) + each.milliseconds
    return found


def _nanoseconds(times: Sequence[NodeTime]) -> dict[str, float]:
    """Of one value, by operator: of all nodes that have many, or the usual."""
    found = dict(_USUAL)
    for op_type in found:
        nodes = [each for each in times if each.op_type == op_type and each.elements >= _FEWEST_ELEMENTS]
        if nodes:
            found[op_type] = 1e6 * sum(each.milliseconds for each in nodes) / sum(each.elements for each in nodes)
    return found
