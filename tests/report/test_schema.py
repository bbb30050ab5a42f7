"""The published schema of the report: what is written is valid, anything else is not."""

from __future__ import annotations

import copy
import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

import gdfq_export
from gdfq_export.metrics.latency import RatioInterval, Timings
from gdfq_export.metrics.resources import FileResources, Resources
from gdfq_export.report.gates import decide
from gdfq_export.report.json_form import SCHEMA_VERSION
from gdfq_export.report.report import AccuracyOverTime, AccuracyPoint, BudgetFacts, KeptNode, Report
from gdfq_export.report.schema import DIALECT, report_schema
from gdfq_export.report.target_choice import Candidate, TargetChoice
from tests.report.reports import MIXED_BITS, bare_report, cpu_figures, make_report
from tests.report.test_gates import PASSING, bad

SHIPPED = Path(gdfq_export.__file__).parent.parent / "docs" / "report.schema.json"
SCHEMA = report_schema()
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)


def full() -> Report:
    """Every part that a report can have."""
    report = bad()
    used = FileResources(load_seconds=0.1, peak_memory_bytes=5)
    timings = Timings(runs=1, p50_ms=1.0, p90_ms=1.0, p99_ms=1.0)
    ratio = RatioInterval(value=1.0, low=0.9, high=1.1, rounds=9)
    drafts = [
        Candidate(target=name, runtime="r", timings=time, speedup=ratio, integer_compute=1, float_compute=0, reason="")
        for name, time in (("a", timings), ("b", None))
    ]
    return dataclasses.replace(
        report,
        cpus=(cpu_figures("cortex-a53"),),
        gates=decide(report, PASSING),
        resources=Resources(runtime="onnxruntime", batch=1, float_network=used, quantized=used),
        budget=BudgetFacts(seconds=10, seconds_spent=9.5),
        accuracy_over_time=AccuracyOverTime(
            images=8,
            points=(
                AccuracyPoint(seconds=3, phase="calibrate", step=0, output_error=0.5, agreement=None, kept=False),
                AccuracyPoint(seconds=4, phase="fine-tune", step=8, output_error=0.25, agreement=0.75, kept=True),
            ),
        ),
        mixed_bits=MIXED_BITS,
        kept=(KeptNode(node="conv", op_type="Conv", reason="kept float by bits.keep_float"),),
        target_choice=TargetChoice(
            chosen="a",
            reason="fastest",
            batch=1,
            threads=1,
            float_runtime="r",
            float_timings=timings,
            candidates=tuple(drafts),
        ),
    )


REPORTS = {"labelled": make_report(labelled=True), "unlabelled": make_report(labelled=False), "full": full()}
REPORTS["bare"] = bare_report()


def body(report: Report = REPORTS["full"]) -> dict[str, Any]:
    return json.loads(report.to_json())


def test_it_is_a_schema_of_its_dialect_and_version() -> None:
    VALIDATOR.check_schema(SCHEMA)
    assert (SCHEMA["$schema"], SCHEMA["title"]) == (DIALECT, "gdfq-export report")
    assert SCHEMA["$id"].endswith(f":{SCHEMA_VERSION}")


def test_the_shipped_file_is_what_the_dataclasses_say() -> None:
    assert json.loads(SHIPPED.read_text(encoding="utf-8")) == SCHEMA, "run python scripts/report_schema.py"


@pytest.mark.parametrize("name", REPORTS)
def test_reports_are_valid(name: str) -> None:
    VALIDATOR.validate(body(REPORTS[name]))


def objects() -> Iterator[dict[str, Any]]:
    yield SCHEMA
    yield from SCHEMA["$defs"].values()


def test_every_part_is_described_complete_and_closed() -> None:
    for part in objects():
        assert part["description"] and part["additionalProperties"] is False
        assert part["required"] == [*part["properties"]]


def places(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """Every value of JSON data with the way to it."""
    yield at, value
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, held in inner:
        yield from places(held, (*at, key))


FREE = {("recipe", "used"), ("calibration", "provenance"), ("seconds_by_phase",), ("versions",), ("reasons",)}
FREE |= {("mixed_bits", "sensitivity"), ("coverage", "operator_counts"), ("cpus", 0, "coverage", "operator_counts")}
"""Mappings whose keys are names of the run."""


def changed(at: tuple[Any, ...], change: Any) -> dict[str, Any]:
    """The full report with `change` done to what is at a place."""
    whole = copy.deepcopy(body())
    inner: Any = whole
    for key in at[:-1]:
        inner = inner[key]
    change(inner, at[-1]) if at else change(whole, None)
    return whole


MAPPINGS = [
    at
    for at, value in places(body())
    if isinstance(value, dict)
    and not any(at[: len(free)] == free for free in FREE)
    and not any(each in at for each in range(1, 99))
]


@pytest.mark.parametrize("at", MAPPINGS, ids=lambda at: ".".join(map(str, at)) or "report")
def test_another_key_a_missing_key_and_another_type_are_refused(at: tuple[Any, ...]) -> None:
    found = body()
    for key in at:
        found = found[key]
    for name in found:
        assert not VALIDATOR.is_valid(changed((*at, name), lambda inner, key: inner.pop(key))), f"without {name}"
        wrong = changed((*at, name), lambda inner, key: inner.__setitem__(key, {"not": ["this"]}))
        if (*at, name) not in FREE:
            assert not VALIDATOR.is_valid(wrong), f"another type of {name}"
    assert not VALIDATOR.is_valid(changed((*at, "stranger"), lambda inner, key: inner.__setitem__(key, 1)))


@pytest.mark.parametrize(
    ("at", "value"),
    [
        (("schema_version",), 1),
        (("files",), None),
        (("files", "size_ratio"), None),
        (("files", "quantized", "bytes"), 1.5),
        (("gates", 0, "verdict"), "maybe"),
        (("findings", 0, "consequence"), "bad"),
        (("input", "shape"), [1, "3", 3]),
        (("reasons",), {"accuracy": None}),
        (("versions",), {"python": 3.11}),
    ],
    ids=lambda value: ".".join(map(str, value)) if isinstance(value, tuple) else "",
)
def test_wrong_values_are_refused(at: tuple[Any, ...], value: Any) -> None:
    assert not VALIDATOR.is_valid(changed(at, lambda inner, key: inner.__setitem__(key, value)))


def test_the_names_of_verdicts_are_those_of_the_table() -> None:
    assert SCHEMA["$defs"]["GateResult"]["properties"]["verdict"] == {"enum": ["passed", "failed", "inconclusive"]}
