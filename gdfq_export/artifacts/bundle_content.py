"""What a bundle is written of."""

from __future__ import annotations

from typing import Protocol

from calib.synthetic_set import SyntheticSet
from gdfq_export.frontend.float_model import FloatModel
from gdfq_export.planning.plan import QuantPlan
from gdfq_export.report.report import Report


class BundleContent(Protocol):
    """One quantized network and what was measured of it, as `jobs.result.Result` has it."""

    @property
    def onnx_bytes(self) -> bytes:
        """The quantized file."""

    @property
    def model(self) -> FloatModel:
        """The float network."""

    @property
    def report(self) -> Report:
        """What was measured."""

    @property
    def plan(self) -> QuantPlan:
        """Which tensors carry Q/DQ."""

    @property
    def images(self) -> SyntheticSet | None:
        """The images it was tuned on."""

    @property
    def page(self) -> str:
        """The report as HTML."""
