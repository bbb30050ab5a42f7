from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from gdfq_export.errors import BackendUnavailable, InputError
from gdfq_export.runtimes.emulation import Emulator, Job
from gdfq_export.runtimes.emulation import emulator as module
from tests.jobs.verify.quantized_classifier import classifier, images


@pytest.fixture
def nothing_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GDFQ_EXPORT_EMULATOR", str(tmp_path / "none"))
    return tmp_path / "none"


def test_without_an_emulator_the_message_names_the_folder_and_the_command(nothing_installed: Path) -> None:
    assert Emulator.find() is None
    with pytest.raises(BackendUnavailable, match="gdfq-export emulator install") as caught:
        Emulator.require()
    assert str(nothing_installed) in str(caught.value)
    assert caught.value.exit_code == 3


def test_an_emulator_with_another_onnxruntime_is_not_used(nothing_installed: Path) -> None:
    nothing_installed.mkdir()
    (nothing_installed / "emulator.json").write_text(json.dumps({"format": 1, "onnxruntime": "1.2.3"}))
    with pytest.raises(BackendUnavailable, match=r"holds onnxruntime 1\.2\.3, and this Python has .* again"):
        Emulator.require()


def test_another_system_emulates_nothing(nothing_installed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.platform, "machine", lambda: "arm64")
    with pytest.raises(BackendUnavailable, match="x86-64 Linux only"):
        Emulator.require()


def test_the_folder_is_among_cached_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GDFQ_EXPORT_EMULATOR", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", "/cached")
    assert module.default_folder() == Path("/cached/gdfq-export/emulator")


def test_an_unknown_cpu_is_refused(nothing_installed: Path) -> None:
    with pytest.raises(InputError, match="no CPU pentium"):
        Emulator(nothing_installed).worker("pentium")


def test_the_native_cpu_needs_no_emulator(nothing_installed: Path) -> None:
    network, pictures = classifier(), images(3)
    model = network.quantized().SerializeToString()
    job = Job(model=model, feeds={"image": pictures}, output_names=["logits"])
    native = Emulator(nothing_installed)
    first, second = native.run_many("native", [job, job])
    assert np.array_equal(first[0], network.integers(pictures)["logits"])
    assert np.array_equal(first[0], second[0])
    assert native.versions("native")["onnxruntime"] == onnxruntime.__version__


def test_a_file_that_is_none_is_refused_and_the_process_goes_on(nothing_installed: Path) -> None:
    native, pictures = Emulator(nothing_installed), images(1)
    with pytest.raises(InputError, match="ONNX Runtime on native does not run it"):
        native.run("native", b"no model", {"image": pictures})
    assert len(native.run("native", classifier().quantized().SerializeToString(), {"image": pictures})) == 1


def test_an_emulator_that_is_damaged_says_so(nothing_installed: Path) -> None:
    with pytest.raises(BackendUnavailable, match=r"cortex-a53 does not start: .*emulator install"):
        Emulator(nothing_installed).versions("cortex-a53")


@pytest.mark.parametrize("cpu", ["cortex-a53", "cortex-a72", "cortex-a76", "arm64-max"])
def test_arm_computes_the_integers_of_a_network_without_additions(emulator: Emulator, cpu: str) -> None:
    network, pictures = classifier(), images(2)
    found = emulator.run(cpu, network.quantized().SerializeToString(), {"image": pictures}, ["logits"])
    assert np.array_equal(found[0], network.integers(pictures)["logits"])
    assert emulator.versions(cpu)["machine"] == "aarch64"


def test_a_cpu_without_vnni_saturates_sums_of_two_products(emulator: Emulator) -> None:
    network, pictures = classifier(), images(9)
    found = emulator.run("haswell", network.quantized().SerializeToString(), {"image": pictures})
    assert not np.array_equal(found[0], network.integers(pictures)["logits"])
