"""gdfq-export doctor: the whole machine on a screen, always exit code 0."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from gdfq_export.cli.main import cli
from gdfq_export.runtimes.environment import doctor as diagnosis
from gdfq_export.runtimes.environment.product_exactness import ProductExactness
from gdfq_export.targets import TARGETS


def test_the_machine_its_targets_and_what_was_tried_are_told(tmp_path: Path) -> None:
    out = tmp_path / "doctor.json"
    result = CliRunner().invoke(cli, ["doctor", "--json", str(out)])
    assert result.exit_code == 0, result.output
    assert all(target in result.stdout for target in TARGETS)
    assert "sums of the largest codes" in result.stdout and "onnxruntime" in result.stdout
    assert result.stdout.endswith(f"wrote {out}\n")
    facts = json.loads(out.read_text())
    assert [each["bits"] for each in facts["products"]] == [8, 7]
    assert facts["versions"]["python"]


def test_a_cpu_that_saturates_is_told_and_still_ends_with_0(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = tuple(ProductExactness(bits=bits, wrong=6 * (bits - 7), of=9, seconds=0.1) for bits in (8, 7))
    real = diagnosis.diagnose
    monkeypatch.setattr(diagnosis, "diagnose", lambda: real(measure=lambda: wrong))
    result = CliRunner().invoke(cli, ["doctor"])
    assert result.exit_code == 0
    assert "NOT exact: 6 of 9 sums" in result.stdout
    assert "--target" in result.stdout and "ort-cpu-avx2" in result.stdout


def test_the_json_is_checked_before_anything_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(diagnosis, "diagnose", lambda: pytest.fail("it looked"))
    result = CliRunner().invoke(cli, ["doctor", "--json", "absent/doctor.json"])
    assert result.exit_code == 2
    assert "does not exist" in result.stderr
