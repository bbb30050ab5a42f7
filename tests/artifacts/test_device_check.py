"""The check of a bundle on a device: it needs numpy and onnxruntime alone, and finds what was changed."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import numpy_helper

import gdfq_export as gq
from gdfq_export.artifacts import device_check
from gdfq_export.runtimes.emulation import Emulator, find_cpu
from tests.artifacts.checked_bundle import QUICK, accept_hash, check, edit_manifest

DEVICE = """import runpy, sys
_, packages, *sys.argv = sys.argv
sys.path.append(packages)
runpy.run_path(sys.argv[0], run_name="__main__")
"""
BARE = "import sys; sys.path.append(sys.argv[1]); import {}"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made") / "bundle"
    gq.quantize(None, QUICK).bundle(folder)
    return folder


@pytest.fixture
def bundle(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "bundle"))


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """A folder with some installed packages and no others."""

    def linked(*names: str) -> Path:
        folder = tmp_path_factory.mktemp("packages")
        for name in names:
            (module,) = sys.modules[name].__path__
            for part in (Path(module), Path(module).parent / f"{name}.libs"):
                if part.exists():
                    (folder / part.name).symlink_to(part)
        return folder

    return linked


def on_device(packages: Path, bundle: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run the bundle's own check in a Python that sees nothing but its standard library and `packages`."""
    command = [sys.executable, "-I", "-S", "-c", DEVICE, str(packages), str(bundle / "check.py"), *options]
    return subprocess.run([*command, "--seconds", "0"], capture_output=True, text=True, timeout=600, cwd=bundle)


def flip_a_weight(bundle: Path) -> None:
    """Change one code of one weight of the last layer."""
    proto = onnx.load(bundle / "model.onnx")
    codes = [tensor for tensor in proto.graph.initializer if tensor.data_type == onnx.TensorProto.INT8][-1]
    changed = numpy_helper.to_array(codes).copy()
    changed.reshape(-1)[0] ^= -128
    codes.CopyFrom(numpy_helper.from_array(changed, codes.name))
    onnx.save(proto, bundle / "model.onnx")


def test_it_needs_numpy_and_onnxruntime_alone(bundle: Path, packages: Callable[..., Path]) -> None:
    both = packages("numpy", "onnxruntime")
    for name in ("torch", "gdfq_export", "onnx"):
        command = [sys.executable, "-I", "-S", "-c", BARE.format(name), str(both)]
        assert subprocess.run(command, capture_output=True, cwd=bundle).returncode != 0
    for name in ("float.onnx", "float.json", "calibration.npz", "report.json", "report.html"):
        (bundle / name).unlink()
    result = on_device(both, bundle)
    assert (result.returncode, result.stderr) == (0, ""), result.stderr
    assert "40 of 40 numbers equal" in result.stdout and result.stdout.endswith("passed\n")


@pytest.mark.parametrize("cpu", ["cortex-a53", "cortex-a76"])
def test_it_checks_a_bundle_on_arm64(bundle: Path, emulator: Emulator, cpu: str) -> None:
    command, packages = emulator.command(find_cpu(cpu))
    environment = {**os.environ, **packages, "OMP_NUM_THREADS": "1"}

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        options = {"env": environment, "cwd": bundle, "capture_output": True, "text": True, "timeout": 600}
        return subprocess.run([*command, *words], **options)

    assert run("-c", "import torch").returncode != 0 != run("-c", "import gdfq_export").returncode
    passed = run("check.py", "--seconds", "0")
    assert (passed.returncode, passed.stdout.splitlines()[-1]) == (0, "passed"), passed
    assert "40 of 40 numbers equal" in passed.stdout and "aarch64" in passed.stdout
    flip_a_weight(bundle)
    accept_hash(bundle)
    edit_manifest(bundle, lambda facts: facts["input"]["preprocess"].update(mean=[0.25]))
    changed = run("check.py", "--seconds", "0")
    assert changed.returncode == 1
    assert "failed: input: another preprocessing; logits: off by up to" in changed.stdout


@pytest.mark.parametrize("there", [(), ("numpy",)])
def test_a_missing_package_is_exit_code_3(bundle: Path, packages: Callable[..., Path], there: tuple[str, ...]) -> None:
    result = on_device(packages(*there), bundle)
    assert result.returncode == 3
    assert f"pip install numpy onnxruntime=={onnxruntime.__version__}" in result.stderr


def test_it_is_python_of_old_devices_and_imports_nothing_else() -> None:
    tree = ast.parse(Path(device_check.__file__).read_text(encoding="utf-8"), feature_version=(3, 8))
    imported = {
        name.split(".")[0]
        for node in ast.walk(tree)
        for name in ([node.module or ""] if isinstance(node, ast.ImportFrom) else [])
        + ([alias.name for alias in node.names] if isinstance(node, ast.Import) else [])
    }
    assert imported - sys.stdlib_module_names == {"numpy", "onnxruntime"}


def test_a_changed_weight_is_found_by_its_hash(bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flip_a_weight(bundle)
    assert check(bundle) == 2
    assert "model.onnx is not the file that manifest.json was written for" in capsys.readouterr().err


def test_a_changed_weight_is_found_by_the_outputs(bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flip_a_weight(bundle)
    accept_hash(bundle)
    assert check(bundle) == 1
    assert "failed: logits: off by up to" in capsys.readouterr().out


@pytest.mark.parametrize(("key", "value"), [("mean", [0.25]), ("std", [0.5]), ("scale", 100.0)])
def test_a_changed_preprocessing_is_found(
    bundle: Path, key: str, value: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    edit_manifest(bundle, lambda facts: facts["input"]["preprocess"].update({key: value}))
    assert check(bundle) == 1
    assert "input: another preprocessing" in capsys.readouterr().out


def test_the_preprocessing_of_the_devices_own_code_is_compared(
    bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pixels = np.load(bundle / "check.npz")["input"]
    spec = gq.load(None).input_spec
    np.save(tmp_path / "own.npy", spec.normalize(pixels))
    assert check(bundle, "--inputs", str(tmp_path / "own.npy")) == 0
    np.save(tmp_path / "own.npy", spec.normalize(pixels) / 2)
    assert check(bundle, "--inputs", str(tmp_path / "own.npy")) == 1
    assert "another preprocessing" in capsys.readouterr().out
    np.save(tmp_path / "own.npy", np.zeros((4, 3, 5, 5), np.float32))
    assert check(bundle, "--inputs", str(tmp_path / "own.npy")) == 1
    assert check(bundle, "--inputs", str(tmp_path / "none.npy")) == 2
    assert "cannot read" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["model.onnx", "check.npz", "manifest.json"])
@pytest.mark.parametrize("damage", ["missing", "cut"])
def test_a_missing_or_truncated_file_is_exit_code_2(
    bundle: Path, name: str, damage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = (bundle / name).read_bytes()
    (bundle / name).unlink() if damage == "missing" else (bundle / name).write_bytes(whole[: len(whole) // 2])
    assert check(bundle) == 2
    assert name in capsys.readouterr().err


def test_a_truncated_archive_is_exit_code_2_though_its_hash_is_stated(
    bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (bundle / "check.npz").write_bytes((bundle / "check.npz").read_bytes()[:100])
    accept_hash(bundle, "check.npz", "device_check")
    assert check(bundle) == 2
    assert "cannot read" in capsys.readouterr().err


def test_a_file_that_the_runtime_does_not_load_is_exit_code_3(bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (bundle / "model.onnx").write_bytes(b"no network")
    accept_hash(bundle)
    assert check(bundle) == 3
    assert f"install version {onnxruntime.__version__}" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["[]", "{}", '{"tool_version": "1", "target": "ort-cpu", "device_check": {}}'])
def test_a_manifest_that_was_edited_is_exit_code_2(bundle: Path, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    (bundle / "manifest.json").write_text(text)
    assert check(bundle) == 2
    assert "manifest.json is not as it was written" in capsys.readouterr().err


def test_another_version_of_the_runtime_is_said(bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    edit_manifest(bundle, lambda facts: facts["versions"].update(onnxruntime="1.20.0"))
    assert check(bundle) == 0
    assert "1.20.0" in (said := capsys.readouterr().out) and "another version may have other kernels" in said


def test_a_bundle_of_an_older_version_or_another_runtime_says_so(
    bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    edit_manifest(bundle, lambda facts: facts.pop("device_check"))
    assert check(bundle) == 2
    assert "has no device_check; write the bundle for ONNX Runtime, with a newer version" in capsys.readouterr().err


def test_a_limit_on_the_time_is_a_gate(bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert check(bundle, "--max-p99-ms", "1e9") == 0
    assert check(bundle, "--max-p99-ms", "1e-9") == 1
    assert "slower than 1e-09 ms" in capsys.readouterr().out


@pytest.mark.parametrize("target", ["openvino", "tensorrt"])
def test_bundles_of_other_runtimes_have_none(tmp_path: Path, target: str) -> None:
    pytest.importorskip("openvino")
    gq.quantize(None, QUICK, target=target).bundle(tmp_path / "bundle")
    assert not (tmp_path / "bundle" / "check.py").exists()
    assert "device_check" not in gq.open_bundle(tmp_path / "bundle").facts


def test_a_bundle_whose_check_was_changed_is_not_opened(bundle: Path) -> None:
    (bundle / "check.npz").write_bytes(b"other")
    with pytest.raises(gq.GdfqExportError, match=r"check\.npz"):
        gq.open_bundle(bundle)
