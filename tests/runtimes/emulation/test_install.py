from __future__ import annotations

import json
import subprocess
from pathlib import Path

import onnxruntime
import pytest

from gdfq_export.errors import BackendUnavailable, InputError
from gdfq_export.runtimes.emulation import install as module
from gdfq_export.runtimes.emulation.emulator import Emulator, require_installed


@pytest.fixture
def fetched(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """No network: packages are empty, each CPU answers; pip's command lines."""
    lines: list[list[str]] = []

    def pip(command: list[str], **options: object) -> subprocess.CompletedProcess[str]:
        lines.append(command)
        return subprocess.CompletedProcess(command, 0, "", "")

    def debian(folder: Path, mirror: str) -> list[str]:
        (folder / "root").mkdir()
        return [f"from {mirror}"]

    facts = {"onnxruntime": onnxruntime.__version__, "numpy": "2.0.0"}
    monkeypatch.setattr(module, "require_system", lambda: None)
    monkeypatch.setattr(module, "require_debian_tools", lambda: None)
    monkeypatch.setattr(module, "fetch_debian_packages", debian)
    monkeypatch.setattr(module.subprocess, "run", pip)
    monkeypatch.setattr(module.Emulator, "versions", lambda self, cpu: facts)
    return lines


def test_the_folder_holds_the_release_of_onnxruntime_that_is_here(tmp_path: Path, fetched: list[list[str]]) -> None:
    folder = tmp_path / "emulator"
    assert module.install_emulator(folder, mirror="http://mirror/debian").folder == folder
    facts = json.loads((folder / "emulator.json").read_text())
    assert facts["packages"] == ["from http://mirror/debian"]
    assert f"onnxruntime=={onnxruntime.__version__}" in fetched[0]
    assert "manylinux_2_28_aarch64" in fetched[0]
    assert require_installed(folder) == facts


def test_an_older_emulator_is_replaced_and_other_folders_are_not(tmp_path: Path, fetched: list[list[str]]) -> None:
    folder = tmp_path / "emulator"
    module.install_emulator(folder, mirror="a")
    module.install_emulator(folder, mirror="b")
    assert json.loads((folder / "emulator.json").read_text())["packages"] == ["from b"]
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "file").touch()
    with pytest.raises(InputError, match="holds other files"):
        module.install_emulator(tmp_path / "mine", mirror="a")


def test_what_is_installed_is_left_alone_if_it_is_not_needed(tmp_path: Path, fetched: list[list[str]]) -> None:
    folder = tmp_path / "emulator"
    module.install_emulator(folder, mirror="a", if_needed=True)
    module.install_emulator(folder, mirror="b", if_needed=True)
    assert len(fetched) == 1
    (folder / "emulator.json").write_text(json.dumps({"format": 1, "onnxruntime": "0.1"}))
    module.install_emulator(folder, mirror="b", if_needed=True)
    assert json.loads((folder / "emulator.json").read_text())["packages"] == ["from b"]


def test_the_default_folder_is_created(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fetched: list[list[str]]
) -> None:
    monkeypatch.setenv("GDFQ_EXPORT_EMULATOR", str(tmp_path / "new" / "emulator"))
    module.install_emulator(mirror="a")
    assert Emulator.require().folder == tmp_path / "new" / "emulator"


def test_what_fails_leaves_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fetched: list[list[str]]) -> None:
    def pip(command: list[str], **options: object) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess(command, 1, "", "WARNING: retry\nERROR: No matching distribution found\n")

    monkeypatch.setattr(module.subprocess, "run", pip)
    with pytest.raises(BackendUnavailable, match=r"for ARM64 and Python 3\.11: No matching distribution found; check"):
        module.install_emulator(tmp_path / "emulator", mirror="a")
    assert not [*tmp_path.iterdir()]


def test_a_python_without_pip_says_so(monkeypatch: pytest.MonkeyPatch, fetched: list[list[str]]) -> None:
    monkeypatch.setattr(module.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(BackendUnavailable, match=r"has no pip .* python -m ensurepip"):
        module.install_emulator(mirror="a")


@pytest.mark.slow
def test_what_is_installed_runs_and_can_be_moved(tmp_path: Path) -> None:
    try:
        module.install_emulator(tmp_path / "here")
    except BackendUnavailable as error:
        pytest.skip(str(error))
    (tmp_path / "here").rename(tmp_path / "there")
    found = Emulator(tmp_path / "there").versions("cortex-a53")
    assert (found["machine"], found["onnxruntime"]) == ("aarch64", onnxruntime.__version__)
