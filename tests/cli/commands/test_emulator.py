"""gdfq-export emulator install: where it is written, and what is said where it cannot be."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from gdfq_export.cli.main import cli
from gdfq_export.runtimes.emulation import debian_packages, install


def test_the_folder_is_printed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(install, "require_system", lambda: None)
    monkeypatch.setattr(install, "_is_installed", lambda folder: True)
    result = CliRunner().invoke(cli, ["emulator", "install", str(tmp_path / "e"), "--if-needed"])
    assert result.exit_code == 0, result.output
    assert result.stdout == f"the emulator is in {tmp_path / 'e'}\n"


def test_what_is_missing_ends_with_3(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(install, "require_system", lambda: None)
    monkeypatch.setattr(debian_packages.shutil, "which", lambda tool: None)
    result = CliRunner().invoke(cli, ["emulator", "install", str(tmp_path / "e")])
    assert result.exit_code == 3
    assert "apt-get and dpkg-deb are not on this machine" in result.stderr
    assert not [*tmp_path.iterdir()]


def test_a_folder_of_other_things_ends_with_2(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("require_system", "require_debian_tools", "_require_pip"):
        monkeypatch.setattr(install, name, lambda: None)
    (tmp_path / "mine").touch()
    result = CliRunner().invoke(cli, ["emulator", "install", str(tmp_path), "--mirror", "http://mirror/debian"])
    assert result.exit_code == 2
    assert "holds other files" in result.stderr
