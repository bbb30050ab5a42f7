"""Networks with hard activations, gates and shuffles come out whole, and the page says what was run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from bench import coverage
from bench.coverage import BITS, main, run_cell
from bench.usual_networks import load_drawn

pytest.importorskip("pytorchcv", reason="pip install 'gdfq-export[zoo]'")


@pytest.mark.parametrize(("network", "grid"), [("mobilenetv3_small_w1", "W4A4"), ("shufflenet_g3_w1", "mixed")])
def test_every_convolution_is_integer_and_every_integer_as_simulated(network: str, grid: str) -> None:
    facts = run_cell(load_drawn(network), "ort-cpu", BITS[grid])
    assert facts["in_float_by_plan"] == facts["float_compute"] == facts["dequantize_left"] == []
    assert facts["integer_compute"] > 40
    assert facts["parity"]["exact"] and facts["parity"]["elements"] > 10**6


def test_the_page_shows_what_was_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    facts = {
        "in_float_by_plan": [],
        "integer_compute": 20,
        "float_compute": ["Conv stem"],
        "dequantize_left": [],
        "coverage_missing": None,
        "parity": {"exact": False, "differing": 3},
        "simulation": None,
        "lint": [],
    }
    (tmp_path / "resnet18.json").write_text(json.dumps({"cells": {"ort-cpu/W8A8": facts}}))
    monkeypatch.setattr(coverage, "RESULTS", tmp_path)
    monkeypatch.setattr(coverage, "PAGE", tmp_path / "page.md")
    assert CliRunner().invoke(main, ["page"]).exit_code == 0
    page = (tmp_path / "page.md").read_text()
    assert "| ResNet-18 | 20 integer, 1 float, 3 INTEGERS DIFFER |" in page
    assert "* ResNet-18: Conv stem" in page
    assert "## openvino" not in page
