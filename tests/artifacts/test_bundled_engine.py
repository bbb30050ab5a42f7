"""A bundle's engine is built, with its timing cache where the package has one, or the reason why not is kept."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from gdfq_export.artifacts import bundled_engine as bundle_engine
from gdfq_export.artifacts.bundle import write_bundle
from gdfq_export.artifacts.bundled_engine import BundledEngine, build_bundled_engine
from gdfq_export.artifacts.manifest import MANIFEST, open_bundle
from gdfq_export.errors import BackendUnavailable, InputError
from gdfq_export.jobs.network_file import NetworkFile
from gdfq_export.report.report import Files
from gdfq_export.runtimes.tensorrt import Engine
from gdfq_export.support.progress import SilentProgress
from gdfq_export.targets import TARGETS
from tests.jobs.verify.quantized_classifier import classifier
from tests.report.reports import make_report


@pytest.fixture
def file() -> bytes:
    return b"a file"


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What a builder was asked for that measures kernels."""
    asked: dict[str, Any] = {}

    def build(model: bytes, *, batches: tuple[int, ...], timing_cache: Path | None) -> Engine:
        asked.update(model=model, batches=batches)
        if timing_cache is not None:
            timing_cache.write_bytes(b"measured")
        return Engine(data=b"engine", runtime="tensorrt 11.4", graph=None, warnings=("beware",), seconds=1.0)

    monkeypatch.setattr(bundle_engine, "build_engine", build)
    monkeypatch.setattr(bundle_engine, "find_package", lambda: SimpleNamespace(has_timing_cache=True))
    return asked


def build(file: bytes, target: str = "tensorrt") -> BundledEngine | None:
    return build_bundled_engine(file, TARGETS[target], batch=8, progress=SilentProgress())


def test_engine_and_timing_cache_are_kept(file: bytes, built: dict[str, Any]) -> None:
    engine = build(file)
    assert built == {"model": b"a file", "batches": (1, 8, 8)}
    assert engine == BundledEngine(
        batch=8, built_with="tensorrt 11.4", data=b"engine", timing_cache=b"measured", warnings=("beware",)
    )


def test_a_package_that_measures_nothing_is_asked_for_no_cache(
    file: bytes, built: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bundle_engine, "find_package", lambda: SimpleNamespace(has_timing_cache=False))
    engine = build(file)
    assert engine is not None and engine.data == b"engine" and engine.timing_cache is None


@pytest.mark.parametrize("target", [name for name in TARGETS if name != "tensorrt"])
def test_other_targets_have_no_engines(file: bytes, built: dict[str, Any], target: str) -> None:
    assert build(file, target) is None and built == {}


@pytest.mark.parametrize("error", [BackendUnavailable("TensorRT is not installed"), InputError("refused: Conv c")])
def test_why_there_is_none_is_kept_and_said(file: bytes, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def fail(*names: str) -> None:
        raise error

    monkeypatch.setattr(bundle_engine, "find_package", fail)
    engine = build(file)
    assert engine is not None and (engine.data, engine.not_built) == (None, str(error))
    assert engine.warnings == (f"the bundle has no engine: {error}",)


@pytest.mark.parametrize(
    ("engine", "facts", "names"),
    [
        (
            BundledEngine(batch=8, built_with="tensorrt 11.4", data=b"e", timing_cache=b"c"),
            {"built_with": "tensorrt 11.4", "largest_batch": 8},
            {"model.plan", "timing.cache"},
        ),
        (
            BundledEngine(batch=8, built_with="tensorrt_rtx 1.7", data=b"e"),
            {"built_with": "tensorrt_rtx 1.7", "largest_batch": 8},
            {"model.plan"},
        ),
        (BundledEngine(batch=8, not_built="no TensorRT"), {"not_built": "no TensorRT"}, set()),
        (None, None, set()),
    ],
    ids=["with a cache", "without", "not built", "other target"],
)
def test_the_manifest_says_what_built_it_or_why_not(
    tmp_path: Path, engine: BundledEngine | None, facts: dict[str, Any] | None, names: set[str]
) -> None:
    networks = {"quantized": classifier().quantized(), "float_network": classifier().float_network()}
    network: Any = SimpleNamespace(original=networks["float_network"])
    plan: Any = SimpleNamespace(target="tensorrt", points=())
    facts_of = {key: NetworkFile.of(proto, key).facts for key, proto in networks.items()}
    report = dataclasses.replace(make_report(labelled=False), files=Files(**facts_of, size_ratio=1.0))
    content: Any = SimpleNamespace(
        onnx_bytes=networks["quantized"].SerializeToString(),
        model=network,
        report=report,
        plan=plan,
        images=None,
        page="<page>",
    )
    write_bundle(tmp_path / "b", content, engine)
    opened = open_bundle(tmp_path / "b")
    found = json.loads((tmp_path / "b" / MANIFEST).read_text()).get("engine")
    assert {path.name for path in opened.folder.iterdir()} & {"model.plan", "timing.cache"} == names
    if facts is None:
        assert found is None
    else:
        assert {*found.pop("files")} == names
        assert found == facts
