"""Runs of the whole job for tests: on the CPU, silent, written where a test wants them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from calib.samplers import RealSet
from calib.synthetic_set import SyntheticSet
from gdfq_export.frontend.float_model import FloatModel
from gdfq_export.jobs.given_inputs import labelled_of
from gdfq_export.jobs.quantize import quantize as run_quantize
from gdfq_export.jobs.quantizing.request import QuantizeRequest
from gdfq_export.jobs.result import Result
from gdfq_export.jobs.run_context import RunContext
from gdfq_export.jobs.synthesize import synthesize as run_synthesize
from gdfq_export.recipe import Recipe

__all__ = ["quantize", "synthesize"]


def quantize(
    model: FloatModel,
    recipe: Recipe,
    *,
    out: Path,
    report: Path | None = None,
    data: RealSet | None = None,
    calibration: SyntheticSet | RealSet | None = None,
    seed: int = 0,
    budget: float | None = None,
    **request: Any,
) -> Result:
    labelled = None if data is None else labelled_of(data, model)
    asked = QuantizeRequest(
        model=model, recipe=recipe, labelled=labelled, calibration=calibration, name=out.name, **request
    )
    result = run_quantize(asked, RunContext(seed=seed, device="cpu", budget_seconds=budget))
    result.save(out, report=report)
    return result


def synthesize(model: FloatModel, recipe: Recipe, *, count: int, seed: int = 0) -> SyntheticSet:
    return run_synthesize(model, recipe, RunContext(seed=seed, device="cpu"), count=count)
