"""The plan as data: code ranges, and the views that the simulator and the writer read."""

from __future__ import annotations

import dataclasses

import pytest

from gdfq_export.planning.plan import PlannedNode, QuantPlan, QuantPoint, Role
from gdfq_export.targets import Kernel


def point(tensor: str, role: Role, *, bits: int = 8, signed: bool = False, consumer: str = "conv") -> QuantPoint:
    return QuantPoint(
        key=tensor,
        tensor=tensor,
        consumers=(consumer,),
        role=role,
        bits=bits,
        signed=signed,
        symmetric=signed,
        axis=None,
        group=tensor,
    )


@pytest.mark.parametrize(
    ("bits", "signed", "codes"),
    [(8, False, (0, 255)), (4, False, (0, 15)), (2, False, (0, 3)), (8, True, (-128, 127)), (4, True, (-8, 7))],
)
def test_codes_by_bits_in_the_stored_type(bits: int, signed: bool, codes: tuple[int, int]) -> None:
    some = point("t", Role.ACTIVATION, bits=bits, signed=signed)
    assert some.code_range == codes
    assert some.storage_range == ((-128, 127) if signed else (0, 255))


@pytest.mark.parametrize(("bits", "codes"), [(8, (-127, 127)), (7, (-64, 63)), (4, (-8, 7))])
def test_a_lowest_code_limits_those_that_go_so_far(bits: int, codes: tuple[int, int]) -> None:
    some = dataclasses.replace(point("w", Role.WEIGHT, bits=bits, signed=True), lowest=-127)
    assert some.code_range == codes and some.storage_range == (-128, 127)


def test_a_bias_is_stored_in_32_bits() -> None:
    assert point("b", Role.BIAS, bits=32, signed=True).storage_range == (-(2**31), 2**31 - 1)


def test_tensors_nodes_and_biases_are_found_by_name() -> None:
    points = (point("x", Role.INPUT), point("b", Role.BIAS, consumer="one"), point("b", Role.BIAS, consumer="two"))
    nodes = (
        PlannedNode(node="one", op_type="Conv", kernel=Kernel.CONV, absorbed="relu"),
        PlannedNode(node="relu", op_type="Relu", kernel=None),
        PlannedNode(node="two", op_type="Conv", kernel=Kernel.CONV),
    )
    plan = QuantPlan("ort-cpu", points, nodes)
    assert plan.by_tensor == {"x": points[0]}
    assert plan.bias_of == {"one": points[1], "two": points[2]}
    assert plan.by_node["two"] is nodes[2]
    assert plan.absorbed == {"relu"}
