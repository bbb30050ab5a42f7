"""Real images that were given are compared; the report, its gate and a warning say so."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

import gdfq_export as gq
from gdfq_export.jobs.verify.domain_checks import domain_checks
from gdfq_export.metrics.in_domain import InDomain
from gdfq_export.report.gates import decide
from gdfq_export.report.report import Report
from gdfq_export.report.summary_table import summary_rows
from gdfq_export.report.verdict import Verdict
from gdfq_export.support.progress import SilentProgress
from tests.artifacts.checked_bundle import QUICK


@pytest.fixture(scope="module")
def report() -> Report:
    """Of the demo network on its own digits, and on inverted ones as calibration images are."""
    digits = gq.demo_data()
    return gq.quantize(None, QUICK, data=digits).report


def verdict(report: Report) -> Verdict:
    (gate,) = decide(report, {"require-in-domain": True})
    return gate.verdict


def test_its_own_digits_are_of_its_kind(report: Report) -> None:
    (found,) = report.in_domain
    assert found.in_domain and found.channels_log_ratio is None
    assert verdict(report) is Verdict.PASSED
    assert any(name == "images like training data" and value == "yes" for name, value, _ in summary_rows(report))


def test_inverted_digits_are_not(report: Report) -> None:
    network, digits = gq.load(None), gq.demo_data()
    images = 1.0 - np.asarray(digits.images)
    (found,) = domain_checks(network, {"inverted": images}, SilentProgress())
    assert not found.in_domain and "64 images of inverted are unlike" in found.message
    wrong = dataclasses.replace(report, in_domain=(*report.in_domain, found))
    assert verdict(wrong) is Verdict.FAILED


def test_without_real_images_the_gate_is_inconclusive(report: Report) -> None:
    assert domain_checks(gq.load(None), {}, SilentProgress()) == ()
    assert verdict(dataclasses.replace(report, in_domain=())) is Verdict.INCONCLUSIVE


def test_a_report_keeps_it(report: Report, tmp_path: object) -> None:
    path = f"{tmp_path}/report.json"
    report.save(path)
    assert Report.load(path).in_domain == report.in_domain
    assert all(isinstance(each, InDomain) for each in report.in_domain)


def test_real_calibration_images_are_compared_before_tuning() -> None:
    digits = gq.demo_data()
    inverted = dataclasses.replace(digits, images=1.0 - digits.images)
    recipe = QUICK.model_copy(update={"data": QUICK.data.model_copy(update={"method": "real"})})
    report = gq.quantize(None, recipe, calibration=inverted, data=digits).report
    first, second = report.in_domain
    assert (first.in_domain, second.in_domain) == (False, True)
    assert any("are unlike the network's training data" in warning for warning in report.warnings)
