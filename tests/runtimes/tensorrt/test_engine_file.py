"""What an engine's first bytes say, and what is said of one that cannot run here; a real one where one can be built."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest

from gdfq_export.errors import BackendUnavailable, InputError
from gdfq_export.runtimes.tensorrt import engine_file
from gdfq_export.runtimes.tensorrt.engine_file import is_engine, read_engine, require_package, require_runs_here
from gdfq_export.runtimes.tensorrt.package import Package
from tests.jobs.verify.quantized_classifier import classifier
from tests.runtimes.tensorrt.fake_tensorrt import VERSION, engine_bytes
from tests.runtimes.tensorrt.test_package import install


def installed(monkeypatch: pytest.MonkeyPatch, version: str, *, gpu: str = "") -> None:
    """One package of this version, whatever it is called, and a GPU, or why there is none."""

    def find(*names: str) -> Package:
        return Package(name=names[0], version=version, builds_without_gpu=True, api=ModuleType("api"))

    monkeypatch.setattr(engine_file, "find_package", find)
    monkeypatch.setattr(engine_file, "reason_against_gpu", lambda: gpu)


@pytest.mark.parametrize(("magic", "package"), [(b"vtrt", "tensorrt_rtx"), (b"ftrt", "tensorrt")])
def test_package_and_version_stand_in_the_first_bytes(magic: bytes, package: str) -> None:
    engine = read_engine(engine_bytes(magic, "10.16.1.11"))
    assert engine.title == f"{package} 10.16.1.11"


def test_a_built_engine_says_what_built_it(tmp_path: Path) -> None:
    api = pytest.importorskip("tensorrt_rtx", reason="pip install 'gdfq-export[tensorrt-rtx]'")
    from gdfq_export.runtimes.tensorrt import build_engine

    data = build_engine(classifier().float_network().SerializeToString(), package="tensorrt_rtx").data
    assert is_engine(data) and read_engine(data).title == f"tensorrt_rtx {api.__version__}"
    path = tmp_path / "cut.plan"
    path.write_bytes(data[:-1])
    with pytest.raises(InputError, match=f"has {len(data) - 1:,} bytes where it states {len(data):,}; copy it again"):
        read_engine(path)


def test_an_engine_is_known_by_its_bytes_or_else_by_its_name(tmp_path: Path) -> None:
    engine, other, named = tmp_path / "net.onnx", tmp_path / "other.onnx", tmp_path / "net.PLAN"
    engine.write_bytes(engine_bytes())
    other.write_bytes(classifier().float_network().SerializeToString())
    named.write_bytes(b"")
    assert [is_engine(path) for path in (engine, other, named)] == [True, False, True]
    assert [is_engine(tmp_path / name) for name in ("missing.engine", "missing.onnx")] == [True, False]
    assert not is_engine(b"")


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (None, r"cannot read .*net\.plan: No such file"),
        (b"", r"net\.plan is no engine of TensorRT or is damaged: it begins with b''"),
        (b"\x08\x07\x12\x05 onnx", "is no engine of TensorRT"),
        (engine_bytes()[:20], r"is damaged or cut short: it has 20 bytes; copy it again"),
        (engine_bytes(weights=[1])[:40], r"has 40 bytes where it states \d+; copy it again"),
        (engine_bytes() + b"more", r"bytes where it states"),
        (engine_bytes(b"ftrt")[:27], "is damaged or cut short"),
    ],
    ids=["missing", "empty", "other", "header", "cut", "longer", "full"],
)
def test_what_is_no_whole_engine_is_one_sentence(tmp_path: Path, data: bytes | None, words: str) -> None:
    path = tmp_path / "net.plan"
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(InputError, match=words) as caught:
        read_engine(path)
    assert "\n" not in str(caught.value)


def test_the_version_that_built_it_runs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch, VERSION)
    require_runs_here(read_engine(engine_bytes()))


@pytest.mark.parametrize("version", ["10.3.0.26", "10.3.0.282", "10.3.0", "unknown"])
def test_versions_are_compared_as_far_as_both_say(monkeypatch: pytest.MonkeyPatch, version: str) -> None:
    installed(monkeypatch, version)  # 282 does not fit into a byte
    require_package(read_engine(engine_bytes(b"ftrt", "10.3.0.26")))


def test_another_version_is_refused_by_both_names(monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch, "1.8.0.1")
    words = (
        r"built by tensorrt_rtx 1\.7\.1\.116, and tensorrt_rtx 1\.8\.0\.1 is installed.*pip install tensorrt-rtx==1\.7"
    )
    with pytest.raises(BackendUnavailable, match=words):
        require_package(read_engine(engine_bytes()))


def test_a_package_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch)
    with pytest.raises(BackendUnavailable, match=r"tensorrt is not installed or does not load: pip .*\[tensorrt\]'"):
        require_package(read_engine(engine_bytes(b"ftrt", "10.3.0.26")))


def test_without_a_gpu_it_is_said_what_can_be_verified_where(monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch, VERSION, gpu="the NVIDIA driver sees no GPU")
    words = r"runs on NVIDIA GPUs only: the NVIDIA driver sees no GPU; verify it on its device, and here the ONNX"
    with pytest.raises(BackendUnavailable, match=words):
        require_runs_here(read_engine(engine_bytes()))
