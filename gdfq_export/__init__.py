"""Data-free low-bit quantization of trained networks and their export to ONNX.

    import gdfq_export as gq

    result = gq.quantize("net.onnx", out="net.int8.onnx")

Names are imported when they are first used, so that `import gdfq_export` takes no time.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from gdfq_export.support.telemetry import disable_telemetry

disable_telemetry()

__version__ = "0.1.0"

if TYPE_CHECKING:
    from calib.errors import DataError
    from calib.input_spec import InputSpec
    from calib.samplers import RealSet
    from calib.synthetic_set import SyntheticSet
    from gdfq_export.api import (
        batch,
        compare,
        doctor,
        inspect,
        install_emulator,
        load,
        plan,
        quantize,
        recipes,
        search,
        synthesize,
        verify,
    )
    from gdfq_export.api.recipe_search import SearchOptions
    from gdfq_export.artifacts.manifest import Bundle, open_bundle
    from gdfq_export.errors import BackendUnavailable, GateFailed, GdfqExportError, InputError, InternalError
    from gdfq_export.frontend.demo import held_out_set as demo_data
    from gdfq_export.frontend.float_model import FloatModel
    from gdfq_export.jobs.batch.job import Job, JobSettings, make_job
    from gdfq_export.jobs.batch.network_source import NetworkSource
    from gdfq_export.jobs.batch.store import Store
    from gdfq_export.jobs.cluster.work import Cluster
    from gdfq_export.jobs.compare.cells import Comparison
    from gdfq_export.jobs.compare.compare import CompareOptions
    from gdfq_export.jobs.result import Result
    from gdfq_export.jobs.run_context import RunContext
    from gdfq_export.jobs.verify.measure import Timing
    from gdfq_export.jobs.verify.verify import Gating, VerifyOptions
    from gdfq_export.planning.plan import QuantPlan
    from gdfq_export.recipe import Recipe, load_recipe
    from gdfq_export.report.batch.batch import Batch
    from gdfq_export.report.report import Report
    from gdfq_export.support.finding import Finding
    from gdfq_export.support.not_measured import NotMeasured

_MODULE_OF = {
    **dict.fromkeys(
        (
            "batch",
            "compare",
            "doctor",
            "inspect",
            "install_emulator",
            "load",
            "plan",
            "quantize",
            "recipes",
            "search",
            "synthesize",
            "verify",
        ),
        "gdfq_export.api",
    ),
    **dict.fromkeys(
        ("BackendUnavailable", "GateFailed", "GdfqExportError", "InputError", "InternalError"), "gdfq_export.errors"
    ),
    **dict.fromkeys(("Bundle", "open_bundle"), "gdfq_export.artifacts.manifest"),
    **dict.fromkeys(("Gating", "VerifyOptions"), "gdfq_export.jobs.verify.verify"),
    **dict.fromkeys(("Recipe", "load_recipe"), "gdfq_export.recipe"),
    **dict.fromkeys(("Job", "JobSettings", "make_job"), "gdfq_export.jobs.batch.job"),
    "Batch": "gdfq_export.report.batch.batch",
    "Cluster": "gdfq_export.jobs.cluster.work",
    "NetworkSource": "gdfq_export.jobs.batch.network_source",
    "Store": "gdfq_export.jobs.batch.store",
    "CompareOptions": "gdfq_export.jobs.compare.compare",
    "Comparison": "gdfq_export.jobs.compare.cells",
    "DataError": "calib.errors",
    "Finding": "gdfq_export.support.finding",
    "demo_data": "gdfq_export.frontend.demo",
    "FloatModel": "gdfq_export.frontend.float_model",
    "InputSpec": "calib.input_spec",
    "NotMeasured": "gdfq_export.support.not_measured",
    "QuantPlan": "gdfq_export.planning.plan",
    "RealSet": "calib.samplers",
    "Report": "gdfq_export.report.report",
    "Result": "gdfq_export.jobs.result",
    "RunContext": "gdfq_export.jobs.run_context",
    "SearchOptions": "gdfq_export.api.recipe_search",
    "SyntheticSet": "calib.synthetic_set",
    "Timing": "gdfq_export.jobs.verify.measure",
}

_NAME_THERE = {"demo_data": "held_out_set"}

__all__ = [
    "BackendUnavailable",
    "Batch",
    "Bundle",
    "Cluster",
    "CompareOptions",
    "Comparison",
    "DataError",
    "Finding",
    "FloatModel",
    "GateFailed",
    "Gating",
    "GdfqExportError",
    "InputError",
    "InputSpec",
    "InternalError",
    "Job",
    "JobSettings",
    "NetworkSource",
    "NotMeasured",
    "QuantPlan",
    "RealSet",
    "Recipe",
    "Report",
    "Result",
    "RunContext",
    "SearchOptions",
    "Store",
    "SyntheticSet",
    "Timing",
    "VerifyOptions",
    "__version__",
    "batch",
    "compare",
    "demo_data",
    "doctor",
    "inspect",
    "install_emulator",
    "load",
    "load_recipe",
    "make_job",
    "open_bundle",
    "plan",
    "quantize",
    "recipes",
    "search",
    "synthesize",
    "verify",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_MODULE_OF[name]), _NAME_THERE.get(name, name))


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
