"""Every case gives a file that is exact and at least as near the float network as `quantize_static`'s, or a reason."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.case_kinds import INVALID, KINDS
from bench.case_run import CaseResult, run_case
from bench.cases import build_page, case_scripts

SCRIPTS = case_scripts()
TOLERANCE_DB = 0.1


@pytest.mark.slow
@pytest.mark.skipif(not SCRIPTS, reason="GDFQ_EXPORT_CASES names no folder of scripts, nor has GDFQ_EXPORT_DATA one")
@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_a_case_is_quantized_at_least_as_well_as_by_quantize_static(script: Path, tmp_path: Path) -> None:
    case = run_case(script, tmp_path)
    assert "in memory" not in case.message
    assert (case.exit_code, case.parity) == (0, True), case.message
    assert case.behind <= TOLERANCE_DB, f"{case.ours} dB, quantize_static {case.static}"
    if case.name in INVALID:
        code, message = case.foreign["verify"]
        assert code in (1, 2) and "QuantizeLinear" in message.replace("Dequantize", "Quantize"), message
    else:
        assert [code for code, _ in case.foreign.values() if code] == [], case.foreign


@pytest.mark.skipif(not SCRIPTS, reason="GDFQ_EXPORT_CASES names no folder of scripts, nor has GDFQ_EXPORT_DATA one")
def test_every_case_is_described_on_the_page() -> None:
    described = [name for cases in KINDS.values() for name in cases]
    assert sorted(described) == sorted(script.stem for script in SCRIPTS)


def test_a_row_says_what_happens() -> None:
    good = CaseResult(name="celu", parity=True, layers=(4, 5), ours={"y": 41.23}, static={"y": 33.0})
    refused = CaseResult(name="selu", exit_code=2, message="selu.onnx: the node a | b")
    read = CaseResult(name="q_twice", foreign={"inspect": (0, ""), "verify": (1, "a gate did not pass")})
    page = build_page({case.name: case for case in (good, refused, read)})
    assert "| Celu | exact, layers 4 of 5 | 41.2 | 33.0 |" in page
    assert "| Selu | exit code 2: selu.onnx: the node a / b |  |  |" in page
    assert "| two Q/DQ pairs in a row | read | exit code 1: a gate did not pass |" in page


def test_the_worst_output_counts() -> None:
    assert CaseResult(name="a", ours={"x": 30.0, "y": 20.0}, static={"x": 10.0, "y": 21.0}).behind == 1.0
