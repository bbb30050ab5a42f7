"""What is wrong with a file whatever runs it: every target's findings name it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pytest

from gdfq_export.lint import check
from gdfq_export.support.finding import Consequence
from gdfq_export.targets import TARGETS
from tests.qdq.qdq_files import ARRAYS, Nodes, dq, file, floats

WRONG, MISTAKE, REFUSED = Consequence.WRONG, Consequence.MISTAKE, Consequence.REFUSED
READ_R = ("DequantizeLinear", ["r_q", "r_scale", "other"], ["r_dq"])
SCALED_R = ("DequantizeLinear", ["r_q", "other", "r_zero"], ["r_dq"])
NO_BIAS: dict[str, Nodes] = {
    "d_dq": [],
    "e": [("Conv", ["r_dq", "v_dq"], ["e"], {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]})],
}


def with_one(array: np.ndarray, number: float) -> np.ndarray:
    changed = array.copy()
    changed[3] = number
    return changed


def clipped(low: int, high: int) -> tuple[dict[str, Nodes], dict[str, np.ndarray]]:
    nodes: Nodes = [
        ("QuantizeLinear", ["e", "e_scale", "e_zero"], ["e_wide"]),
        ("Clip", ["e_wide", "low", "high"], ["e_q"]),
    ]
    return {"e_q": nodes}, {"low": np.asarray(low, np.uint8), "high": np.asarray(high, np.uint8)}


@dataclass(frozen=True, kw_only=True)
class Broken:
    rule: str
    consequence: Consequence
    node: str
    changes: Mapping[str, Nodes] = field(default_factory=dict)
    arrays: Mapping[str, np.ndarray] = field(default_factory=dict)


BROKEN = {
    **{
        f"activation scale {number:g}": Broken(
            rule="negative scale" if number < 0 else "scale",
            consequence=MISTAKE if number < 0 else WRONG,
            node="QuantizeLinear_r_q",
            changes=NO_BIAS,
            arrays={"r_scale": np.asarray(number, np.float32)},
        )
        for number in (0.0, np.nan, np.inf, 1e-40, -0.02)
    },
    **{
        f"weight scale {number:g}": Broken(
            rule="negative scale" if number < 0 else "scale",
            consequence=MISTAKE if number < 0 else WRONG,
            node="DequantizeLinear_v_dq",
            changes=NO_BIAS,
            arrays={"v_scale": with_one(ARRAYS["v_scale"], number)},
        )
        for number in (0.0, np.nan, -0.002)
    },
    "read with another scale": Broken(
        rule="other scale",
        consequence=MISTAKE,
        node="DequantizeLinear_r_dq",
        changes={"r_dq": [SCALED_R]},
        arrays={"other": np.asarray(0.03, np.float32)},
    ),
    "read with another zero point": Broken(
        rule="other zero point",
        consequence=MISTAKE,
        node="DequantizeLinear_r_dq",
        changes={"r_dq": [READ_R]},
        arrays={"other": np.asarray(4, np.uint8)},
    ),
    "a Clip without the zero point": Broken(
        rule="clip", consequence=MISTAKE, node="Clip_e_q", changes=clipped(0, 15)[0], arrays=clipped(0, 15)[1]
    ),
    "a Clip that leaves nothing": Broken(
        rule="clip", consequence=WRONG, node="Clip_e_q", changes=clipped(200, 15)[0], arrays=clipped(200, 15)[1]
    ),
    "a bias of NaN": Broken(
        rule="not a number",
        consequence=WRONG,
        node="Conv_e",
        changes={"d_dq": []},
        arrays={"d_dq": with_one(floats(8), np.nan)},
    ),
    "a bias cut off": Broken(
        rule="bias cut off",
        consequence=MISTAKE,
        node="DequantizeLinear_d_dq",
        arrays={"d_q": with_one(ARRAYS["d_q"], 2**31 - 1)},
    ),
    "weights stored as float": Broken(
        rule="stored as float",
        consequence=Consequence.LARGER,
        node="QuantizeLinear_v_q",
        changes={"v_dq": [("QuantizeLinear", ["vf", "v_scale", "v_zero"], ["v_q"], {"axis": 0}), dq("v")]},
        arrays={"vf": floats(8, 8, 3, 3)},
    ),
    "a scale that is a matrix": Broken(
        rule="number of scales",
        consequence=REFUSED,
        node="QuantizeLinear_r_q",
        arrays={"r_scale": np.full((1, 1), 0.02, np.float32)},
    ),
}
HARD_SIGMOID: Nodes = [
    ("DequantizeLinear", ["one", "three", "e_zero0"], ["offset"]),
    ("Add", ["e_dq", "offset"], ["s"]),
    ("QuantizeLinear", ["s", "sum_scale", "e_zero0"], ["s_q"]),
    ("DequantizeLinear", ["s_q", "gate_scale", "e_zero0"], ["s_dq"]),
    ("GlobalAveragePool", ["s_dq"], ["p"]),
]
FINE = {
    "the good file": file(),
    "a dead channel of scale 0": file(
        NO_BIAS,
        v_scale=with_one(ARRAYS["v_scale"], 0),
        v_q=np.where(np.arange(8)[:, None, None, None] == 3, 0, ARRAYS["v_q"]).astype(np.int8),
    ),
    "a HardSigmoid as an Add that saturates": file(
        {"p": HARD_SIGMOID},
        one=np.asarray(1, np.uint8),
        three=np.asarray(3, np.float32),
        e_zero0=np.asarray(0, np.uint8),
        sum_scale=np.asarray(6.06 / 255, np.float32),
        gate_scale=np.asarray(1.01 / 255, np.float32),
    ),
    "scales that differ in the last digit": file(
        {"r_dq": [SCALED_R]}, other=np.nextafter(ARRAYS["r_scale"], np.float32(1))
    ),
    "codes read as the type that they have": file({"r_dq": [("DequantizeLinear", ["r_q", "r_scale"], ["r_dq"])]}),
}


@pytest.mark.parametrize("name", BROKEN)
@pytest.mark.parametrize("target", TARGETS)
def test_a_broken_rule_is_found_for_every_target(name: str, target: str) -> None:
    broken = BROKEN[name]
    found = check(file(broken.changes, **broken.arrays), TARGETS[target])
    assert (broken.rule, broken.node, broken.consequence) in {
        (each.rule, each.node, each.consequence) for each in found
    }
    assert all(each.node == "the file" or each.node in each.message for each in found)


@pytest.mark.parametrize("name", FINE)
def test_nothing_is_found_in_a_good_file(name: str) -> None:
    assert check(FINE[name], TARGETS["ort-cpu"]) == []


def test_zero_points_of_two_types_are_refused() -> None:
    model = file()
    signed = np.asarray(0, np.int8)
    (read,) = (node for node in model.graph.node if node.output[0] == "r_dq")
    read.input[2] = "signed"
    from onnx import numpy_helper

    model.graph.initializer.append(numpy_helper.from_array(signed, "signed"))
    (finding,) = [each for each in check(model, TARGETS["ort-cpu"]) if each.rule == "zero point type"]
    assert (finding.node, finding.consequence) == ("DequantizeLinear_r_dq", REFUSED)
    assert "INT8" in finding.message and "UINT8" in finding.message
