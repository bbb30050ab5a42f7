"""What a machine can run follows from its runtimes and from what was tried, not from its name."""

from __future__ import annotations

import json
from pathlib import Path

import onnxruntime
import pytest

from gdfq_export.errors import BackendUnavailable
from gdfq_export.runtimes import BACKENDS
from gdfq_export.runtimes.environment import doctor
from gdfq_export.runtimes.environment.doctor import Diagnosis, diagnose
from gdfq_export.runtimes.environment.machine import Machine
from gdfq_export.runtimes.environment.product_exactness import ProductExactness
from gdfq_export.targets import TARGETS


class Missing:
    def __init__(self, name: str) -> None:
        self.name = name

    def require(self) -> None:
        raise BackendUnavailable(f"{self.name} is not installed")


def products(wrong: int) -> tuple[ProductExactness, ...]:
    return tuple(ProductExactness(bits=bits, wrong=wrong if bits == 8 else 0, of=10, seconds=0.0) for bits in (8, 7))


def machine(*flags: str) -> Machine:
    return Machine(cpu="a CPU", flags=flags, cores=4, load_1min=None, system="Linux x86_64")


def diagnosis(*missing: str, wrong: int = 0, flags: tuple[str, ...] = ("avx2", "avx512_vnni")) -> Diagnosis:
    backends = {**BACKENDS, **{name: Missing(name) for name in missing}}
    return diagnose(backends=backends, machine=machine(*flags), measure=lambda: products(wrong))


def test_every_target_runtime_and_source_is_there() -> None:
    found = diagnosis("tensorrt")
    assert [each.name for each in found.targets] == list(TARGETS)
    assert {each.name for each in found.runtimes} == {target.backend for target in TARGETS.values()}
    assert {each.name for each in found.sources} == {"pytorchcv", "timm", "torchvision"}
    assert found.targets[0].state == "measured here" and found.targets[0].reason == ""
    assert found.torch_devices[0] == "cpu"


def test_a_runtime_that_is_missing_takes_its_target_with_it_and_says_what_helps() -> None:
    found = diagnosis("openvino")
    (runtime,) = (each for each in found.runtimes if each.name == "openvino")
    (target,) = (each for each in found.targets if each.name == "openvino")
    assert not runtime.usable and runtime.reason == "openvino is not installed"
    assert (target.state, target.reason) == ("not here", "openvino is not installed")
    assert "gdfq-export[openvino]" in target.remedy


def test_a_target_with_a_stand_in_is_measured_elsewhere() -> None:
    (target,) = (each for each in diagnosis("tensorrt").targets if each.name == "tensorrt")
    assert target.state == "measured elsewhere"
    assert "ONNX Runtime (nothing fused)" in target.reason and "tensorrt is not installed" in target.reason
    assert "GPU" in target.remedy


def test_where_8_bits_saturate_the_target_of_7_bits_is_advised() -> None:
    found = diagnosis("tensorrt", wrong=5, flags=("avx2",))
    states = {each.name: each for each in found.targets}
    assert "saturate" in states["ort-cpu"].reason and states["ort-cpu"].remedy == "--target ort-cpu-avx2"
    assert states["ort-cpu-avx2"].reason == ""
    assert "without VNNI" in found.integer_speed


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("avx2", "avx512_vnni"), "VNNI"),
        (("avx2", "avx_vnni"), "VNNI"),
        (("avx2", "avx512_vnni", "amx_int8"), "AMX"),
        (("asimddp",), "dot products"),
        ((), "may be slower"),
    ],
    ids=lambda value: value if isinstance(value, str) else "_".join(value) or "none",
)
def test_speed_follows_from_instructions(flags: tuple[str, ...], said: str) -> None:
    assert said in diagnosis("tensorrt", flags=flags).integer_speed


def test_a_package_that_does_not_import_is_told_with_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(name: str) -> None:
        raise RuntimeError("operator torchvision::nms does not exist")

    monkeypatch.setattr(doctor.importlib, "import_module", broken)
    source = doctor._source("torchvision")
    assert not source.usable and "torchvision::nms" in source.reason and "gdfq-export[zoo]" in source.remedy


def test_a_container_s_limit_is_the_memory_there_is(tmp_path: Path) -> None:
    meminfo, limit = tmp_path / "meminfo", tmp_path / "max"
    meminfo.write_text("MemTotal: 4096 kB\nMemAvailable: 2048 kB\n")
    limit.write_text("max\n")
    assert doctor._memory(meminfo, limit) == (4096 * 1024, 2048 * 1024)
    limit.write_text("1000000\n")
    assert doctor._memory(meminfo, limit) == (1000000, 1000000)


def test_the_emulator_is_told_with_its_cpus_or_with_its_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GDFQ_EXPORT_EMULATOR", str(tmp_path))
    missing = doctor._emulator()
    assert not missing.usable and not missing.cpus and missing.remedy == "gdfq-export emulator install"
    facts = {"format": 1, "onnxruntime": onnxruntime.__version__}
    (tmp_path / "emulator.json").write_text(json.dumps(facts))
    found = doctor._emulator()
    assert found.usable and found.folder == str(tmp_path)
    assert "cortex-a53" in found.cpus and "native" not in found.cpus


def test_json_holds_all_of_it() -> None:
    plain = json.loads(diagnosis("tensorrt").to_json())
    assert plain["schema_version"] == 1
    assert {"machine", "products", "runtimes", "targets", "sources", "versions"} <= set(plain)
