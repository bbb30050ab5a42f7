"""What a plan leaves to choose: nodes with kernels, and the tensors between them."""

from __future__ import annotations

import gdfq_export as gq
from gdfq_export.planning.placement import plan_of
from gdfq_export.planning.precision.units import Units, units_of
from gdfq_export.recipe import Bits


def demo_units(bits: Bits | None = None) -> Units:
    model = gq.load()
    return units_of(model.folded.graph, plan_of(model, "ort-cpu", bits or Bits()))


def test_every_node_with_a_kernel_is_a_unit() -> None:
    units = demo_units().units
    assert {each.op_type for each in units} == {"Conv", "Add", "GlobalAveragePool", "Gemm"}
    assert all(
        each.points and each.operations and each.bytes_added == 3 * each.weight_bytes
        for each in units
        if each.op_type in ("Conv", "Gemm")
    )
    assert all(not each.points and not each.bytes_added for each in units if each.op_type == "Add")


def test_tensors_know_who_writes_and_reads_them() -> None:
    found = demo_units()
    first, second = found.boundaries[0], found.boundaries[1]
    assert first.writer is None and first.readers == (found.units[0].name,)
    assert second.writer == found.units[0].name and len(second.readers) == 2
    assert not found.boundaries[-1].read_as_float and found.boundaries[-1].readers == (found.units[-1].name,)
    assert set(found.groups[second.group]) == {second.writer, *second.readers}


def test_a_node_that_is_kept_float_is_no_unit() -> None:
    everything = demo_units()
    kept = demo_units(Bits(keep_float=(everything.units[1].name,)))
    assert [each.name for each in kept.units] == [each.name for each in everything.units if each != everything.units[1]]
    assert any(each.read_as_float for each in kept.boundaries)
