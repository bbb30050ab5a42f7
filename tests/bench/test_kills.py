"""The kill suite: a few kills here, more under `slow`; `python -m bench.kills` runs hundreds."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from bench.kills import CASES, SIGNALS, Round, run_round

SENT = [*SIGNALS.values()]
SEEDS = (0, 1)
"""Add the seed of a run that found a fault."""


def test_a_killed_synthesis_loses_mixes_and_leaves_nothing(tmp_path: Path) -> None:
    case = next(case for case in CASES if case.name == "synthesize")
    kills = [*run_round(case, tmp_path / "round", SENT[:2], random.Random(0), {})]
    assert len(kills) == 2 and not [fault for kill in kills for fault in kill.faults]


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_killed_runs_lose_mix_and_leave_nothing(tmp_path: Path, case: object, seed: int) -> None:
    kills = [*run_round(case, tmp_path / "round", SENT, random.Random(seed), {})]  # type: ignore[arg-type]
    assert not [fault for kill in kills for fault in kill.faults]


def test_lost_half_mixed_and_left_outputs_are_faults(tmp_path: Path) -> None:
    one = Round(next(case for case in CASES if case.name == "bundle, W4A4"), tmp_path)
    (one.outputs / "net.onnx").write_text("old")
    before = one.hashes()
    assert not [*one.faults([before])] and not one.left()
    (one.outputs / "net.onnx").write_text("ol")
    assert "lost, half or mixed" in next(one.faults([before]))
    (one.outputs / "net.onnx").write_text("old")
    (one.outputs / "report.json").write_text('{"files": {"quantized": {"sha256": "other"}}}')
    (one.outputs / "bundle").mkdir()
    assert len([*one.faults([before])]) == 2
    (one.outputs / ".net.onnx.0123456789ab.gdfq-part").touch()
    (one.temporary / "scratch").mkdir()
    assert len(one.left()) == 2
